# SPDX-License-Identifier: MIT
"""Does an XWayland run already, and when does one start? Without connecting, which would start it.

GNOME listens for X programs itself and starts XWayland for the first one; nothing on the bus tells of
that. Its executable being opened does, to whoever watches the file (inotify(7)).
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil

PROGRAM = "Xwayland"
FIRST_LOOK_S = 0.1  # a file is opened a moment before the process is another one
LAST_LOOK_S = 1.6

IN_OPEN, IN_ATTRIB = 0x20, 0x4  # the latter comes when an upgrade has put another file in its place

log = logging.getLogger(__name__)


def runs(display: str) -> bool:
    """Whether a process of ours is the XWayland of this display."""
    wanted = display.partition(".")[0].encode()
    with os.scandir("/proc") as processes:
        return any(_is_xwayland(entry, wanted) for entry in processes if entry.name.isdigit())


def _is_xwayland(process: os.DirEntry[str], display: bytes) -> bool:
    try:
        with open(f"{process.path}/cmdline", "rb") as file:
            program, *arguments = file.read(4096).split(b"\0")
        named = PROGRAM.encode() in os.path.basename(program) and display in arguments
        return named and process.stat().st_uid == os.geteuid()
    except OSError:
        return False  # it has gone meanwhile


class XWaylandStarts:
    """Waits for an XWayland; never in a hurry where it cannot be watched."""

    def __init__(self, display: str) -> None:
        self._display = display
        self._path = shutil.which(PROGRAM)
        self._opened = asyncio.Event()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0 or not self._watch():
            log.debug("no start of an XWayland is seen: %s", os.strerror(ctypes.get_errno()))
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def _watch(self) -> bool:
        mask = IN_OPEN | IN_ATTRIB
        path = os.fsencode(self._path) if self._path else b""
        return bool(self._libc.inotify_add_watch(self._fd, path, mask) >= 0)

    def _readable(self) -> None:
        os.read(self._fd, 4096)
        self._watch()
        self._opened.set()

    async def wait(self) -> None:
        """Until one that started after the last wait runs."""
        while True:
            await self._opened.wait()
            look_s = FIRST_LOOK_S
            while look_s <= LAST_LOOK_S:
                self._opened.clear()
                if runs(self._display):
                    return
                await asyncio.sleep(look_s)
                look_s *= 2

    def close(self) -> None:
        """Watch no longer."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
