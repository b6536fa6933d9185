# SPDX-License-Identifier: MIT
"""Clipboard: who owns a selection, asking for its content, and the content.

Bodies start with the selection (u8 and 3 zero bytes) if the client announced CLIPBOARD_SELECTION;
without it everything is about CLIPBOARD. A grab then has a u32 serial if the client announced
CLIPBOARD_GRAB_SERIAL.
"""

from __future__ import annotations

from struct import Struct, pack, unpack_from

from ...errors import ProtocolError
from ..capabilities import Capabilities
from ..constants import Capability, ClipboardSelection, MessageType
from ..record import record
from .base import Buffer, at_least, exactly

SELECTION = Struct("<B3x")
TYPE = Struct("<I")
MAX_TYPES = 256


def _split(body: Buffer, caps: Capabilities, what: str) -> tuple[int, Buffer]:
    """(selection, rest of the body)"""
    if not caps.has(Capability.CLIPBOARD_SELECTION):
        return ClipboardSelection.CLIPBOARD, body
    at_least(body, SELECTION.size, what)
    return body[0], body[SELECTION.size :]


def _prefix(selection: int, caps: Capabilities) -> bytes:
    return SELECTION.pack(selection) if caps.has(Capability.CLIPBOARD_SELECTION) else b""


@record
class ClipboardGrab:
    """The sender owns `selection` now and offers `types`, best first."""

    selection: int
    types: tuple[int, ...]  # ClipboardType, or a newer host's
    serial: int | None = None

    TYPE = MessageType.CLIPBOARD_GRAB

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> ClipboardGrab:
        selection, rest = _split(body, caps, "CLIPBOARD_GRAB")
        serial = None
        if caps.has(Capability.CLIPBOARD_GRAB_SERIAL):
            at_least(rest, 4, "CLIPBOARD_GRAB")
            (serial,) = TYPE.unpack_from(rest)
            rest = rest[4:]
        if len(rest) // 4 > MAX_TYPES:
            raise ProtocolError(f"CLIPBOARD_GRAB: {len(rest) // 4} types, at most {MAX_TYPES}")
        return cls(selection, unpack_from(f"<{len(rest) // 4}I", rest), serial)

    def encode(self, caps: Capabilities) -> bytes:
        serial = b""
        if caps.has(Capability.CLIPBOARD_GRAB_SERIAL):
            serial = TYPE.pack(self.serial or 0)
        return _prefix(self.selection, caps) + serial + pack(f"<{len(self.types)}I", *self.types)


@record
class ClipboardRequest:
    """Asks the owner of `selection` for its content as `type`. Must always be answered."""

    selection: int
    type: int

    TYPE = MessageType.CLIPBOARD_REQUEST

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> ClipboardRequest:
        selection, rest = _split(body, caps, "CLIPBOARD_REQUEST")
        exactly(rest, 4, "CLIPBOARD_REQUEST")
        return cls(selection, *TYPE.unpack(rest))

    def encode(self, caps: Capabilities) -> bytes:
        return _prefix(self.selection, caps) + TYPE.pack(self.type)


@record
class Clipboard:
    """Content of `selection` as `type`: the answer to a request; no data means there is none."""

    selection: int
    type: int
    data: Buffer

    TYPE = MessageType.CLIPBOARD

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> Clipboard:
        selection, rest = _split(body, caps, "CLIPBOARD")
        at_least(rest, 4, "CLIPBOARD")
        (type_,) = TYPE.unpack_from(rest)
        return cls(selection, type_, rest[4:])

    def head(self, caps: Capabilities) -> bytes:
        """The body without the content."""
        return _prefix(self.selection, caps) + TYPE.pack(self.type)

    def encode(self, caps: Capabilities) -> bytes:
        return b"".join((self.head(caps), self.data))

    def __repr__(self) -> str:  # content is never logged
        return f"Clipboard(selection={self.selection}, type={self.type}, {len(self.data)} bytes)"


@record
class ClipboardBegin:
    """A Clipboard message too large to be held whole begins; `size` bytes follow in parts."""

    selection: int
    type: int
    size: int


@record
class ClipboardPart:
    """The next bytes of it. The views are good only until the next bytes are received."""

    views: list[memoryview]


@record
class ClipboardEnd:
    """All announced bytes have come."""


@record
class ClipboardRelease:
    """The sender has nothing to offer on `selection` any more."""

    selection: int

    TYPE = MessageType.CLIPBOARD_RELEASE

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> ClipboardRelease:
        selection, rest = _split(body, caps, "CLIPBOARD_RELEASE")
        exactly(rest, 0, "CLIPBOARD_RELEASE")
        return cls(selection)

    def encode(self, caps: Capabilities) -> bytes:
        return _prefix(self.selection, caps)


@record
class MaxClipboard:
    """The most clipboard bytes the client takes; -1 is no limit (client to guest)."""

    max: int

    TYPE = MessageType.MAX_CLIPBOARD
    LAYOUT = Struct("<i")

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> MaxClipboard:
        exactly(body, 4, "MAX_CLIPBOARD")
        return cls(*cls.LAYOUT.unpack(body))

    def encode(self, caps: Capabilities) -> bytes:
        return self.LAYOUT.pack(self.max)
