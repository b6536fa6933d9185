# SPDX-License-Identifier: MIT
"""How do tests of minutes take none, and come out the same on a machine that stands still for a second?

Marked `virtual_time` they run in a loop whose time passes only when nothing else is left to do, and then
at once, up to the next timer. So a deadline of a second is never met by a slow machine, and always by
a sleep of two. For what happens within the loop: threads and other processes have a time of their own.
"""

from __future__ import annotations

import asyncio
import selectors


class VirtualTime(asyncio.SelectorEventLoop):
    """A loop that never waits."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self._loop.now += timeout
        assert ready or timeout is not None, "nothing will ever happen"
        return ready


async def settle() -> None:
    """In virtual time: return when all has happened that waits for nothing."""
    await asyncio.sleep(0.0001)
