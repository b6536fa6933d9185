# SPDX-License-Identifier: MIT
"""Which messages pass on a wire? For onlookers: types, sizes and heads, but no content.

Beside a connection, not in it: a trace is fed the same bytes, reads only headers and what may be shown,
and lets the rest go by. It has to start between two messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any, NamedTuple

from ..errors import FramingError, ProtocolError
from .capabilities import NO_CAPABILITIES, Capabilities
from .chunks import HEADERS, ChunkReader, Mouse
from .constants import MAX_SMALL, ChunkPort, MessageType, UdscsType
from .events import Broken
from .framing import Body, FrameReader, Plan
from .messages import MESSAGES, AnnounceCapabilities, Buffer, Clipboard, FileXferData, MouseState
from .udscs import HEADER


class Passed(NamedTuple):
    """A message that passed, or began to: `shown` is as much of its body as is not content."""

    type: int
    args: tuple[int, ...]  # the chunk's port; on the session socket arg1 and arg2
    size: int
    shown: bytes


class Completed(NamedTuple):
    """The last byte of a large message passed; not told when it came with the first."""


Item = Passed | Completed | Broken


def _shown_on_port(type_: int, size: int, client: Capabilities) -> int:
    if type_ == MessageType.CLIPBOARD:
        return len(Clipboard(0, 0, b"").head(client))
    if type_ == MessageType.FILE_XFER_DATA:
        return FileXferData.HEAD.size
    return size if type_ in MESSAGES and size <= MAX_SMALL else 0


def _shown_on_socket(type_: int, size: int) -> int:
    if type_ == UdscsType.CLIPBOARD_DATA:
        return 0
    if type_ == UdscsType.FILE_XFER_DATA:
        return FileXferData.HEAD.size
    return size if type_ in list(UdscsType) and size <= MAX_SMALL else 0


class _Items:
    """What a few bytes came to."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._began = False  # a large message, in these very bytes

    def passed(self, type_: int, args: tuple[int, ...], size: int, shown: Buffer) -> None:
        self._items.append(Passed(type_, args, size, bytes(shown)))

    def part(self, view: memoryview) -> None:
        """Content."""

    def end(self) -> None:
        if not self._began:
            self._items.append(Completed())

    def take(self) -> list[Item]:
        items, self._items, self._began = self._items, [], False
        return items


class _FromHost(_Items):
    """The host's half of the port."""

    def __init__(self) -> None:
        super().__init__()
        self.client = NO_CAPABILITIES
        self._reader: ChunkReader | None = ChunkReader(self)

    def feed(self, data: memoryview) -> list[Item]:
        if self._reader is not None:
            try:
                self._reader.feed(data)
            except FramingError as error:
                self._reader = None  # so is the connection
                self._items.append(Broken(error.message))
        return self.take()

    def mouse(self, states: list[Mouse]) -> None:
        for state in states:
            body = MouseState(*state).encode(self.client)
            self.passed(MessageType.MOUSE_STATE, (ChunkPort.CLIENT_PORT,), len(body), body)

    def plan(self, port: int, type_: int, size: int) -> Plan:
        return Plan(size, min(size, _shown_on_port(type_, size, self.client)))

    def whole(self, port: int, type_: int, body: Body) -> None:
        self.passed(type_, (port,), len(body), body)
        if type_ == MessageType.ANNOUNCE_CAPABILITIES:
            try:
                self.client = AnnounceCapabilities.decode(body, self.client).capabilities
            except ProtocolError:
                pass  # skipped by the connection, too
        elif type_ == MessageType.CLIENT_DISCONNECTED and self._reader is not None:
            self.client = NO_CAPABILITIES
            self._reader.reset_client()

    def begin(self, type_: int, size: int, collected: bytearray) -> None:
        self._began = True
        # Content is the client's; the host has none.
        self.passed(type_, (ChunkPort.CLIENT_PORT,), size, collected)


class _Frames(_Items):
    """A half that is frames, one behind the other."""

    def __init__(
        self,
        layout: Struct,
        read: Callable[[tuple[Any, ...]], tuple[int, tuple[int, ...], int]],
        shown: Callable[[int, int], int],
    ) -> None:
        super().__init__()
        self._read, self._shown = read, shown
        self._reader = FrameReader(layout, self)

    def feed(self, *buffers: Buffer) -> list[Item]:
        for buffer in buffers:
            data = memoryview(buffer)
            while data:
                data = data[self._reader.feed(data) :]
        return self.take()

    def plan(self, header: tuple[Any, ...]) -> Plan:
        type_, _, size = self._read(header)
        return Plan(size, min(size, self._shown(type_, size)))

    def whole(self, header: tuple[Any, ...], body: Body) -> None:
        self.passed(*self._read(header), body)

    def begin(self, header: tuple[Any, ...], collected: bytearray) -> None:
        self._began = True
        self.passed(*self._read(header), collected)


class Trace:
    """Both halves of one connection of a wire."""

    def __init__(self, incoming: _FromHost | _Frames, outgoing: _Frames) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    @classmethod
    def of_port(cls, client: Capabilities = NO_CAPABILITIES) -> Trace:
        """The port; `client` is what its client has announced before."""
        host = _FromHost()
        host.client = client
        ours = _Frames(
            HEADERS,
            lambda header: (header[3], (header[0],), header[5]),
            lambda type_, size: _shown_on_port(type_, size, host.client),
        )
        return cls(host, ours)

    @classmethod
    def of_session(cls) -> Trace:
        """A session socket, from the daemon's end."""

        def half() -> _Frames:
            return _Frames(HEADER, lambda h: (h[0], (h[1], h[2]), h[3]), _shown_on_socket)

        return cls(half(), half())

    def received(self, data: memoryview) -> list[Item]:
        """What is in the bytes that came to the daemon."""
        return self._incoming.feed(data)

    def sent(self, buffers: Iterable[Buffer]) -> list[Item]:
        """What is in those that go from it."""
        return self._outgoing.feed(*buffers)
