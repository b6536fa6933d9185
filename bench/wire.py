# SPDX-License-Identifier: MIT
"""How does the bench spell both wires? Its own few lines, so that it judges ours as it does C's."""

from __future__ import annotations

import struct

CHUNK = struct.Struct("<II")  # port, size
MESSAGE = struct.Struct("<IIQI")  # protocol, type, opaque, size
MOUSE = struct.Struct("<IIIB")  # x, y, buttons, display id
UDSCS = struct.Struct("=IIII")  # type, arg1, arg2, size
INPUT_EVENT = struct.Struct("@llHHi")  # seconds, microseconds, type, code, value
EV_ABS, ABS_X = 3, 0

CLIENT_PORT, SERVER_PORT = 1, 2
CHUNK_DATA_MAX = 2048  # what spice-server puts in one chunk

# VDAgentMessage types
MOUSE_STATE, CLIPBOARD, ANNOUNCE, GRAB, REQUEST = 1, 4, 6, 7, 8
FILE_START, FILE_STATUS, FILE_DATA = 10, 11, 12
# udscs types
U_RESOLUTION, U_GRAB, U_REQUEST, U_DATA = 0, 2, 3, 4
U_FILE_START, U_FILE_STATUS, U_FILE_DATA = 8, 9, 10

UTF8_TEXT = 1
CAN_SEND_DATA, SUCCESS = 0, 3
# A viewer without grab serials: MOUSE_STATE, MONITORS_CONFIG, REPLY, CLIPBOARD_BY_DEMAND,
# CLIPBOARD_SELECTION.
CAPABILITIES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6


def message(kind: int, payload: bytes, port: int = CLIENT_PORT) -> bytes:
    """A VDAgentMessage cut into chunks as spice-server cuts it."""
    body = MESSAGE.pack(1, kind, 0, len(payload)) + payload
    parts: list[bytes] = []
    for start in range(0, len(body), CHUNK_DATA_MAX):
        part = body[start : start + CHUNK_DATA_MAX]
        parts += (CHUNK.pack(port, len(part)), part)
    return b"".join(parts)


def records(stream: bytes) -> list[memoryview]:
    """Single chunks of a chunk stream: what one virtio buffer would hold each."""
    view, start, found = memoryview(stream), 0, []
    while start < len(view):
        end = start + CHUNK.size + CHUNK.unpack_from(view, start)[1]
        found.append(view[start:end])
        start = end
    return found


def mouse(x: int, y: int, buttons: int = 0) -> bytes:
    """One pointer position as the server sends it."""
    return message(MOUSE_STATE, MOUSE.pack(x, y, buttons, 0), SERVER_PORT)


def mouse_path(count: int) -> list[bytes]:
    """`count` positions of which each changes both axes: x, y and SYN for every implementation."""
    return [mouse(1 + i * 7 % 1000, 1 + i * 11 % 700) for i in range(count)]


def announce(request: int) -> bytes:
    return message(ANNOUNCE, struct.pack("<II", request, CAPABILITIES))


def clipboard(data: bytes) -> bytes:
    return message(CLIPBOARD, struct.pack("<II", 0, UTF8_TEXT) + data)


def grab() -> bytes:
    return message(GRAB, struct.pack("<II", 0, UTF8_TEXT))


def request() -> bytes:
    return message(REQUEST, struct.pack("<II", 0, UTF8_TEXT))


def udscs(kind: int, arg1: int = 0, arg2: int = 0, payload: bytes = b"") -> bytes:
    return UDSCS.pack(kind, arg1, arg2, len(payload)) + payload
