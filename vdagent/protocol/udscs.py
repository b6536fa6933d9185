# SPDX-License-Identifier: MIT
"""How do daemon and session agent talk? The C peer's private wire, so that either half can be the C one.

    frame   u32 type, u32 arg1, u32 arg2, u32 size, then `size` bytes; native byte order

The messages are those of the port where there is one; grab serials never come here. Nested structs
of the port keep their little-endian bytes (the C peer agrees on little-endian machines).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, pack, unpack
from typing import Any

from ..errors import FramingError, ProtocolError
from .capabilities import OURS
from .constants import (
    MAX_FILE_DATA,
    MAX_SMALL,
    WHOLE_CLIPBOARD,
    FileXferResult,
    UdscsType,
)
from .events import Skipped
from .framing import Body, FrameReader, Plan, skip
from .messages import (
    AudioVolumeSync,
    Buffer,
    ClientDisconnected,
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRelease,
    ClipboardRequest,
    FileXferData,
    FileXferStart,
    FileXferStatus,
    GraphicsDeviceInfo,
    MonitorsConfig,
)
from .messages.base import at_least, exactly
from .messages.clipboard import MAX_TYPES
from .parts import PartsIn
from .record import record

HEADER = Struct("=IIII")  # type, arg1, arg2, size
MAX_SCREENS = 256
MAX_SIDE = 0x7FFFFFFF  # of a desktop: the last pixel is a tablet's ABS maximum, a C int


@record
class Screen:
    """One monitor of the guest, in physical pixels; 0x0 is a disabled output."""

    width: int
    height: int
    x: int
    y: int
    display_id: int

    LAYOUT = Struct("=5i")  # width, height, x, y, display_id


@record
class GuestResolution:
    """The guest's desktop: its size and its screens (agent to daemon)."""

    width: int
    height: int
    screens: tuple[Screen, ...]


@record
class Version:
    """The daemon's version. C agents end when it is not their own, so our daemon never sends it."""

    text: str


@record
class FileXferDisable:
    """No files for this session until it connects anew (daemon to agent)."""


OfClipboard = (
    ClipboardGrab
    | ClipboardRequest
    | ClipboardRelease
    | Clipboard
    | ClipboardBegin
    | ClipboardPart
    | ClipboardEnd
)
FromAgent = GuestResolution | OfClipboard | FileXferStatus | Skipped
FromDaemon = (
    MonitorsConfig
    | OfClipboard
    | Version
    | AudioVolumeSync
    | FileXferStart
    | FileXferStatus
    | FileXferData
    | FileXferDisable
    | ClientDisconnected
    | GraphicsDeviceInfo
    | Skipped
)
Message = FromAgent | FromDaemon
Decode = Callable[[int, int, int, Buffer], Message]


def _frame(type_: UdscsType, arg1: int = 0, arg2: int = 0, body: Buffer = b"") -> list[Buffer]:
    head = HEADER.pack(type_, arg1, arg2, len(body))
    return [head + body] if len(body) <= 4096 else [head, body]


def encode(msg: Message) -> list[Buffer]:
    """The frame of a message, as buffers to be written in order. Clipboard parts are their bytes."""
    match msg:
        case FileXferData(_, data):
            head = msg.head()
            size = len(head) + len(data)
            return [HEADER.pack(UdscsType.FILE_XFER_DATA, 0, 0, size) + head, data]
        case GuestResolution(width, height, screens):
            rows = (Screen.LAYOUT.pack(s.width, s.height, s.x, s.y, s.display_id) for s in screens)
            return _frame(UdscsType.GUEST_XORG_RESOLUTION, width, height, b"".join(rows))
        case Version(text):
            return _frame(UdscsType.VERSION, body=text.encode() + b"\0")
        case FileXferDisable():
            return _frame(UdscsType.FILE_XFER_DISABLE)
        case ClientDisconnected():
            return _frame(UdscsType.CLIENT_DISCONNECTED)
        case Skipped():
            return []
        case FileXferStatus():
            return _frame(UdscsType.FILE_XFER_STATUS, body=msg.encode(OURS)[:8])
        case MonitorsConfig() | AudioVolumeSync() | FileXferStart() | GraphicsDeviceInfo():
            return _frame(UdscsType[msg.TYPE.name], body=msg.encode(OURS))
        case _:
            return _encode_clipboard(msg)


