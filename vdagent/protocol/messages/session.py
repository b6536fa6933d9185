# SPDX-License-Identifier: MIT
"""Hand-shake: who can do what, whether a message was taken, and that the client has gone."""

from __future__ import annotations

from struct import Struct

from ..capabilities import Capabilities
from ..constants import MessageType
from ..record import record
from .base import Buffer, at_least, exactly


@record
class AnnounceCapabilities:
    """The sender's capabilities; `request` asks for the receiver's (both ways)."""

    request: bool
    capabilities: Capabilities

    TYPE = MessageType.ANNOUNCE_CAPABILITIES
    REQUEST = Struct("<I")

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> AnnounceCapabilities:
        at_least(body, 4, "ANNOUNCE_CAPABILITIES")
        return cls(body[0:4] != b"\0\0\0\0", Capabilities.from_bytes(body[4:]))

    def encode(self, caps: Capabilities) -> bytes:
        return self.REQUEST.pack(self.request) + self.capabilities.to_bytes()


@record
class Reply:
    """Whether a message of type `type` was taken (guest to client)."""

    type: int
    error: int  # ReplyError

    TYPE = MessageType.REPLY
    LAYOUT = Struct("<II")  # type, error

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> Reply:
        exactly(body, cls.LAYOUT.size, "REPLY")
        return cls(*cls.LAYOUT.unpack(body))

    def encode(self, caps: Capabilities) -> bytes:
        return self.LAYOUT.pack(self.type, self.error)


@record
class ClientDisconnected:
    """The client has gone, and all that was agreed with it (host to guest)."""

    TYPE = MessageType.CLIENT_DISCONNECTED

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> ClientDisconnected:
        exactly(body, 0, "CLIENT_DISCONNECTED")
        return cls()

    def encode(self, caps: Capabilities) -> bytes:
        return b""
