# SPDX-License-Identifier: MIT
"""How does a received file come into a directory: unseen until it is whole, over nothing that is there?

Everything here blocks and runs in the worker thread. Names are relative to the directory's file
descriptor, so that nothing can lead out of it, whatever happens to its path meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence

from ..errors import SystemFault
from .base import Buffer, NoSpace

NAME_MAX = 255  # bytes, on every Linux file system
MAX_COPIES = 1000  # of one name
FILE_MODE = 0o644

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Where a second name for a file cannot be had: FAT, some FUSE and network file systems.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES)
_IOV_MAX = 512

_PARTIAL = re.compile(r"\.vdagent-[0-9a-f]{16}\.part")
LEFTOVER_AGE_S = 60.0


def open_directory(path: str) -> int:
    """Open the directory at `path`, made where it is missing. Raises SystemFault."""
    try:
        os.makedirs(path, exist_ok=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _fault(error, f"cannot use {path}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        os.close(fd)
        raise SystemFault(f"disk: {path} is not writable")
    return fd


def free_bytes(directory: int) -> int | None:
    """What an ordinary user may still write there; None where the file system does not say."""
    try:
        status = os.fstatvfs(directory)
    except OSError:
        return None
    return status.f_frsize * status.f_bavail if status.f_blocks else None


def remove_leftovers(directory: int) -> None:
    """Remove what an agent that was killed left behind: old partial files that nobody has locked."""
    try:
        found = [name for name in os.listdir(directory) if _PARTIAL.fullmatch(name)]
    except OSError:
        return
    for name in found:
        try:
            _remove_leftover(directory, name)
        except OSError:
            pass


def _remove_leftover(directory: int, name: str) -> None:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=directory)
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > LEFTOVER_AGE_S:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=directory)
    finally:
        os.close(fd)


class PartialFile:
    """A hidden file that grows, and gets its name when it is whole."""

    def __init__(self, directory: int) -> None:
        """Create it; `directory` is duplicated. Raises SystemFault."""
        self._name = f".vdagent-{os.urandom(8).hex()}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(self._name, flags, FILE_MODE, dir_fd=directory)
        except OSError as error:
            raise _fault(error, "cannot create a file", directory) from None
        self._directory = os.dup(directory)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # only keeps it safe from remove_leftovers

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Append `buffers`. On an error the file is gone, and SystemFault or NoSpace raised."""
        rest = [memoryview(buffer) for buffer in buffers]
        try:
            while rest:
                written = os.writev(self._fd, rest[:_IOV_MAX])
                while rest and written >= len(rest[0]):
                    written -= len(rest.pop(0))
                if written:
                    rest[0] = rest[0][written:]
        except OSError as error:
            self._give_up(error, "cannot write")

    def publish(self, name: str) -> str:
        """Give the whole file `name`, or `name (1)`…; the name it got. Errors as in `write`."""
        try:
            for candidate in copies(name):
                try:
                    self._give_name(candidate)
                except FileExistsError:
                    continue
                self._close()
                return candidate
        except OSError as error:
            self._give_up(error, "cannot name the file")
        self.discard()
        raise SystemFault(f"disk: there are {MAX_COPIES} files of one name")

    def _give_name(self, text: str) -> None:
        """Rename without replacing anything. Raises FileExistsError."""
        here = self._directory
        name = text.encode()  # whatever the locale
        try:
            os.link(
                self._name.encode(), name, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False
            )
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Hold the name with an empty file of our own, which may be replaced.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(name, flags, FILE_MODE, dir_fd=here))
            try:
                os.rename(self._name.encode(), name, src_dir_fd=here, dst_dir_fd=here)
            except OSError:
                os.unlink(name, dir_fd=here)
                raise
        else:
            os.unlink(self._name, dir_fd=here)

    def _give_up(self, error: OSError, what: str) -> None:
        directory = os.dup(self._directory)
        try:
            self.discard()  # first: what it took is free again
            raise _fault(error, what, directory) from None
        finally:
            os.close(directory)

    def discard(self) -> None:
        """Remove the file if it has no name yet. May be called twice."""
        if self._fd < 0:
            return
        try:
            os.unlink(self._name, dir_fd=self._directory)
        except OSError:
            pass
        self._close()

    def _close(self) -> None:
        for fd in (self._fd, self._directory):
            try:
                os.close(fd)
            except OSError:
                pass  # delayed writes of network file systems; the bytes were taken
        self._fd = -1


def copies(name: str) -> Iterator[str]:
    """`name.ext`, `name (1).ext`, `name (2).ext`…, none of them too long."""
    yield _shorten(name, "")
    for number in range(1, MAX_COPIES):
        yield _shorten(name, f" ({number})")


def _shorten(name: str, infix: str) -> str:
    """`name` with `infix` before its extension, the stem cut so that it fits."""
    dot = name.rfind(".")
    stem, extension = (name[:dot], name[dot:]) if dot > 0 else (name, "")
    if len(extension.encode()) > NAME_MAX // 4:
        stem, extension = name, ""  # no extension anybody needs
    room = NAME_MAX - len((infix + extension).encode())
    return stem.encode()[:room].decode(errors="ignore") + infix + extension


def _fault(error: OSError, what: str, directory: int | None = None) -> SystemFault:
    if error.errno in _FULL and directory is not None:
        return NoSpace(free_bytes(directory) or 0)
    return SystemFault(f"disk: {what}: {os.strerror(error.errno or errno.EIO)}")
