# SPDX-License-Identifier: MIT
"""What do both wires look like in bytes, written down a second time and without the product's code?

Tests that used the product's own encoder would find nothing where encoder and decoder are wrong
alike. Port: little-endian, packed. Session socket (udscs): native.
"""

from __future__ import annotations

import struct
from enum import IntEnum

CLIENT, SERVER = 1, 2  # port numbers of chunks
TEXT, PNG, BMP, TIFF, JPG, FILE_LIST = range(1, 7)  # clipboard types

MAX_CHUNK = 2048
# What spice-gtk 0.42 announces.
VIEWER_CAPS = sum(1 << bit for bit in (0, 1, 2, 4, 5, 6, 12, 14, 16, 17))


class Port(IntEnum):
    """Message types of the port."""

    MOUSE_STATE = 1
    MONITORS_CONFIG = 2
    REPLY = 3
    CLIPBOARD = 4
    DISPLAY_CONFIG = 5
    ANNOUNCE = 6
    GRAB = 7
    REQUEST = 8
    RELEASE = 9
    FILE_START = 10
    FILE_STATUS = 11
    FILE_DATA = 12
    CLIENT_DISCONNECTED = 13
    MAX_CLIPBOARD = 14
    AUDIO = 15
    DEVICE_INFO = 16


class Uds(IntEnum):
    """Message types of the session socket."""

    RESOLUTION = 0
    MONITORS_CONFIG = 1
    GRAB = 2
    REQUEST = 3
    DATA = 4
    RELEASE = 5
    VERSION = 6
    AUDIO = 7
    FILE_START = 8
    FILE_STATUS = 9
    FILE_DATA = 10
    FILE_DISABLE = 11
    CLIENT_DISCONNECTED = 12
    DEVICE_INFO = 13


def u32(*values: int) -> bytes:
    """Little-endian words."""
    return struct.pack(f"<{len(values)}I", *values)


def chunk(port: int, payload: bytes) -> bytes:
    """One chunk."""
    return u32(port, len(payload)) + payload


def header(type_: int, size: int, protocol: int = 1) -> bytes:
    """A message header, whatever follows it."""
    return struct.pack("<IIQI", protocol, type_, 0, size)


def message(type_: int, body: bytes = b"", port: int = CLIENT, cut: int = MAX_CHUNK) -> bytes:
    """A whole message in chunks of at most `cut` bytes, as a host sends it."""
    data = header(type_, len(body)) + body
    return b"".join(chunk(port, data[i : i + cut]) for i in range(0, len(data), cut))


def announce(request: bool, caps: int = VIEWER_CAPS) -> bytes:
    """A client's capabilities."""
    return message(Port.ANNOUNCE, u32(request, caps))


def mouse(x: int, y: int, buttons: int = 0, display: int = 0) -> bytes:
    """Where the viewer's pointer is."""
    return message(Port.MOUSE_STATE, struct.pack("<IIIB", x, y, buttons, display), SERVER)


def grab(serial: int, *types: int, selection: int = 0) -> bytes:
    """A client that announced VIEWER_CAPS copied."""
    return message(Port.GRAB, u32(selection, serial, *types))


def request(type_: int, selection: int = 0) -> bytes:
    """It pastes."""
    return message(Port.REQUEST, u32(selection, type_))


def clipboard(data: bytes, type_: int = TEXT, selection: int = 0) -> bytes:
    """It hands over what was asked for."""
    return message(Port.CLIPBOARD, u32(selection, type_) + data)


def release(selection: int = 0) -> bytes:
    """It has nothing any more."""
    return message(Port.RELEASE, u32(selection))


def monitors(*sizes: tuple[int, int], flags: int = 0) -> bytes:
    """It wants monitors of these sizes, side by side."""
    body, x = u32(len(sizes), flags), 0
    for width, height in sizes:
        body += struct.pack("<IIIii", height, width, 32, x, 0)
        x += width
    return message(Port.MONITORS_CONFIG, body)


def frame(type_: int, arg1: int = 0, arg2: int = 0, body: bytes = b"") -> bytes:
    """A frame of the session socket."""
    return struct.pack("=IIII", type_, arg1, arg2, len(body)) + body


def resolution(width: int, height: int, *screens: tuple[int, int, int, int, int]) -> bytes:
    """A session's report; without screens it is one of the whole size."""
    rows = screens or ((width, height, 0, 0, 0),)
    body = b"".join(struct.pack("=5i", *row) for row in rows)
    return frame(Uds.RESOLUTION, width, height, body)
