# SPDX-License-Identifier: MIT
"""How are guest programs' contents read one at a time, as Mutter wants it, with nobody waiting long?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ...errors import DesktopError
from .. import pipes
from ..base import Patience


class Reader:
    """Takes turns.

    Reads that waited for one that timed out fail with it, so that no wait adds up. A read of a former
    owner gives way to one of the present owner: who asked for it has gone on to something else.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._owner: object = None  # of the read that is under way, or was last
        self._limit: asyncio.Timeout | None = None
        self._silent_at = 0.0  # when that owner last let a read time out

    async def read(
        self, owner: object, request: Callable[[], Awaitable[int]], patience: Patience
    ) -> bytearray:
        """What comes out of the pipe that `request()` gives. Raises DesktopError."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        if self._limit is not None and self._owner is not owner:
            self._limit.reschedule(asked)
        async with self._turn:
            if self._owner is owner and self._silent_at > asked:
                raise DesktopError("the program that owns the selection does not answer")
            pipe = await request()
            self._owner = owner
            began = loop.time()
            try:
                async with asyncio.timeout(None) as self._limit:
                    return await pipes.receive(pipe, patience)
            except TimeoutError:
                raise DesktopError("the clipboard has another owner now") from None
            except DesktopError:
                if loop.time() - began >= patience.progress_s:
                    self._silent_at = loop.time()
                raise
            finally:
                self._limit = None
