# SPDX-License-Identifier: MIT
"""Which process is at the other end of a session's connection, and does its pid still mean it?

A pid alone proves nothing: its process may end, and another user's get the same number, between
connecting and our asking somebody about it (CVE-2020-25653). So the process is held fast by its pidfd
where the kernel tells it (SO_PEERPIDFD, Linux 6.5), else recognised by its start time and user.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct

SO_PEERPIDFD = 77  # asm-generic/socket.h; the socket module of Python 3.11 does not know it
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid


class Peer:
    """The process that connected, as the kernel noted it at connect() (SO_PEERCRED, unix(7))."""

    def __init__(self, connection: socket.socket) -> None:
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.pid, self.uid, _ = _CREDENTIALS.unpack(data)
        self._pidfd = -1
        self._started: bytes | None = None
        try:
            self._pidfd = connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.EINVAL):  # these two: it has ended
                self._started = _start_time(self.pid, self.uid)

    def is_alive(self) -> bool:
        """Whether the process lives, so that everything asked by its pid until now was about it."""
        if self._pidfd >= 0:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            return not poll.poll(0)
        return self._started is not None and self._started == _start_time(self.pid, self.uid)

    def close(self) -> None:
        """Let go of it; it counts as ended from now on."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._pidfd, self._started = -1, None


def _start_time(pid: int, uid: int) -> bytes | None:
    """When the process started, in ticks since boot; None unless it is there and `uid`'s.

    The user is read from the text: the files of a process that may not be dumped belong to root.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat, open(f"/proc/{pid}/status", "rb") as status:
            fields = stat.read().rpartition(b")")[2].split()  # a name may hold blanks and brackets
            uids = next(line.split()[1:] for line in status if line.startswith(b"Uid:"))
    except (OSError, StopIteration):
        return None
    return fields[19] if len(fields) > 19 and b"%d" % uid in uids else None
