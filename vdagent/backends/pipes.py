# SPDX-License-Identifier: MIT
"""How does a selection's content pass through a pipe without stopping the loop?

`receive` and `send` own the file descriptor they are given and close it, whatever happens.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from typing import Any

from ..errors import DesktopError
from .base import Buffer, Patience

PIPE_BYTES = 1 << 20  # what an unprivileged process may ask for (/proc/sys/fs/pipe-max-size)
LATE_S = 60.0
LATE_BYTES = 64 << 20


def open_pipe() -> tuple[int, int]:
    """A pipe (reading end, writing end); the writing end goes to another program and blocks."""
    return os.pipe2(os.O_CLOEXEC)


async def receive(fd: int, patience: Patience) -> bytearray:
    """Everything up to the end. Raises DesktopError if that takes too long or is too much."""
    data = bytearray()
    wait_s = patience.first_s
    try:
        os.set_blocking(fd, False)
        _enlarge(fd)
        while True:
            try:
                part = os.read(fd, PIPE_BYTES)
            except BlockingIOError:
                await _readable(fd, wait_s, len(data))
                continue
            if not part:
                return data
            data += part
            if len(data) > patience.max_bytes:
                raise DesktopError(f"the selection is larger than {patience.max_bytes} bytes")
            wait_s = patience.progress_s
            await asyncio.sleep(0)
    finally:
        os.close(fd)


async def discard(fd: int) -> None:
    """Let somebody write what nobody waits for any more, within limits."""
    try:
        async with asyncio.timeout(LATE_S):
            left = LATE_BYTES
            while left > 0:
                try:
                    part = os.read(fd, PIPE_BYTES)
                except BlockingIOError:
                    await _readable(fd, LATE_S, 0)
                    continue
                if not part:
                    return
                left -= len(part)
                await asyncio.sleep(0)
    except (DesktopError, TimeoutError):
        pass
    finally:
        os.close(fd)


async def send(fd: int, data: Buffer, stall_s: float) -> None:
    """Write all of `data`. Raises DesktopError if the reader takes nothing for `stall_s`.

    A reader that closes early has had enough: that is no error.
    """
    try:
        os.set_blocking(fd, False)
        _enlarge(fd)
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(fd, rest[:PIPE_BYTES]) :]
            except BlockingIOError:
                await _writable(fd, stall_s)
            except OSError:
                return
            else:
                await asyncio.sleep(0)
    finally:
        os.close(fd)


async def _readable(fd: int, wait_s: float, got: int) -> None:
    loop = asyncio.get_running_loop()
    try:
        await _ready(loop.add_reader, loop.remove_reader, fd, wait_s)
    except TimeoutError:
        stopped = f"stopped after {got} bytes" if got else "does not answer"
        raise DesktopError(f"the program that owns the selection {stopped}") from None


async def _writable(fd: int, wait_s: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        await _ready(loop.add_writer, loop.remove_writer, fd, wait_s)
    except TimeoutError:
        raise DesktopError("the program that pastes does not read") from None


async def _ready(
    add: Callable[..., Any], remove: Callable[[int], Any], fd: int, wait_s: float
) -> None:
    ready = asyncio.get_running_loop().create_future()
    add(fd, _set, ready)
    try:
        async with asyncio.timeout(wait_s):
            await ready
    finally:
        remove(fd)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _enlarge(fd: int) -> None:
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass  # not a pipe, or this user has too many: only slower
