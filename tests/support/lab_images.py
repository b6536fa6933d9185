# SPDX-License-Identifier: MIT
"""What pictures do tests copy and paste?"""

from __future__ import annotations

import random
import struct
import zlib


def png(width: int, height: int, seed: int = 0) -> bytes:
    """A valid RGB picture that does not compress, so that its size is about 3 * width * height."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _ in range(height))

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 1))
        + chunk(b"IEND", b"")
    )
