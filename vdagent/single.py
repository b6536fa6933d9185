# SPDX-License-Identifier: MIT
"""Is there a session agent for this desktop already? (autostart entry and user unit may both start one)"""

from __future__ import annotations

import fcntl
import os
import zlib

from .errors import SystemFault

_held: list[int] = []  # kept open, and so locked, for as long as the process lives


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
    name = f"vdagent-session-{name_of(display, socket_path)}.lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(os.path.join(directory, name), flags, 0o600)
    except OSError as error:
        raise SystemFault(f"session: cannot lock in {directory}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return False
    _held.append(fd)
    return True
