# SPDX-License-Identifier: MIT
"""What comes out of an input device? Runs in the guest, prints JSON lines, needs only the library.

First {"path", "x": [min, max], "y": [min, max]}, then one [[type, code, value], ...] for each frame.
"""

from __future__ import annotations

import fcntl
import json
import struct
import sys
from pathlib import Path

EVENT = struct.Struct("@llHHi")
ABSOLUTE = struct.Struct("@6i")  # value, minimum, maximum, fuzz, flat, resolution


def find(name: str) -> str:
    """The newest device whose name is `name`."""
    found = [
        path.parent.parent.name
        for path in Path("/sys/class/input").glob("event*/device/name")
        if path.read_text().strip() == name
    ]
    if not found:
        raise SystemExit(f"no input device is called {name!r}")
    return f"/dev/input/{max(found, key=lambda event: int(event[5:]))}"


def axis_range(fd: int, axis: int) -> list[int]:
    """EVIOCGABS of linux/input.h: what the device says about an absolute axis."""
    request = 2 << 30 | ABSOLUTE.size << 16 | ord("E") << 8 | 0x40 + axis
    answer = fcntl.ioctl(fd, request, bytes(ABSOLUTE.size))
    return list(ABSOLUTE.unpack(answer)[1:3])


def main() -> None:
    """Print every frame until killed, or until the device goes."""
    path = find(sys.argv[1])
    with open(path, "rb", buffering=0) as device:
        fd = device.fileno()
        about = {"path": path, "x": axis_range(fd, 0), "y": axis_range(fd, 1)}
        print(json.dumps(about), flush=True)
        frame = []
        while data := device.read(EVENT.size * 64):
            for _, _, kind, code, value in EVENT.iter_unpack(data):
                if kind or code:
                    frame.append((kind, code, value))
                else:  # SYN_REPORT
                    print(json.dumps(frame), flush=True)
                    frame = []


if __name__ == "__main__":
    main()
