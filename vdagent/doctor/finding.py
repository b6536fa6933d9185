# SPDX-License-Identifier: MIT
"""What does the doctor say of one link of the chain, and what does it look at?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..options import UINPUT

Status = dict[str, Any]  # the daemon's, see docs/status.schema.json


class Finding(NamedTuple):
    """One line: a link, whether it holds (None: cannot be told), what was seen, what to do about it."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


class Scope(NamedTuple):
    """What is examined: the paths of daemon and session, who asks, and where the system's files are."""

    port: str
    socket: str
    uinput: str = UINPUT
    root: str = "/"  # of /sys, /proc, /run and /dev: another one in tests
    environment: Mapping[str, str] = os.environ

    def path(self, name: str) -> str:
        """A system file below `root`."""
        return self.root.rstrip("/") + name

    def read(self, name: str) -> str:
        """What such a file says, "" where there is none."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read().strip("\0\n ")
        except OSError:
            return ""

    def entries(self, name: str) -> list[str]:
        """The names in such a directory, none where there is none."""
        try:
            return sorted(os.listdir(self.path(name)))
        except OSError:
            return []

    @property
    def has_systemd(self) -> bool:
        """Whether it runs this system (sd_booted(3))."""
        return os.path.isdir(self.path("/run/systemd/system"))

    def service(self, action: str) -> str:
        """How this system's init does that to the daemon: start, restart."""
        if self.has_systemd:  # at boot udev's rule starts the socket
            unit = "socket" if action == "start" else "service"
            return f"systemctl {action} vdagentd.{unit}"
        if os.path.exists(self.path("/run/openrc/softlevel")):
            return f"rc-service vdagentd {action}"
        if os.path.isdir(self.path("/run/runit")):
            return f"sv {'up' if action == 'start' else action} vdagentd"
        return "as root: vdagent daemon" if action == "start" else "end it, and: vdagent daemon"

    def access_hint(self, problem: str, path: str) -> str | None:
        """What lets the daemon use a device, if that is the problem; it does not run as root."""
        if "Permission denied" in problem:
            return (
                "udev gives it to the daemon's user: udevadm control --reload; udevadm trigger "
                f"--action=add {path}; see ls -lL {path}"
            )
        if "Operation not permitted" in problem:  # DeviceAllow= of the unit
            return f"it was not there yet when the daemon started: {self.service('restart')}"
        return None
