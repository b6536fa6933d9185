# SPDX-License-Identifier: MIT
"""How does a coroutine wait for a condition that nobody announces?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Return once `condition` is truthy; TimeoutError if that does not happen in time."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)