def _encode_clipboard(msg: OfClipboard) -> list[Buffer]:
    match msg:
        case ClipboardPart(views):
            return list(views)
        case Clipboard(selection, type_, data):
            return _frame(UdscsType.CLIPBOARD_DATA, selection, type_, data)
        case ClipboardBegin(selection, type_, size):
            return [HEADER.pack(UdscsType.CLIPBOARD_DATA, selection, type_, size)]
        case ClipboardEnd():
            return []
        case ClipboardGrab(selection, types):
            return _frame(UdscsType.CLIPBOARD_GRAB, selection, 0, pack(f"={len(types)}I", *types))
        case ClipboardRequest(selection, type_):
            return _frame(UdscsType.CLIPBOARD_REQUEST, selection, type_)
        case ClipboardRelease(selection):
            return _frame(UdscsType.CLIPBOARD_RELEASE, selection)


def encode_agent_status(status: FileXferStatus) -> list[Buffer]:
    """An agent's status: id and result are the arguments; free bytes the only body there is."""
    detail = b""
    if status.result == FileXferResult.NOT_ENOUGH_SPACE:
        detail = pack("=Q", status.free_bytes or 0)
    return _frame(UdscsType.FILE_XFER_STATUS, status.id, status.result, detail)


def _decode_resolution(arg1: int, arg2: int, body: Buffer) -> FromAgent:
    if not body and arg1 == arg2 == 0:
        return Skipped("an empty resolution report")  # agents of 2010 say hello like this
    if len(body) % Screen.LAYOUT.size:
        raise ProtocolError(f"GUEST_XORG_RESOLUTION: {len(body)} bytes, not a multiple of 20")
    if len(body) > MAX_SCREENS * Screen.LAYOUT.size:
        raise ProtocolError(f"GUEST_XORG_RESOLUTION: more than {MAX_SCREENS} screens")
    if max(arg1, arg2) > MAX_SIDE:
        raise ProtocolError(f"GUEST_XORG_RESOLUTION: a desktop of {arg1}x{arg2}")
    screens = tuple(Screen(*row) for row in Screen.LAYOUT.iter_unpack(body))
    return GuestResolution(arg1, arg2, screens)


