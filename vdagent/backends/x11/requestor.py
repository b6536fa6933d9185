# SPDX-License-Identifier: MIT
"""How is a selection that another program owns read, many at a time, whole or in increments?

Each read has a property of its own on our window, so reads run in parallel. A property whose read
was given up is not used again before its owner has answered: a late answer must not end up in
somebody else's paste. One that was given up in the middle of an INCR transfer is never used again,
because deleting it would make the owner send on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from Xlib import X
from Xlib.protocol import event, request

from vdagent.backends.base import Patience
from vdagent.backends.x11.connection import XConnection
from vdagent.errors import DesktopError

STEP = 1 << 20  # bytes per GetProperty
MAX_PROPERTIES = 256  # atoms are never freed by the server

T = TypeVar("T")


class Converted(NamedTuple):
    """What an owner answered: the property's type, its format (8, 16 or 32 bits), its bytes."""

    type: int
    format: int
    data: bytearray


class _State(Enum):
    ASKED = 1  # the owner has not answered yet
    ANSWERED = 2  # the property holds the answer
    SENDING = 3  # in the middle of an INCR transfer
    DONE = 4  # the property is ours again


class _Read:
    """One conversion under way; `given_up` once nobody waits for it any more."""

    def __init__(self, x: XConnection, selection: int, target: int, prop: int) -> None:
        self.selection = selection
        self.target = target
        self.property = prop
        self.state = _State.ASKED
        self.given_up = False
        self.answer: asyncio.Future[bool] = x.promise()
        self.changed: asyncio.Future[None] = x.promise()


class SelectionRequestor:
    """Reads selections over one connection."""

    def __init__(self, x: XConnection) -> None:
        self._x = x
        self._reads: dict[int, _Read] = {}  # by property, oldest first
        self._free: deque[int] = deque()
        self._cut_off: deque[int] = deque()
        self._made = 0
        self._clean_ups: set[asyncio.Task[None]] = set()
        x.subscribe(X.SelectionNotify, event.SelectionNotify, self._on_answer)
        x.subscribe(X.PropertyNotify, event.PropertyNotify, self._on_property)

    async def convert(
        self, selection: int, target: int, time: int, patience: Patience
    ) -> Converted:
        """Ask the owner of `selection` for `target`; DesktopError if it refuses or is too slow."""
        deadline = _now() + patience.first_s
        read = _Read(self._x, selection, target, await self._property())
        self._reads[read.property] = read
        try:
            self._x.send(
                request.ConvertSelection,
                requestor=self._x.window,
                selection=selection,
                target=target,
                property=read.property,
                time=time,
            )
            if not await _until(deadline, read.answer):
                read.state = _State.DONE
                raise DesktopError("the program that owns the selection does not have this format")
            read.state = _State.ANSWERED
            data = bytearray()
            kind, bits = await self._take(read.property, data, patience.max_bytes)
            if kind == self._x.atom("INCR"):
                read.state = _State.SENDING
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
            kind, bits = await self._take(read.property, data, patience.max_bytes)
            if kind and len(data) == before:
                return kind, bits
            if kind:
                deadline = _now() + patience.progress_s

    async def _take(self, prop: int, into: bytearray, limit: int) -> tuple[int, int]:
        """Move a property's contents to `into` and delete it; returns type (0: none) and format."""
        offset = 0
        while True:
            part: Any = await self._x.ask(
                request.GetProperty,
                delete=1,  # happens when nothing is left after this part
                window=self._x.window,
                property=prop,
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

    # Properties.

    async def _property(self) -> int:
        if self._free:
            return self._free.popleft()
        if self._made < MAX_PROPERTIES:
            self._made += 1
            return (await self._x.atoms([f"VDAGENT_{self._made}"]))[0]
        # Owners that stopped half-way hold them all: the longest silent one is the safest to take.
        if self._cut_off:
            return self._cut_off.popleft()
        for prop, read in self._reads.items():
            if read.given_up:
                del self._reads[prop]
                return prop
        raise DesktopError("too many selection reads at once")

    def _end(self, read: _Read) -> None:
        read.given_up = True
        if read.state is _State.ASKED:
            return  # kept until the owner answers after all
        del self._reads[read.property]
        if read.state is _State.SENDING:
            self._cut_off.append(read.property)
            return
        if read.state is _State.ANSWERED:
            self._x.send(request.DeleteProperty, window=self._x.window, property=read.property)
        self._free.append(read.property)

    async def _clear_late_answer(self, read: _Read) -> None:
        """An answer to a given-up read: free the property unless that would start a transfer."""
        try:
            part = await self._x.ask(
                request.GetProperty,
                delete=0,
                window=self._x.window,
                property=read.property,
                type=X.AnyPropertyType,
                long_offset=0,
                long_length=0,
            )
        except DesktopError:
            return
        if part.property_type == self._x.atom("INCR"):
            self._cut_off.append(read.property)
        else:
            self._x.send(request.DeleteProperty, window=self._x.window, property=read.property)
            self._free.append(read.property)

    # Events.

    def _on_answer(self, e: Any) -> None:
        if e.requestor != self._x.window:
            return
        read = self._reads.get(e.property) if e.property else self._refused(e)
        if read is None:
            return
        if not read.given_up:
            if not read.answer.done():
                read.answer.set_result(bool(e.property))
            return
        del self._reads[read.property]
        if e.property:
            task = asyncio.get_running_loop().create_task(self._clear_late_answer(read))
            self._clean_ups.add(task)
            task.add_done_callback(self._clean_ups.discard)
        else:
            self._free.append(read.property)

    def _refused(self, e: Any) -> _Read | None:
        """A refusal names no property: owners answer in order, so it is for the oldest such read."""
        for read in self._reads.values():
            waiting = read.given_up or not read.answer.done()
            if waiting and (read.selection, read.target) == (e.selection, e.target):
                return read
        return None

    def _on_property(self, e: Any) -> None:
        if e.window == self._x.window and e.state == X.PropertyNewValue:
            read = self._reads.get(e.atom)
            if read and read.state is not _State.ASKED and not read.changed.done():
                read.changed.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _until(deadline: float, answer: asyncio.Future[T]) -> T:
    try:
        async with asyncio.timeout_at(deadline):
            return await answer
    except TimeoutError:
        raise DesktopError(
            "the program that owns the selection does not answer", "is it hung?"
        ) from None
