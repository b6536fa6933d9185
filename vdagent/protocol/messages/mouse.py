# SPDX-License-Identifier: MIT
"""Pointer: where the viewer's pointer is, and which buttons are held."""

from __future__ import annotations

from struct import Struct

from ..capabilities import Capabilities
from ..constants import MessageType
from ..record import record
from .base import Buffer, exactly


@record
class MouseState:
    """Absolute position on one display, in its pixels, and held buttons (host to guest)."""

    x: int
    y: int
    buttons: int  # MouseButton bits
    display_id: int = 0

    TYPE = MessageType.MOUSE_STATE
    LAYOUT = Struct("<IIIB")  # x, y, buttons, display_id: packed, 13 bytes

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> MouseState:
        exactly(body, cls.LAYOUT.size, "MOUSE_STATE")
        return cls(*cls.LAYOUT.unpack(body))

    def encode(self, caps: Capabilities) -> bytes:
        return self.LAYOUT.pack(self.x, self.y, self.buttons, self.display_id)
