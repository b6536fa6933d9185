# SPDX-License-Identifier: MIT
"""What does a desktop look like now? An X server's root window as a PNG file."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from Xlib import X, display

from ..errors import DesktopError


def screenshot(display_name: str) -> bytes:
    """The PNG of the root window; needs a TrueColor screen of 32 bits a pixel, as Xvfb's."""
    connection: Any = display.Display(display_name)
    try:
        root = connection.screen().root
        geometry = root.get_geometry()
        width, height = geometry.width, geometry.height
        # One row after the other: a whole screen may be more than a reply holds.
        rows = [root.get_image(0, y, width, 1, X.ZPixmap, 0xFFFFFFFF).data for y in range(height)]
    finally:
        connection.close()
    if any(len(row) != 4 * width for row in rows):
        raise DesktopError("the X server's pixels are not of 32 bits")
    return encode_png(width, [_rgb(row) for row in rows])


def pixel(display_name: str, x: int, y: int) -> int:
    """The colour of one pixel of the root window, 0xRRGGBB."""
    connection: Any = display.Display(display_name)
    try:
        image = connection.screen().root.get_image(x, y, 1, 1, X.ZPixmap, 0xFFFFFFFF)
    finally:
        connection.close()
    return int.from_bytes(image.data[:3], "little")


def _rgb(bgrx: bytes) -> bytes:
    row = bytearray(len(bgrx) // 4 * 3)
    row[0::3], row[1::3], row[2::3] = bgrx[2::4], bgrx[1::4], bgrx[0::4]
    return bytes(row)


def encode_png(width: int, rows: list[bytes]) -> bytes:
    """A PNG of rows of red, green and blue bytes."""
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )
