# SPDX-License-Identifier: MIT
"""On which asyncio loop is an input played? One for all of them: making it costs more than most inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def play(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end."""
    _loop().run_until_complete(work)
