# SPDX-License-Identifier: MIT
"""What does the doctor say of one link of the chain?"""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One line: a link, whether it holds (None: cannot be told), what was seen, what to do about it."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


class Scope(NamedTuple):
    """What is examined: the paths of daemon and session, and where the system's files are."""

    port: str
    socket: str
    uinput: str = "/dev/uinput"
    root: str = "/"  # of /sys, /proc and /dev: another one in tests

    def path(self, name: str) -> str:
        """A system file below `root`."""
        return self.root.rstrip("/") + name
