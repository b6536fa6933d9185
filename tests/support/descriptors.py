# SPDX-License-Identifier: MIT
"""Can a descriptor be read or written now, or soon, and which TCP port may a program have?

By poll(): select() knows no more than 1024 descriptors.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket


def is_readable(end: int | socket.socket, within_s: float = 0.0) -> bool:
    """Whether there is something to read, an end included."""
    return _is(select.POLLIN, end, within_s)


def is_writable(end: int | socket.socket, within_s: float = 0.0) -> bool:
    """Whether something is taken, or an error is to be had."""
    return _is(select.POLLOUT, end, within_s)


def free_tcp_port() -> int:
    """One on 127.0.0.1 that the kernel does not hand out itself before the program has it."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no TCP port is free")


def _is(event: int, end: int | socket.socket, within_s: float) -> bool:
    poll = select.poll()
    poll.register(end, event)
    return bool(poll.poll(within_s * 1000))
