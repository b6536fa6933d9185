# SPDX-License-Identifier: MIT
"""What keeps the two programs quick to start and small?"""

from __future__ import annotations

import gc
import sys

M_MMAP_THRESHOLD = -3  # malloc.h
LARGE = 1 << 20


def before_imports() -> None:
    """asyncio imports ssl where it can; nothing here uses it, and it is 4 MB of memory. Collecting
    garbage among freshly imported modules finds nothing and is a tenth of the start."""
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    gc.disable()


def after_start() -> None:
    """What is there now stays: the collector need not look at it again."""
    gc.freeze()
    gc.enable()


def give_back_large_blocks() -> None:
    """Have glibc give large buffers back to the kernel when they are freed.

    It raises its threshold to the size of the first large block that is freed, and keeps all later
    ones in the heap: after 10 MiB each way the pair would be twice as large for ever.
    """
    try:
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and needs none
    except (ImportError, MemoryError, OSError):
        return  # a hardened system lets nobody make code at run time: then it stays as it is
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
