# SPDX-License-Identifier: MIT
"""Can a descriptor be read or written now, or soon? By poll(): select() knows no more than 1024 of them."""

from __future__ import annotations

import select
import socket


def is_readable(end: int | socket.socket, within_s: float = 0.0) -> bool:
    """Whether there is something to read, an end included."""
    return _is(select.POLLIN, end, within_s)


def is_writable(end: int | socket.socket, within_s: float = 0.0) -> bool:
    """Whether something is taken, or an error is to be had."""
    return _is(select.POLLOUT, end, within_s)


def _is(event: int, end: int | socket.socket, within_s: float) -> bool:
    poll = select.poll()
    poll.register(end, event)
    return bool(poll.poll(within_s * 1000))
