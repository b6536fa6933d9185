# SPDX-License-Identifier: MIT
"""Which cookie opens this X display?

python-xlib's own reader knows no FamilyWild entries, which GDM and Mutter write, and prints to
stdout, so the file is read here. Format (Xau): big-endian family u16, then address, display number,
name and data, each counted by a u16.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

COOKIE = b"MIT-MAGIC-COOKIE-1"

FAMILY_LOCAL = 256
FAMILY_WILD = 65535


def find_cookie(display_number: int) -> tuple[bytes, bytes]:
    """Name and data of the best entry for a display of this machine; both empty if there is none."""
    number = str(display_number).encode()
    hostname = socket.gethostname().encode()
    best = (0, b"", b"")
    for family, address, entry_number, name, data in _entries():
        if name != COOKIE or entry_number not in (b"", number):
            continue
        # A cookie outlives a change of the host name (DHCP), so another host's is the last resort.
        rank = 3 if (family, address) == (FAMILY_LOCAL, hostname) else 2
        rank = rank if rank == 3 or family == FAMILY_WILD else 1
        best = max(best, (rank, name, data), key=lambda entry: entry[0])
    return best[1], best[2]


def _entries() -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    path = os.environ.get("XAUTHORITY") or os.path.join(os.environ.get("HOME", "/"), ".Xauthority")
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError:
        return  # servers that trust the local user need no cookie
    at = 0
    try:
        while at < len(raw):
            (family,) = struct.unpack_from(">H", raw, at)
            at += 2
            fields = []
            for _ in range(4):
                (size,) = struct.unpack_from(">H", raw, at)
                fields.append(raw[at + 2 : at + 2 + size])
                at += 2 + size
            yield family, fields[0], fields[1], fields[2], fields[3]
    except struct.error:
        return  # a torn tail: what came before it still counts
