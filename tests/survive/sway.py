# SPDX-License-Identifier: MIT
"""How does a person in the installed guest work on sway, and how does that crash?

They log in on a text console, which makes a logind session, and start it there; its configuration starts
the session agent, as docs/install.md says. The guest's card is one that wlroots 0.15 cannot use: what
sway shows goes nowhere, while pointer and keyboard are the guest's.
"""

from __future__ import annotations

from tests.support.guest.machine import Guest
from tests.support.guest.seat import switch_console

USER, CONSOLE = "wayland", 3
UNIT = f"{USER}-desktop.service"
# PAM calls a login on a console "tty"; sway has logind change that.
LOGIN = f"""[Unit]
Description=A login of the user {USER}, who starts sway
Conflicts=getty@tty{CONSOLE}.service
After=getty@tty{CONSOLE}.service

[Service]
User={USER}
WorkingDirectory=/home/{USER}
PAMName=login
TTYPath=/dev/tty{CONSOLE}
StandardInput=tty
StandardOutput=journal
StandardError=journal
UtmpIdentifier=tty{CONSOLE}
UtmpMode=user
Environment=WLR_BACKENDS=headless,libinput WLR_RENDERER=pixman WLR_LIBINPUT_NO_DEVICES=1
ExecStart=/usr/bin/sway
"""
STARTED_S = 60.0


class Sway:
    """That user's login; `log_in` starts it, for the first time or again."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        guest.output(f"id -u {USER} || useradd --create-home --shell /bin/bash {USER}")
        self._runtime = f"/run/user/{guest.output(f'id -u {USER}').strip()}"
        self.clicked = f"{self._runtime}/clicked"
        click = f"bindsym --whole-window button1 exec touch {self.clicked}"
        config = f"xwayland disable\nexec vdagent session\n{click}\n"
        guest.put(f"/home/{USER}/.config/sway/config", config.encode())
        guest.put(f"/run/systemd/system/{UNIT}", LOGIN.encode())
        guest.output("systemctl daemon-reload")

    def log_in(self) -> None:
        """Returns when it answers programs."""
        switch_console(self._guest, CONSOLE)
        self._guest.output(f"systemctl start {UNIT}", timeout_s=STARTED_S)
        answers = "swaymsg -s $(ls -t {}/sway-ipc.* | head -n 1) -t get_version"
        answers = answers.format(self._runtime)
        self._guest.wait_until(f"timeout 3 {answers} >/dev/null 2>&1", STARTED_S, "sway")

    def crash(self) -> None:
        """It leaves its sockets behind, and the login on the console ends."""
        self._guest.output(f"systemctl kill -s KILL {UNIT}")
        self._guest.wait_until(f"! systemctl is-active -q {UNIT}", STARTED_S, "sway's end")

    def log_out(self) -> None:
        """It goes in good order; programs that do not mind stay."""
        self._guest.output(f"systemctl stop {UNIT}", timeout_s=STARTED_S)

    def run(self, command: str) -> str:
        """How to run a command as a client of it."""
        return f"env XDG_RUNTIME_DIR={self._runtime} WAYLAND_DISPLAY=wayland-1 {command}"
