# SPDX-License-Identifier: MIT
"""Files: a client announces a file, we say go or why not, it sends the data."""

from __future__ import annotations

from struct import Struct

from ...errors import ProtocolError
from ..capabilities import Capabilities
from ..constants import Capability, FileXferResult, MessageType
from ..record import record
from .base import Buffer, at_least

ID = Struct("<I")


@record
class FileXferStart:
    """A file is coming: `metadata` is key-file text with its name and size (client to guest)."""

    id: int
    metadata: bytes  # without the terminating NUL spice-gtk adds and other clients may not

    TYPE = MessageType.FILE_XFER_START

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> FileXferStart:
        at_least(body, 4, "FILE_XFER_START")
        (id_,) = ID.unpack_from(body)
        return cls(id_, bytes(body[4:]).split(b"\0")[0])

    def encode(self, caps: Capabilities) -> bytes:
        """The body, always NUL terminated: the C agent reads up to the NUL, without a length."""
        return ID.pack(self.id) + self.metadata + b"\0"


@record
class FileError:
    """Detail of an ERROR status: error_type 0 is a GIOErrorEnum."""

    error_type: int
    code: int

    LAYOUT = Struct("<BI")  # packed, 5 bytes


@record
class FileXferStatus:
    """How transfer `id` goes on (both ways). Detail: free bytes (u64) or a FileError, or none."""

    id: int
    result: int  # FileXferResult, or a newer peer's
    free_bytes: int | None = None
    error: FileError | None = None

    TYPE = MessageType.FILE_XFER_STATUS
    HEAD = Struct("<II")  # id, result
    FREE = Struct("<Q")

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> FileXferStatus:
        at_least(body, cls.HEAD.size, "FILE_XFER_STATUS")
        id_, result = cls.HEAD.unpack_from(body)
        detail = body[cls.HEAD.size :]
        if result == FileXferResult.NOT_ENOUGH_SPACE and len(detail) == cls.FREE.size:
            return cls(id_, result, cls.FREE.unpack(detail)[0])
        if result == FileXferResult.ERROR and len(detail) == FileError.LAYOUT.size:
            return cls(id_, result, None, FileError(*FileError.LAYOUT.unpack(detail)))
        if len(detail):
            raise ProtocolError(f"FILE_XFER_STATUS {result}: {len(detail)} bytes of detail")
        return cls(id_, result)

    def encode(self, caps: Capabilities) -> bytes:
        """The body, reduced to what a client without DETAILED_ERRORS knows."""
        if not caps.has(Capability.FILE_XFER_DETAILED_ERRORS):
            known = self.result <= FileXferResult.SUCCESS
            return self.HEAD.pack(self.id, self.result if known else FileXferResult.ERROR)
        head = self.HEAD.pack(self.id, self.result)
        if self.result == FileXferResult.NOT_ENOUGH_SPACE:
            return head + self.FREE.pack(self.free_bytes or 0)
        if self.result == FileXferResult.ERROR and self.error is not None:
            return head + FileError.LAYOUT.pack(self.error.error_type, self.error.code)
        return head


@record
class FileXferData:
    """The next bytes of transfer `id` (client to guest). Wire: u32 id, u64 size, data."""

    id: int
    data: Buffer

    TYPE = MessageType.FILE_XFER_DATA
    HEAD = Struct("<IQ")  # id, size

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> FileXferData:
        at_least(body, cls.HEAD.size, "FILE_XFER_DATA")
        id_, size = cls.HEAD.unpack_from(body)
        # The C agent believes `size` and writes what lies behind the message in memory.
        if size > len(body) - cls.HEAD.size:
            raise ProtocolError(f"FILE_XFER_DATA: {size} bytes announced, {len(body) - 12} there")
        return cls(id_, memoryview(body)[cls.HEAD.size : cls.HEAD.size + size])

    def head(self) -> bytes:
        """The body without the data."""
        return self.HEAD.pack(self.id, len(self.data))

    def encode(self, caps: Capabilities) -> bytes:
        return b"".join((self.head(), self.data))

    def __repr__(self) -> str:  # content is never logged
        return f"FileXferData(id={self.id}, {len(self.data)} bytes)"
