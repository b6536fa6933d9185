# SPDX-License-Identifier: MIT
"""What does the kernel find before it has a root? busybox, the modules in load order, and /init."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

INIT = Path(__file__).with_name("initramfs-init.sh")


def build(modules: Iterable[Path], target: Path) -> Path:
    """Write an uncompressed cpio archive (decompressing is what is slow in a guest without KVM)."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise RuntimeError("busybox is missing: install busybox-static")
    ordered = list(modules)
    directories = ("bin", "dev", "proc", "sys", "mods", "lower", "rw", "overlay", "newroot")
    entries = [_entry(name, stat.S_IFDIR | 0o755) for name in directories]
    entries.append(_entry("bin/busybox", stat.S_IFREG | 0o755, Path(busybox).read_bytes()))
    entries.append(_entry("bin/sh", stat.S_IFLNK | 0o777, b"busybox"))
    entries.append(_entry("init", stat.S_IFREG | 0o755, INIT.read_bytes()))
    for module in ordered:
        entries.append(_entry(f"mods/{module.name}", stat.S_IFREG | 0o644, module.read_bytes()))
    order = "".join(f"{module.name}\n" for module in ordered)
    entries.append(_entry("mods/order", stat.S_IFREG | 0o644, os.fsencode(order)))
    entries.append(_entry("TRAILER!!!", 0))
    target.write_bytes(b"".join(entries))
    return target


def _entry(name: str, mode: int, data: bytes = b"") -> bytes:
    """One file in "newc" format: thirteen fields of eight hex digits, name, data, padded to 4."""
    path = os.fsencode(name) + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return _padded(header) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
