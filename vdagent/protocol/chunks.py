# SPDX-License-Identifier: MIT
"""How do the bytes of the port become messages, and messages bytes?

    chunk     u32 port (1 client, 2 server), u32 size, then `size` bytes
    message   u32 protocol (1), u32 type, u64 opaque, u32 size, then the body

A message may be cut over any number of chunks; each port number is a stream of its own. A chunk
never reaches past the end of its message, and from the host never holds more than 2048 bytes.
"""

from __future__ import annotations

from functools import cache
from struct import Struct
from typing import Any, Protocol

from ..errors import FramingError
from .constants import ChunkPort, MessageType
from .framing import Body, FrameReader, Plan

CHUNK = Struct("<II")  # port, size
MESSAGE = Struct("<IIQI")  # protocol, type, opaque, size
HEADERS = Struct("<IIIIQI")  # a chunk header and the message header behind it
PROTOCOL = 1
MAX_CHUNK = 2048  # VD_AGENT_MAX_DATA_SIZE; binds the host's side only
_FULL_CHUNK = CHUNK.size + MAX_CHUNK
PORTS = 3  # the C daemon accepts 0 as well

# A whole pointer message in a chunk of its own, which is how every host sends it.
_MOUSE = Struct("<IIIIQIIIIB")  # chunk header, message header, x, y, buttons, display_id
_MOUSE_CHUNK = _MOUSE.size - CHUNK.size
_MOUSE_BODY = _MOUSE_CHUNK - MESSAGE.size
_MOUSE_STATE = int(MessageType.MOUSE_STATE)  # comparing with the enum's member is slower

Mouse = tuple[int, int, int, int]  # x, y, buttons, display_id


class ChunkSink(Protocol):
    """Told about the messages of all ports, in the order of the stream."""

    def mouse(self, states: list[Mouse]) -> None: ...
    def plan(self, port: int, type_: int, size: int) -> Plan: ...
    def whole(self, port: int, type_: int, body: Body) -> None: ...
    def begin(self, type_: int, size: int, collected: bytearray) -> None: ...
    def part(self, view: memoryview) -> None: ...
    def end(self) -> None: ...


class _PortStream:
    """The messages of one port number; hands them on with that number."""

    def __init__(self, port: int, sink: ChunkSink) -> None:
        self._port = port
        self._sink = sink
        self.part, self.end = sink.part, sink.end
        self.reader = FrameReader(MESSAGE, self)

    def plan(self, header: tuple[Any, ...]) -> Plan:
        protocol, type_, _, size = header
        if protocol != PROTOCOL:
            type_ = 0  # nobody's: its body is skipped
        return self._sink.plan(self._port, type_, size)

    def whole(self, header: tuple[Any, ...], body: Body) -> None:
        self._sink.whole(self._port, header[1], body)

    def begin(self, header: tuple[Any, ...], collected: bytearray) -> None:
        self._sink.begin(header[1], header[3], collected)


