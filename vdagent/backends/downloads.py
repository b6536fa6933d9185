# SPDX-License-Identifier: MIT
"""Where in the user's home do received files go, and who shows them there?"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
from collections.abc import Awaitable, Callable, Sequence

from ..errors import SystemFault
from .base import Buffer, IncomingFile, NoSpace
from .files import PartialFile, free_bytes, open_directory, remove_leftovers
from .worker import Worker

# What a disk does not do in this time is left to `remove_leftovers`.
CLOSE_S = 0.4

log = logging.getLogger("files")


class Downloads:
    """Implements base.FileStore: the directory of the user's choice, else ~/Downloads."""

    def __init__(
        self,
        save_dir: str | None,
        open_dir: bool | None,
        has_desktop_icons: Callable[[], Awaitable[bool]],
    ) -> None:
        self._save_dir, self._open_dir = save_dir, open_dir
        self._has_desktop_icons = has_desktop_icons
        self._icons: bool | None = None  # where nobody has asked yet
        self._worker = Worker("disk")
        self._cleaned: set[str] = set()
        self._unusable: set[str] = set()  # that was said

    async def create(self, size: int, promised: int) -> IncomingFile:
        if self._icons is None and (self._save_dir is None or self._open_dir is None):
            self._icons = await self._has_desktop_icons()
        incoming = _Incoming(self._worker)
        # The default is the C peer's: the desktop where the desktop shows icons.
        save_dir = self._save_dir or ("xdg-desktop" if self._icons else "xdg-download")
        try:
            await self._worker.run(lambda: self._create(incoming, save_dir, size, promised))
        except BaseException:
            incoming.discard()
            raise
        return incoming

    def use(self, save_dir: str | None) -> None:
        """Where files go from the next one on."""
        self._save_dir = save_dir

    def _create(self, incoming: _Incoming, save_dir: str, size: int, promised: int) -> None:
        """In the worker: the first directory that can be used gets the file."""
        problem: SystemFault | None = None
        for path in directories(save_dir):
            try:
                directory = open_directory(path)
            except SystemFault as error:
                problem = error
                continue
            try:
                self._clean(path, directory)
                free = free_bytes(directory)
                if free is not None and size > max(free - promised, 0):
                    raise NoSpace(max(free - promised, 0))
                incoming.opened(path, PartialFile(directory))
                self._say_where(path, problem)
                return
            finally:
                os.close(directory)
        raise problem or SystemFault("disk: there is no directory for files")

    def _say_where(self, path: str, problem: SystemFault | None) -> None:
        """Once, that the directory of the user's choice was not the one."""
        if problem is not None and str(problem) not in self._unusable:
            self._unusable.add(str(problem))
            log.warning("%s; files go to %s", problem, path)

    def _clean(self, path: str, directory: int) -> None:
        if path not in self._cleaned:
            self._cleaned.add(path)
            remove_leftovers(directory)

    def show(self, path: str) -> None:
        if not self._icons if self._open_dir is None else self._open_dir:
            self.open(path)

    def open(self, path: str) -> None:
        open_in_file_manager(os.path.dirname(path))

    async def close(self) -> None:
        await self._worker.close(CLOSE_S)


class _Incoming:
    """Implements base.IncomingFile around a PartialFile that lives in the worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._directory = ""
        self._file: PartialFile | None = None

    def opened(self, directory: str, file: PartialFile) -> None:
        self._directory, self._file = directory, file

    @property
    def _partial(self) -> PartialFile:
        if self._file is None:
            raise SystemFault("disk: the file was not created")
        return self._file

    async def write(self, buffers: Sequence[Buffer]) -> None:
        await self._worker.run(lambda: self._partial.write(buffers))

    async def finish(self, name: str) -> str:
        name = await self._worker.run(lambda: self._partial.publish(name))
        return os.path.join(self._directory, name)

    def discard(self) -> None:
        # Behind whatever the worker still does with it, its creation included.
        self._worker.post(lambda: self._file.discard() if self._file else None)


# -- directories ---------------------------------------------------------------------------------


def directories(save_dir: str) -> list[str]:
    """Where to try, in order: what `save_dir` names, then ~/Downloads."""
    home = os.path.expanduser("~")
    fallback = os.path.join(home, "Downloads")
    if save_dir in ("xdg-desktop", "xdg-download"):
        wanted = xdg_directory(save_dir.removeprefix("xdg-").upper(), home)
    else:
        wanted = os.path.join(home, os.path.expanduser(save_dir))
    return list(dict.fromkeys([wanted or fallback, fallback]))


def xdg_directory(kind: str, home: str) -> str | None:
    """What user-dirs.dirs(5) says about DESKTOP or DOWNLOAD; None if nothing, or that it is off."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    try:
        with open(os.path.join(config, "user-dirs.dirs"), encoding="utf-8") as file:
            text = file.read(65536)
    except (OSError, UnicodeDecodeError):
        text = ""
    found = re.findall(rf'^[ \t]*XDG_{kind}_DIR[ \t]*=[ \t]*"((?:[^"\\\n]|\\.)*)"', text, re.M)
    path = _expand(found[-1], home) if found else None
    if path is None and kind == "DESKTOP":
        path = os.path.join(home, "Desktop")
    # "$HOME/" is how a directory is switched off, and no place to drop files in.
    return None if path is None or os.path.normpath(path) == os.path.normpath(home) else path


def _expand(value: str, home: str) -> str | None:
    """An absolute path from a value that may begin with $HOME; nothing else is expanded."""
    value = re.sub(r"\\(.)", r"\1", value)
    if value == "$HOME" or value.startswith("$HOME/"):
        return home + value.removeprefix("$HOME")
    return value if value.startswith("/") else None


def open_in_file_manager(directory: str) -> None:
    """Start xdg-open, by its arguments and never a shell (CVE-2017-15108)."""
    try:
        process = subprocess.Popen(
            ["xdg-open", directory],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return
    # Some desktops' xdg-open stays as long as the window.
    threading.Thread(target=process.wait, name="xdg-open", daemon=True).start()
