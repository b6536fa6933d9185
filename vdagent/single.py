# SPDX-License-Identifier: MIT
"""Is there a session agent for this desktop already? (autostart entry and user unit may both start one)"""

from __future__ import annotations

import fcntl
import os
import zlib

from .errors import SystemFault

_held: list[int] = []  # kept open, and so locked
_path = ""


def name_of(display: str, socket_path: str) -> str:
    """What tells this agent's files in $XDG_RUNTIME_DIR from another desktop's."""
    return f"{zlib.crc32(f'{display} {socket_path}'.encode()):08x}"


def claim(display: str, socket_path: str) -> bool:
    """Be the one agent of `display` at `socket_path`; False if another process is.

    The lock is a file in $XDG_RUNTIME_DIR, which belongs to the user and ends with the session.
    Where there is none, the daemon alone decides.
    """
    directory = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isdir(directory):
        return True
    global _path
    _path = os.path.join(directory, f"vdagent-session-{name_of(display, socket_path)}.lock")
    try:
        return _lock()
    except OSError as error:
        raise SystemFault(f"session: cannot lock in {directory}: {error.strerror}") from None


def leave() -> None:
    """Let another process be it, for now: whoever logs in again starts an agent of that login."""
    while _held:
        os.close(_held.pop())


def claim_again() -> bool:
    """Be it once more; False if another process is meanwhile."""
    try:
        return not _path or bool(_held) or _lock()
    except OSError:  # the directory has gone, and so has whatever could serve here
        return False


def _lock() -> bool:
    fd = os.open(_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return False
    _held.append(fd)
    return True
