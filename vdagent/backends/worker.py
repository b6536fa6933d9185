# SPDX-License-Identifier: MIT
"""How does slow, blocking work get done while the loop goes on? In one thread, in order.

Not an executor: those are waited for when the process ends, and a disk that hangs must not keep the
session from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
Job = Callable[[], None]


class Worker:
    """Runs functions one after the other; its thread starts with the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def post(self, job: Job) -> None:
        """Run `job` behind all that was given before. It handles its own errors."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(job)

    async def run(self, function: Callable[[], T]) -> T:
        """The result of `function`, run in order; cancelling the wait does not keep it from running."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def job() -> None:
            result, failure = None, None
            try:
                result = function()
            except BaseException as error:
                failure = error
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:
                pass  # the loop has ended, nobody waits

        self.post(job)
        return await future

    async def close(self, timeout_s: float) -> None:
        """Let what was given be done, for so long, and end the thread."""
        if self._thread is None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self.run(lambda: None)
        except TimeoutError:
            pass
        self._jobs.put(None)
        self._thread = None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
