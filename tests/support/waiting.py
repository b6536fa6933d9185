# SPDX-License-Identifier: MIT
"""How does a coroutine wait for a condition that nobody announces?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], what: str = "it", timeout_s: float = 20.0) -> None:
    """Let the loop run until `condition` holds; TimeoutError naming `what` if that takes too long."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise TimeoutError(f"{what} did not happen within {timeout_s:g} s") from None
