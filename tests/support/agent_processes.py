# SPDX-License-Identifier: MIT
"""How does a test speak as session agents of several processes and users?

Each AgentProcess is a process of its own that connects when told so and hands its connection to the
test; the daemon sees the process, the test has the socket.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path
from typing import Self

from tests.support import wire
from tests.support.descriptors import is_readable
from tests.support.processes import spawn, stop

DEADLINE_S = 10.0
_CONNECTOR = str(Path(__file__).with_name("connector.py"))
_FRAME = struct.Struct("=IIII")


class Closed(Exception):
    """The daemon has closed the connection."""


class AgentProcess:
    """A process that has not connected yet."""

    def __init__(self, uid: int | None = None) -> None:
        self._control, theirs = socket.socketpair()
        self._control.settimeout(DEADLINE_S)
        argv = [sys.executable, "-S", _CONNECTOR, str(theirs.fileno()), str(uid or os.geteuid())]
        self.process = spawn(argv, pass_fds=[theirs.fileno()])
        theirs.close()
        self.pid = self.process.pid
        self.connection: socket.socket | None = None
        self._received = b""

    def connect(self, path: Path) -> Self:
        """Connect to the daemon's socket."""
        self._control.sendall(os.fsencode(path))
        _, fds, _, _ = socket.recv_fds(self._control, 1, 1)
        self.connection = socket.socket(fileno=fds[0])
        self.connection.settimeout(DEADLINE_S)
        return self

    def end_process(self) -> None:
        """The process ends; the test still holds its connection."""
        stop(self.process)

    def close(self) -> None:
        """The connection and the process end."""
        if self.connection is not None:
            self.connection.close()
        self._control.close()
        stop(self.process)

    def send(self, frame: bytes) -> None:
        assert self.connection is not None
        self.connection.sendall(frame)

    def report(self, width: int = 1024, height: int = 768) -> Self:
        """One screen of that size."""
        self.send(wire.resolution(width, height))
        return self

    def read(self) -> tuple[int, int, int, bytes]:
        """The next message: type, arg1, arg2, body."""
        type_, arg1, arg2, size = _FRAME.unpack(self._exactly(_FRAME.size))
        return type_, arg1, arg2, self._exactly(size)

    def expect(self, type_: int) -> tuple[int, int, bytes]:
        """The next message, which is of that type."""
        found, arg1, arg2, body = self.read()
        assert found == type_, f"{wire.Uds(found).name}, not {wire.Uds(type_).name}"
        return arg1, arg2, body

    def is_silent(self) -> bool:
        """Whether nothing is there to be read now, not even the end."""
        assert self.connection is not None
        return not is_readable(self.connection)

    def wait_closed(self) -> None:
        """Read on until the daemon has closed the connection."""
        try:
            while True:
                self.read()
        except (Closed, ConnectionError):
            pass

    def _exactly(self, size: int) -> bytes:
        assert self.connection is not None
        data = b""
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            if not part:
                raise Closed(f"after {len(data)} of {size} bytes")
            data += part
        return data
