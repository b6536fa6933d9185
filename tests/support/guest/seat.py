# SPDX-License-Identifier: MIT
"""How do several people share the seat of a guest that boots from its disk? Each has a console."""

from __future__ import annotations

import shlex

from tests.support.guest.machine import Guest

# The unit of disk_files/ that logs the user "guest" in; others get a copy of it.
UNIT = "/etc/systemd/system/guest-desktop.service"
LOGIN_S = 60.0
SWITCH_S = 10.0


class Desktop:
    """One person's login on seat0, with an X server of their own on console `vt`."""

    def __init__(self, guest: Guest, user: str, vt: int, display: int) -> None:
        self.guest, self.user, self.vt, self.display = guest, user, vt, display

    @property
    def session(self) -> str:
        """The id that logind gave this login."""
        listed = self.guest.output("loginctl list-sessions --no-legend")
        rows = [row.split() for row in listed.splitlines()]
        return next(row[0] for row in rows if row[2] == self.user)

    def activate(self) -> None:
        """Bring it to the seat, as a display manager does."""
        self.guest.output(f"loginctl activate {self.session}")
        self.wait_active()

    def wait_active(self, timeout_s: float = SWITCH_S) -> None:
        """Wait until logind says that it is at the seat."""
        asked = "loginctl show-seat seat0 --value -p ActiveSession"
        self.guest.wait_until(
            f'[ "$({asked})" = {self.session} ]', timeout_s, f"{self.user} active"
        )

    def command(self, command: str) -> str:
        """How to run a shell command as this person, on this desktop."""
        environment = f"HOME=/home/{self.user} DISPLAY=:{self.display} LC_ALL=C.UTF-8"
        return f"runuser -u {self.user} -- env -i PATH=$PATH {environment} sh -c {shlex.quote(command)}"

    def output(self, command: str, *, input: str | None = None) -> str:
        """What such a command prints."""
        return self.guest.output(self.command(command), input=input)

    def wait_until(self, condition: str, timeout_s: float = 20.0, what: str = "") -> None:
        """Wait until such a command succeeds."""
        self.guest.wait_until(self.command(condition), timeout_s, what)

    def copy(self, text: str) -> None:
        """An X program takes the clipboard and keeps it."""
        self.output("xclip -i -selection clipboard >/dev/null 2>&1", input=text)

    def paste(self) -> str:
        """What an X program gets that pastes; nothing if there is nothing."""
        return self.output("timeout 5 xclip -o -selection clipboard 2>/dev/null || true")

    def wait_paste(self, text: str) -> None:
        """Wait until that is `text`."""
        pasted = '"$(timeout 5 xclip -o -selection clipboard)"'
        self.wait_until(f"[ {pasted} = {shlex.quote(text)} ]", 10.0, f"pasting {text!r}")

    def log_out(self) -> None:
        """End the login and everything in it."""
        self.guest.output(f"systemctl stop {self.user}-desktop.service")


def switch_console(guest: Guest, vt: int) -> None:
    """What Ctrl-Alt-Fn does on a text console (chvt is in a package that is not on the disk)."""
    # VT_ACTIVATE and VT_WAITACTIVE: an X server takes its time to leave the screen to others.
    ioctl = f"[fcntl.ioctl(open('/dev/tty0', 'w'), number, {vt}) for number in (0x5606, 0x5607)]"
    guest.output(f'timeout 20 python3 -I -S -c "import fcntl; {ioctl}"')


def log_in(guest: Guest, user: str, vt: int, class_: str = "user") -> Desktop:
    """Log a new user in on console `vt` of seat0, which brings that login to the seat."""
    desktop = Desktop(guest, user, vt, vt)
    changes = {
        "User=guest": f"User={user}",
        "/home/guest": f"/home/{user}",
        "tty1": f"tty{vt}",
        "vt1": f"vt{vt}",
        "XDG_VTNR=1": f"XDG_VTNR={vt}",
        "Xorg :0": f"Xorg :{desktop.display}",
        "XDG_SESSION_CLASS=user": f"XDG_SESSION_CLASS={class_}",
    }
    unit = guest.output(f"cat {UNIT}")
    for old, new in changes.items():
        if old not in unit:
            raise RuntimeError(f"{UNIT} says nothing of {old}")
        unit = unit.replace(old, new)
    guest.put(f"/run/systemd/system/{user}-desktop.service", unit.encode())
    guest.output(f"id -u {user} 2>/dev/null || useradd --create-home --shell /bin/bash {user}")
    # First: Xorg gives up if logind hands it a graphics card that is another session's.
    switch_console(guest, vt)
    guest.output(f"systemctl daemon-reload && systemctl start {user}-desktop.service", timeout_s=60)
    guest.wait_until(f"loginctl list-sessions | grep -qw {user}", LOGIN_S, f"the login of {user}")
    desktop.wait_active(LOGIN_S)
    return desktop
