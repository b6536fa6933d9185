# SPDX-License-Identifier: MIT
"""Who plays the host and the session around the daemon under test?"""

from __future__ import annotations

import array
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from bench import wire

TIMEOUT_S, START_TIMEOUT_S = 60.0, 10.0


class PeerClosed(Exception):
    """The daemon under test closed a connection that the figure still needed."""


def read_exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view, have = memoryview(data), 0
    while have < size:
        count = connection.recv_into(view[have:])
        if not count:
            raise PeerClosed(f"closed after {have} of {size} bytes")
        have += count
    return bytes(data)


class Host:
    """spice-server's end of the port: a UNIX socket that the daemon opens."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(START_TIMEOUT_S)
        self._no_fd = os.open(os.devnull, os.O_RDONLY)
        self.connection = self._listener  # until accept()

    def accept(self) -> None:
        self.connection, _ = self._listener.accept()
        self.connection.settimeout(TIMEOUT_S)

    def send(self, stream: bytes) -> None:
        self.connection.sendall(stream)

    def send_records(self, records: Iterable[bytes | memoryview]) -> None:
        """Send so that no read() of the daemon returns bytes of two records.

        An AF_UNIX stream read never crosses a message that carries file descriptors; the daemon's
        plain read() drops them.
        """
        send = self.connection.sendmsg
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self._no_fd]))]
        for record in records:
            if send((record,), ancillary) != len(record):
                raise PeerClosed("short record")

    def read_message(self) -> tuple[int, bytes]:
        """The next whole message, however it is chunked: type and payload."""
        body = bytearray()
        while True:
            _, size = wire.CHUNK.unpack(read_exactly(self.connection, wire.CHUNK.size))
            body += read_exactly(self.connection, size)
            if len(body) >= wire.MESSAGE.size:
                _, kind, _, length = wire.MESSAGE.unpack_from(body)
                if len(body) >= wire.MESSAGE.size + length:
                    return kind, bytes(body[wire.MESSAGE.size :])

    def expect(self, wanted: int) -> bytes:
        """Skip messages until one of type `wanted` came; its payload."""
        while True:
            kind, payload = self.read_message()
            if kind == wanted:
                return payload

    def shake_hands(self) -> None:
        """Attach a viewer; returns once the daemon has taken in its capabilities."""
        self.send(wire.announce(request=1))
        while struct.unpack_from("<I", self.expect(wire.ANNOUNCE))[0] != 0:
            pass

    def close(self) -> None:
        self.connection.close()
        self._listener.close()
        os.close(self._no_fd)


class Session:
    """A session agent's end of the daemon's socket; it has one 1024x768 screen."""

    def __init__(self, path: Path, daemon: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.connection.settimeout(TIMEOUT_S)
            try:
                self.connection.connect(str(path))
                break
            except OSError:
                self.connection.close()
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.0005)
        screen = struct.pack("=5i", 1024, 768, 0, 0, 0)
        self.send(wire.U_RESOLUTION, 1024, 768, screen)

    def send(self, kind: int, arg1: int = 0, arg2: int = 0, payload: bytes = b"") -> None:
        self.connection.sendall(wire.udscs(kind, arg1, arg2, payload))

    def expect(self, wanted: int) -> bytes:
        """Skip messages until one of type `wanted` came; its payload."""
        while True:
            header = read_exactly(self.connection, wire.UDSCS.size)
            kind, _, _, size = wire.UDSCS.unpack(header)
            payload = read_exactly(self.connection, size)
            if kind == wanted:
                return payload

    def close(self) -> None:
        self.connection.close()


class Sink(threading.Thread):
    """Reads `size` bytes from a file descriptor and notes when the last one came."""

    def __init__(self, fd: int, size: int) -> None:
        super().__init__(daemon=True)
        self._fd = fd
        self._size = size
        self.received = 0
        self.finished_s = 0.0

    def run(self) -> None:
        buffer = bytearray(1 << 20)
        os.set_blocking(self._fd, True)
        while self.received < self._size:
            count = os.readv(self._fd, [buffer])
            if not count:
                break
            self.received += count
        self.finished_s = time.monotonic()

    def wait(self) -> float:
        """Block until everything came; the time of the last byte on the monotonic clock."""
        self.join(TIMEOUT_S)
        if self.received < self._size:
            raise PeerClosed(f"got {self.received} of {self._size} bytes")
        return self.finished_s
