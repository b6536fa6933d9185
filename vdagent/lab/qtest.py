# SPDX-License-Identifier: MIT
"""How do we touch a machine's memory, I/O ports and interrupts from outside? (QEMU's qtest)

A line per command, a line per reply, in order: `OK`, `OK VALUE` or `FAIL REASON`. Between replies
come `IRQ raise N` and `IRQ lower N` once interrupts are intercepted. Commands may be sent without
waiting for the replies to earlier ones: a batch costs one round trip.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

from ..errors import HostError

# QEMU answers within a millisecond; the rest is for a machine that is busy or suspended.
REPLY_TIMEOUT_S: Final = 20.0


class _Batch:
    """Commands that were sent together, waiting for `missing` more replies."""

    __slots__ = ("done", "missing", "replies")

    def __init__(self, size: int, done: asyncio.Future[list[str]]) -> None:
        self.missing = size
        self.replies: list[str] = []
        self.done = done


class Qtest(asyncio.Protocol):
    """QEMU's end of a qtest socket; it connects to us (`-qtest unix:PATH`)."""

    def __init__(self) -> None:
        self.connected = asyncio.get_running_loop().create_future()
        self.on_interrupt: Callable[[int], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._batches: deque[_Batch] = deque()
        self._partial_line = bytearray()

    async def run(self, commands: Sequence[str]) -> list[str]:
        """Send `commands` in one go and return what follows OK in each reply."""
        if self._transport is None or self._transport.is_closing():
            raise HostError("QEMU is gone")
        done: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._batches.append(_Batch(len(commands), done))
        self._transport.write(("\n".join(commands) + "\n").encode())
        try:
            # Not wait_for(): before Python 3.12 it can swallow a cancellation.
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return await done
        except TimeoutError as error:
            raise HostError(f"QEMU did not answer within {REPLY_TIMEOUT_S:.0f} s") from error

    async def get(self, command: str) -> int:
        """The number that `command` returns."""
        return int((await self.run([command]))[0], 16)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.connected.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        for batch in self._batches:
            if not batch.done.done():
                batch.done.set_exception(HostError("QEMU is gone"))
        self._batches.clear()

    def data_received(self, data: bytes) -> None:
        self._partial_line += data
        *lines, rest = self._partial_line.split(b"\n")
        self._partial_line = rest
        for line in lines:
            self._line(line.decode())

    def _line(self, line: str) -> None:
        word, _, value = line.partition(" ")
        if word == "IRQ":
            direction, _, number = value.partition(" ")
            if direction == "raise" and self.on_interrupt:
                self.on_interrupt(int(number))
            return
        if not self._batches:
            return
        batch = self._batches[0]
        if word != "OK" and not batch.done.done():
            batch.done.set_exception(HostError(f"QEMU refused a qtest command: {line}"))
        batch.replies.append(value)
        batch.missing -= 1
        if batch.missing == 0:
            self._batches.popleft()
            if not batch.done.done():
                batch.done.set_result(batch.replies)

    def close(self) -> None:
        """Let go of QEMU."""
        if self._transport is not None:
            self._transport.abort()


def read(address: int, size: int) -> str:
    """The command that reads guest memory; its reply goes through `decode`."""
    return f"b64read {address:#x} {size:#x}"


def decode(reply: str) -> bytes:
    """The bytes in the reply to `read`."""
    return b64decode(reply)


def write(address: int, data: bytes) -> str:
    """The command that writes guest memory."""
    return f"b64write {address:#x} {len(data):#x} {b64encode(data).decode()}"


async def listen(path: Path) -> tuple[asyncio.Server, Qtest]:
    """Offer a qtest socket at `path`; the Qtest's `connected` is done once QEMU has come."""
    qtest = Qtest()
    server = await asyncio.get_running_loop().create_unix_server(lambda: qtest, path)
    return server, qtest
