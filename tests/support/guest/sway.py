# SPDX-License-Identifier: MIT
"""How does sway run in a guest, on its graphics card and its input devices?

There is neither logind nor seatd: sway's own seat opens the devices, which everybody may open here.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.compositors import SWAY_UID
from tests.support.guest.machine import Guest

RUNTIME = "/run/sway"
LOG = "/run/sway.log"
RULE = 'SUBSYSTEM=="input", MODE="0666"\n'
# What programs of its session have; ours run as root, to whom it talks as well.
ENVIRONMENT = {
    "XDG_RUNTIME_DIR": RUNTIME,
    "WAYLAND_DISPLAY": f"{RUNTIME}/wayland-1",
    "SWAYSOCK": f"{RUNTIME}/ipc",
}
OWN = {
    "PATH": "/usr/bin:/bin",
    "HOME": RUNTIME,
    "XDG_RUNTIME_DIR": RUNTIME,
    "SWAYSOCK": f"{RUNTIME}/ipc",
    "WLR_BACKENDS": "drm,libinput",
    "WLR_RENDERER": "pixman",
    "WLR_LIBINPUT_NO_DEVICES": "1",
    "LIBSEAT_BACKEND": "builtin",
    "SEATD_VTBOUND": "0",
}


class Sway:
    """A sway with the outputs its card has; `with Sway(guest) as sway:` ends it."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        # Devices that come later, too: our tablet is one.
        guest.output(
            "mkdir -p /run/udev/rules.d && cat > /run/udev/rules.d/99-input.rules", input=RULE
        )
        guest.output("udevadm control --reload && chmod 666 /dev/dri/* /dev/input/*")
        guest.output(f"install -d -m 700 -o {SWAY_UID} -g {SWAY_UID} {RUNTIME}")
        guest.output(f"cat > {RUNTIME}/config", input="seat seat0 fallback true\n")
        user = f"setpriv --reuid {SWAY_UID} --regid {SWAY_UID} --clear-groups"
        self._pid = guest.start(f"env -i {_words(OWN)} {user} sway -c {RUNTIME}/config", LOG)
        guest.wait_until(f"env {_words(ENVIRONMENT)} swaymsg -t get_version", 60, "sway's start")

    def message(self, command: str) -> None:
        """Have sway do something; swaymsg itself waits no longer than 3 s for a busy sway."""
        self._guest.wait_until(f"env {_words(ENVIRONMENT)} swaymsg -- {command}", 60, command)

    def outputs(self) -> dict[str, dict[str, Any]]:
        """What sway says of the outputs that are on, by name; nothing while it is too busy."""
        said = self._guest.run(f"env {_words(ENVIRONMENT)} swaymsg -r -t get_outputs")
        found = [] if said.status else json.loads(said.output)
        return {output["name"]: output for output in found if output["active"]}

    def size(self, name: str) -> tuple[int, int]:
        """The mode of an output; 0x0 while it is off."""
        mode = self.outputs().get(name, {}).get("current_mode") or {}
        return mode.get("width", 0), mode.get("height", 0)

    def log(self) -> str:
        """The end of what it said."""
        return self._guest.run(f"tail -20 {LOG}").output

    def crash(self) -> None:
        """End it as a crash does; its outputs stay as they are."""
        self._guest.output(
            f"kill -KILL {self._pid}; timeout 10 tail --pid={self._pid} -f /dev/null"
        )

    def __enter__(self) -> Sway:
        return self

    def __exit__(self, *_: object) -> None:
        self._guest.run(f"kill {self._pid}; timeout 10 tail --pid={self._pid} -f /dev/null")


def _words(environment: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in environment.items())
