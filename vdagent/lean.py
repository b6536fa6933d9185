# SPDX-License-Identifier: MIT
"""What keeps the two programs quick to start and small?"""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGE = 1 << 20
KEPT = 2 << 20

# What asyncio and dataclasses import for what hardly ever happens here (a repr, a signature, TLS):
# 1.4 MB and a sixth of the start.
SELDOM = ("inspect", "tokenize", "locale", "asyncio.sslproto")


class _Later(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        self.__dict__.update(module.__dict__)
        return getattr(module, name)


def before_imports() -> None:
    """asyncio imports ssl where it can; nothing here uses it, and it is 4 MB of memory. Collecting
    garbage among freshly imported modules finds nothing and is a tenth of the start."""
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    for name in SELDOM:
        sys.modules.setdefault(name, _Later(name))
    gc.disable()


def after_start() -> None:
    """What is there now stays: the collector need not look at it again."""
    gc.freeze()
    gc.enable()


def give_back_large_blocks() -> None:
    """Have glibc give large buffers back to the kernel when they are freed.

    It raises its threshold to the size of the first large block that is freed, and keeps all later
    ones in the heap: after 10 MiB each way the pair would be twice as large for ever. What is
    smaller stays in the heap, for taking its pages anew costs more than its bytes.
    """
    _of_libc("mallopt", M_MMAP_THRESHOLD, LARGE)
    _of_libc("mallopt", M_TRIM_THRESHOLD, KEPT)


def give_back_pages() -> None:
    """Have glibc give back what is free inside its heap.

    A queue of megabytes leaves that behind where any small block that came late lies above it: up to
    9 MB, in every second paste of 10 MiB.
    """
    _of_libc("malloc_trim", 0)


def _of_libc(name: str, *arguments: int) -> None:
    try:
        import ctypes

        function = getattr(ctypes.CDLL(None), name, None)  # musl has none, and needs none
    except (ImportError, MemoryError, OSError):
        return  # a hardened system lets nobody make code at run time: then it stays as it is
    if function is not None:
        function(*arguments)
