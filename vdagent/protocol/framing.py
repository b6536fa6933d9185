# SPDX-License-Identifier: MIT
"""How does a stream of "header, then body" become whole bodies, or parts of a large one?

Both wires are such streams: messages inside the port's chunks, and udscs. The sink says for each
header what to do with its body before a byte of it is stored.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple, Protocol


class Plan(NamedTuple):
    """What to do with a body of `size` bytes: collect the first `collect`, stream the others.

    collect == size: whole. collect < size: `begin` with what was collected, then parts.
    collect < 0: skip the body.
    """

    size: int
    collect: int


def skip(size: int) -> Plan:
    """Let `size` bytes go by."""
    return Plan(size, -1)


Body = bytearray | memoryview


class FrameSink(Protocol):
    """Told about one frame at a time: plan, then whole, or begin, parts and end.

    A body that came in one piece is a view of that piece, and as transient.
    """

    def plan(self, header: tuple[Any, ...]) -> Plan: ...
    def whole(self, header: tuple[Any, ...], body: Body) -> None: ...
    def begin(self, header: tuple[Any, ...], collected: bytearray) -> None: ...
    def part(self, view: memoryview) -> None: ...
    def end(self) -> None: ...


class FrameReader:
    """Cuts a stream, fed in any pieces, into frames."""

    def __init__(self, layout: Struct, sink: FrameSink) -> None:
        self._layout = layout
        self._sink = sink
        self._part = sink.part
        self._cut_header = bytearray()
        self.reset()

    def reset(self) -> None:
        """Forget a half-received frame."""
        self._cut_header.clear()
        self._header: tuple[Any, ...] | None = None
        self._body = bytearray()
        self._view: memoryview | None = None  # the whole body, if it came in one piece
        self._collect = 0  # bytes of the body to collect, then the others are streamed
        self._have = 0  # collected bytes in _body
        self.left = 0  # bytes of the body still to come
        self._streaming = False
        self._skipping = False
        self.idle = True  # whether the next byte starts a new frame

    def feed(self, data: memoryview) -> int:
        """Take bytes up to the end of the current frame; how many were taken."""
        taken = 0
        if self._header is None:
            taken = self._take_header(data)
            if self._header is None:
                return taken
        if self.left:
            taken += self.take_body(data[taken : taken + self.left])
        if not self.left:
            self._finish()
        return taken

    def _take_header(self, data: memoryview) -> int:
        size = self._layout.size
        self.idle = self.idle and not data
        if not self._cut_header and len(data) >= size:
            self._start(self._layout.unpack_from(data))
            return size
        taken = min(size - len(self._cut_header), len(data))
        self._cut_header += data[:taken]
        if len(self._cut_header) == size:
            header = self._layout.unpack(self._cut_header)
            self._cut_header.clear()
            self._start(header)
        return taken

    def _start(self, header: tuple[Any, ...]) -> None:
        plan = self._sink.plan(header)
        self._header = header
        self.left = plan.size
        self._skipping = plan.collect < 0
        self._streaming = False
        self._have = 0
        self._collect = plan.collect
        self._body = bytearray()

    def take_body(self, data: memoryview) -> int:
        """Take bytes of the current body, not past its end: what `feed` does between its ends."""
        taken = len(data)
        self.left -= taken
        if self._streaming:
            if taken:
                self._part(data)
            return taken
        if self._skipping:
            return taken
        if not self.left and self._collect == taken and not self._have:
            self._view = data
            return taken
        if not self._have:
            self._body = bytearray(self._collect)
        body = self._body
        room = len(body) - self._have
        if taken <= room:
            body[self._have : self._have + taken] = data
            self._have += taken
        else:
            body[self._have :] = data[:room]
            self._have += room
        if self._have == len(body) and (self.left or taken > room):
            self._streaming = True
            self._sink.begin(self._header or (), body)
            if taken > room:
                self._part(data[room:])
        return taken

    def stop_collecting(self, keep: int) -> None:
        """Of a body that is being collected: `begin` with its first `keep` bytes, and stream the rest."""
        streamed = bytes(self._body[keep : self._have])
        self._collect = keep
        if self._have:
            del self._body[keep:]
        if self._have >= keep:
            self._have, self._streaming = keep, True
            self._sink.begin(self._header or (), self._body)
            if streamed:
                self._part(memoryview(streamed))

    def _finish(self) -> None:
        header, view, body = self._header, self._view, self._body
        self._header, self._view, self._body = None, None, bytearray()
        self.idle = True
        if self._skipping or header is None:
            return
        if self._streaming:
            self._streaming = False
            self._sink.end()
        else:
            self._sink.whole(header, body if view is None else view)