def _decode_clipboard(type_: int, arg1: int, arg2: int, body: Buffer) -> OfClipboard:
    """The four clipboard messages, which both ends send alike."""
    selection = arg1 & 0xFF  # the C daemon keeps 8 bits
    if type_ == UdscsType.CLIPBOARD_DATA:
        return Clipboard(selection, arg2, body)
    if type_ == UdscsType.CLIPBOARD_GRAB:
        if len(body) // 4 > MAX_TYPES:
            raise ProtocolError(f"CLIPBOARD_GRAB: {len(body) // 4} types, at most {MAX_TYPES}")
        return ClipboardGrab(selection, unpack(f"={len(body) // 4}I", body[: len(body) // 4 * 4]))
    exactly(body, 0, UdscsType(type_).name)
    if type_ == UdscsType.CLIPBOARD_REQUEST:
        return ClipboardRequest(selection, arg2)
    return ClipboardRelease(selection)


_CLIPBOARD = (
    UdscsType.CLIPBOARD_DATA,
    UdscsType.CLIPBOARD_GRAB,
    UdscsType.CLIPBOARD_REQUEST,
    UdscsType.CLIPBOARD_RELEASE,
)


def decode_from_agent(type_: int, arg1: int, arg2: int, body: Buffer) -> FromAgent:
    """What a session agent says. Raises ProtocolError for what the C daemon would end it for, too."""
    if type_ == UdscsType.GUEST_XORG_RESOLUTION:
        return _decode_resolution(arg1, arg2, body)
    if type_ in _CLIPBOARD:
        return _decode_clipboard(type_, arg1, arg2, body)
    if type_ == UdscsType.FILE_XFER_STATUS:
        free = None
        if arg2 == FileXferResult.NOT_ENOUGH_SPACE:
            # An agent that forgets the figure must not make us send bytes that nobody wrote.
            free = unpack("=Q", body)[0] if len(body) == 8 else 0
        return FileXferStatus(arg1, arg2, free)
    return Skipped(f"udscs type {type_} from an agent")


_FROM_DAEMON = {
    UdscsType.MONITORS_CONFIG: MonitorsConfig,
    UdscsType.AUDIO_VOLUME_SYNC: AudioVolumeSync,
    UdscsType.FILE_XFER_START: FileXferStart,
    UdscsType.FILE_XFER_STATUS: FileXferStatus,
    UdscsType.FILE_XFER_DATA: FileXferData,
    UdscsType.GRAPHICS_DEVICE_INFO: GraphicsDeviceInfo,
}


def decode_from_daemon(type_: int, arg1: int, arg2: int, body: Buffer) -> FromDaemon:
    """What a daemon says; what it cannot mean is skipped, for there is no other daemon to turn to."""
    if type_ in _CLIPBOARD:
        return _decode_clipboard(type_, arg1, arg2, body)
    if type_ == UdscsType.VERSION:
        return Version(bytes(body).split(b"\0")[0].decode("utf-8", "replace"))
    if type_ == UdscsType.FILE_XFER_DISABLE:
        return FileXferDisable()
    if type_ == UdscsType.CLIENT_DISCONNECTED:
        return ClientDisconnected()
    cls = _FROM_DAEMON.get(type_)  # type: ignore[call-overload]
    if cls is None:
        return Skipped(f"udscs type {type_} from the daemon")
    if cls is MonitorsConfig:
        body = _without_promised_sizes(body)
    return cls.decode(body, OURS)  # type: ignore[no-any-return]


def _without_promised_sizes(body: Buffer) -> Buffer:
    """A stored config is re-sent by the C daemon with PHYSICAL_SIZE set but without its tail."""
    at_least(body, 8, "MONITORS_CONFIG")
    count, flags = MonitorsConfig.HEAD.unpack_from(body)
    if len(body) == 8 + 20 * count:
        return MonitorsConfig.HEAD.pack(count, flags & ~2) + bytes(body[8:])
    return body


class UdscsReader(PartsIn):
    """One end's incoming half. `decode` is decode_from_agent in the daemon, and the reverse."""

    def __init__(self, decode: Decode) -> None:
        super().__init__()
        self._decode = decode
        self._frames = FrameReader(HEADER, self)

    def receive_data(self, data: memoryview) -> list[Any]:
        """Take bytes; what they mean, in order. Raises FramingError if the peer has to go.

        Content may be views of `data`: use or copy it before that is filled again.
        """
        self._events = []
        while data:
            data = data[self._frames.feed(data) :]
        return self._events

    @property
    def idle(self) -> bool:
        """Whether no message is half received."""
        return self._frames.idle

    def plan(self, header: tuple[Any, ...]) -> Plan:
        type_, _, _, size = header
        if type_ == UdscsType.CLIPBOARD_DATA:
            self.collecting = 0 < size <= WHOLE_CLIPBOARD
            return Plan(size, size if size <= WHOLE_CLIPBOARD else 0)
        if type_ == UdscsType.FILE_XFER_DATA and size <= MAX_FILE_DATA:
            return Plan(size, size)
        if size <= MAX_SMALL:
            return Plan(size, size)
        if type_ in list(UdscsType):
            raise FramingError(f"session socket: {UdscsType(type_).name} claims {size} bytes")
        self._events.append(Skipped(f"udscs type {type_}, {size} bytes"))
        return skip(size)

    def _stop_collecting(self) -> None:
        self._frames.stop_collecting(0)

    def whole(self, header: tuple[Any, ...], body: Body) -> None:
        self.collecting = False
        if self._decode is decode_from_daemon and isinstance(body, memoryview):
            body = bytearray(body)  # the daemon passes content on, a session keeps it for a while
        type_, arg1, arg2, _ = header
        try:
            self._events.append(self._decode(type_, arg1, arg2, body))
        except ProtocolError as error:
            if self._decode is decode_from_agent:
                raise FramingError(f"session socket: {error.message}") from None
            self._events.append(Skipped(error.message))

    def begin(self, header: tuple[Any, ...], collected: bytearray) -> None:
        _, selection, type_, size = header
        self._begin_parts("CLIPBOARD_DATA", selection & 0xFF, type_, size)