class ChunkReader:
    """Takes the host's bytes, cut anywhere."""

    def __init__(self, sink: ChunkSink) -> None:
        self._sink = sink
        self._streams = [_PortStream(port, sink).reader for port in range(PORTS)]
        self._cut_header = bytearray()
        self._port = 0
        self._left = 0  # bytes of the current chunk still to come

    @property
    def idle(self) -> bool:
        """Whether the next byte starts a new message."""
        return not (self._left or self._cut_header) and all(s.idle for s in self._streams)

    def reset_client(self) -> None:
        """Forget a half-received message of the client; the host drops the rest of it too."""
        self._streams[ChunkPort.CLIENT_PORT].reset()

    def stop_collecting(self, keep: int) -> None:
        """Begin with `keep` bytes, and stream, the body that is being collected from the client."""
        self._streams[ChunkPort.CLIENT_PORT].stop_collecting(keep)

    def feed(self, data: memoryview) -> None:
        """Take the next bytes. Raises FramingError when the stream is out of step."""
        offset, end = 0, len(data)
        mouse: list[Mouse] = []
        while offset < end:
            if not self._left and not self._cut_header and end - offset >= _MOUSE.size:
                port, size, protocol, type_, _, body, x, y, buttons, display = _MOUSE.unpack_from(
                    data, offset
                )
                if (
                    size == _MOUSE_CHUNK
                    and type_ == _MOUSE_STATE
                    and body == _MOUSE_BODY
                    and protocol == PROTOCOL
                    and port < PORTS
                    and self._streams[port].idle
                ):
                    mouse.append((x, y, buttons, display))
                    offset += _MOUSE.size
                    continue
                if mouse:
                    self._sink.mouse(mouse)
                    mouse = []
                self._start(port, size)
                offset += CHUNK.size
                # The bulk of a large message: whole chunks, none of them its last.
                stop, stream = offset + size, self._streams[port]
                if stop <= end and stream.left > size > 0:
                    self._left = 0
                    stream.take_body(data[offset:stop])
                    offset = stop
                    if size == MAX_CHUNK:
                        offset += _take_run(data[stop:], port, stream)
                    continue
            if mouse:
                self._sink.mouse(mouse)
                mouse = []
            offset += self._take(data[offset:])
        if mouse:
            self._sink.mouse(mouse)

    def _take(self, data: memoryview) -> int:
        """Take a piece of a chunk header or of a chunk; how much was taken."""
        if not self._left:
            if not data:
                return 0
            taken = min(CHUNK.size - len(self._cut_header), len(data))
            self._cut_header += data[:taken]
            if len(self._cut_header) == CHUNK.size:
                port, size = CHUNK.unpack(self._cut_header)
                self._cut_header.clear()
                self._start(port, size)
            return taken
        payload = data[: self._left]
        self._left -= len(payload)
        stream = self._streams[self._port]
        taken = stream.feed(payload)
        if taken < len(payload) or (self._left and stream.idle and taken):
            raise FramingError("host: a chunk reaches past the end of its message")
        return taken

    def _start(self, port: int, size: int) -> None:
        if size > MAX_CHUNK:
            raise FramingError(f"host: a chunk of {size} bytes, at most {MAX_CHUNK} are allowed")
        if port >= PORTS:
            raise FramingError(f"host: a chunk for port {port}")
        self._port, self._left = port, size


@cache
def _headers_of(count: int) -> Struct:
    """The headers of so many full chunks in a row: at most as many as fit into one read."""
    return Struct("<" + f"II{MAX_CHUNK}x" * count)


def _take_run(data: memoryview, port: int, stream: FrameReader) -> int:
    """Take the full chunks at the start of `data` at once, but not the last one of their message.

    How many bytes they were. Every host cuts a large message like this, and a call for each chunk
    costs more than copying it does.
    """
    count = min((stream.left - 1) // MAX_CHUNK, len(data) // _FULL_CHUNK)
    if count < 2:
        return 0
    found, full = _headers_of(count).unpack_from(data), (port, MAX_CHUNK)
    if found != full * count:  # a pointer event, say, has come between
        count = next(i for i in range(count) if found[2 * i : 2 * i + 2] != full)
        if not count:
            return 0
    size = count * _FULL_CHUNK
    starts = range(CHUNK.size, size, _FULL_CHUNK)
    stream.take_body(memoryview(b"".join([data[at : at + MAX_CHUNK] for at in starts])))
    return size


def headers(type_: int, size: int, port: int = ChunkPort.CLIENT_PORT) -> bytes:
    """Both headers of a message with `size` bytes of body, sent as one chunk.

    spice-server removes an agent whose message header is cut, or whose chunk holds a second
    message; it cuts large chunks itself, and the C daemon has always sent one per message.
    """
    return HEADERS.pack(port, MESSAGE.size + size, PROTOCOL, type_, 0, size)
