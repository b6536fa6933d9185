# SPDX-License-Identifier: MIT
"""How is a selection that another program owns read, many at a time, whole or in increments?

Each read has a window of its own, because some owners keep one transfer per window, not per
property. A window whose read was given up is kept until its owner has answered: a late answer must
not end up in somebody else's paste, and some owners die of a window that is gone.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from Xlib import X
from Xlib.protocol import event, request

from ...errors import DesktopError
from ..base import Patience
from .connection import XConnection

STEP = 1 << 20  # bytes per GetProperty
MAX_WINDOWS = 256

T = TypeVar("T")


class OwnerSilent(DesktopError):
    """The owner let its time pass."""

    def __init__(self) -> None:
        super().__init__("the program that owns the selection does not answer", "is it hung?")


class Converted(NamedTuple):
    """What an owner answered: the property's type, its format (8, 16 or 32 bits), its bytes."""

    type: int
    format: int
    data: bytearray


class _State(Enum):
    ASKED = 1  # the owner has not answered yet
    ANSWERED = 2  # it has, and may be in the middle of an INCR transfer
    DONE = 3  # nothing more will come


class _Read:
    """One conversion under way; `given_up` once nobody waits for it any more."""

    def __init__(self, x: XConnection, window: int) -> None:
        self.window = window
        self.state = _State.ASKED
        self.given_up = False
        self.in_increments = False
        self.answer: asyncio.Future[bool] = x.promise()
        self.changed: asyncio.Future[None] = x.promise()


class SelectionRequestor:
    """Reads selections over one connection."""

    def __init__(self, x: XConnection) -> None:
        self._x = x
        self._property = x.atom("VDAGENT_SELECTION")
        self._reads: dict[int, _Read] = {}  # by window, oldest first
        self._free: list[int] = []
        x.subscribe(X.SelectionNotify, event.SelectionNotify, self._on_answer)
        x.subscribe(X.PropertyNotify, event.PropertyNotify, self._on_property)

    async def convert(
        self, selection: int, target: int, time: int, patience: Patience
    ) -> Converted:
        """Ask the owner of `selection` for `target`; DesktopError if it refuses or is too slow."""
        deadline = _now() + patience.first_s
        read = _Read(self._x, self._window())
        self._reads[read.window] = read
        try:
            self._x.send(
                request.ConvertSelection,
                requestor=read.window,
                selection=selection,
                target=target,
                property=self._property,
                time=time,
            )
            if not await _until(deadline, read.answer):
                read.state = _State.DONE
                raise DesktopError("the program that owns the selection does not have this format")
            read.state = _State.ANSWERED
            data = bytearray()
            kind, bits = await self._take(read.window, data, patience.max_bytes)
            if kind == self._x.atom("INCR"):
                read.in_increments = True
                kind, bits = await self._increments(read, data, deadline, patience)
            read.state = _State.DONE
            return Converted(kind, bits, data)
        finally:
            self._end(read)

    async def _increments(
        self, read: _Read, data: bytearray, deadline: float, patience: Patience
    ) -> tuple[int, int]:
        """Collect an INCR transfer; its start has just been taken, which tells the owner to send."""
        data.clear()  # an estimate of the size; xclip leaves it empty
        while True:
            await _until(deadline, read.changed)
            read.changed = self._x.promise()  # before the look, so that no change is missed
            before = len(data)
            kind, bits = await self._take(read.window, data, patience.max_bytes)
            if kind and len(data) == before:
                return kind, bits
            if kind:
                deadline = _now() + patience.progress_s

    async def _take(self, window: int, into: bytearray, limit: int) -> tuple[int, int]:
        """Move our property's contents to `into` and delete it; returns type (0: none) and format."""
        offset = 0
        while True:
            part: Any = await self._x.ask(
                request.GetProperty,
                delete=1,  # happens when nothing is left after this part
                window=window,
                property=self._property,
                type=X.AnyPropertyType,
                long_offset=offset // 4,
                long_length=STEP // 4,
            )
            if not part.property_type:
                return 0, 8
            bits, value = part.value or (8, b"")
            into += bytes(value)  # wider formats are arrays of numbers
            if len(into) + part.bytes_after > limit:
                raise DesktopError(f"the selection is larger than {limit} bytes")
            if not part.bytes_after:
                return part.property_type, bits
            offset += STEP

    # Windows.

    def _window(self) -> int:
        if self._free:
            return self._free.pop()
        if len(self._reads) >= MAX_WINDOWS:
            # Owners that never answered hold them all: give up on the longest silent one.
            oldest = next((read for read in self._reads.values() if read.given_up), None)
            if oldest is None:
                raise DesktopError("too many selection reads at once")
            self._destroy(oldest)
        return self._x.new_window()

    def _end(self, read: _Read) -> None:
        read.given_up = True
        # xclip 0.13 goes on listening to the window of a transfer, and takes what happens there for
        # part of its present one, so such a window is not used again.
        if read.state is _State.ANSWERED or read.in_increments:
            self._destroy(read)
        elif read.state is _State.DONE:
            del self._reads[read.window]
            self._free.append(read.window)

    def _destroy(self, read: _Read) -> None:
        """What the owner still wants to put there goes nowhere, and it is not told to send on."""
        del self._reads[read.window]
        self._x.send(request.DestroyWindow, window=read.window)

    # Events.

    def _on_answer(self, e: Any) -> None:
        read = self._reads.get(e.requestor)
        if read is None:
            return
        if read.given_up:
            self._destroy(read)
        elif not read.answer.done():
            read.answer.set_result(bool(e.property))

    def _on_property(self, e: Any) -> None:
        read = self._reads.get(e.window)
        if read is None or e.state != X.PropertyNewValue or read.state is _State.ASKED:
            return
        if not read.changed.done():
            read.changed.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _until(deadline: float, answer: asyncio.Future[T]) -> T:
    try:
        async with asyncio.timeout_at(deadline):
            return await answer
    except TimeoutError:
        raise OwnerSilent from None
