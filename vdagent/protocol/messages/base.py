# SPDX-License-Identifier: MIT
"""What do all messages have in common, and how are their sizes checked?"""

from __future__ import annotations

from typing import Protocol

from ...errors import ProtocolError
from ..capabilities import Capabilities
from ..constants import MessageType

Buffer = bytes | bytearray | memoryview


class Message(Protocol):
    """One message of the port: its number, and its body's bytes.

    `decode(body, caps)` makes one from a body and raises ProtocolError for a body it cannot be;
    `encode(caps)` gives the body. `caps` are the *client's* announced capabilities: they decide
    which optional parts a body has (the C daemon looks at the client's only, too).
    """

    @property
    def TYPE(self) -> MessageType: ...

    def encode(self, caps: Capabilities) -> Buffer: ...


def exactly(body: Buffer, size: int, what: str) -> None:
    """Raise ProtocolError unless `body` has `size` bytes."""
    if len(body) != size:
        raise ProtocolError(f"{what}: {len(body)} bytes, expected {size}")


def at_least(body: Buffer, size: int, what: str) -> None:
    """Raise ProtocolError if `body` has fewer than `size` bytes."""
    if len(body) < size:
        raise ProtocolError(f"{what}: {len(body)} bytes, expected at least {size}")
