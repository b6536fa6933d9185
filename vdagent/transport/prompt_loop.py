# SPDX-License-Identifier: MIT
"""How does a pointer event come past the event loop's own work?

asyncio makes a list of keys of what epoll found, a list of handles of that, and runs them a turn
later. While the caches are warm that is a microsecond. A pointer that moves 125 times a second
finds them cold each time, and there it is a sixth of the way to the tablet (bench/, `mouse`).
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeVarTuple

    from _typeshed import FileDescriptorLike

    _Ts = TypeVarTuple("_Ts")


class _PromptSelector(selectors.EpollSelector):
    """Calls readers itself as long as nothing else is due, so nobody is overtaken."""

    def __init__(self, on_error: Callable[[Callable[[], object], Exception], None]) -> None:
        super().__init__()
        self._on_error = on_error
        # The same epoll instance: what this says of a descriptor is a bare pair, not a key.
        self._epoll = select.epoll.fromfd(os.dup(self.fileno()))
        self.readers: dict[int, Callable[[], object]] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, but for what was read at once."""
        if timeout is not None and timeout <= 0:  # callbacks wait for their turn: readers queue up
            return super().select(timeout)
        ready = []
        for fd, event in self._epoll.poll(timeout):
            reader = self.readers.get(fd) if event == select.EPOLLIN else None
            if reader is not None:
                try:
                    reader()
                except Exception as error:
                    self._on_error(reader, error)
            elif (key := self.get_map().get(fd)) is not None:  # to be written, hung up
                ready.append((key, _mask(event) & key.events))
        return ready

    def close(self) -> None:
        self._epoll.close()
        super().close()


def _mask(event: int) -> int:
    """What a hang-up or a fault wakes: whoever waits, to find it out."""
    read = selectors.EVENT_READ if event & ~select.EPOLLOUT else 0
    return read | (selectors.EVENT_WRITE if event & ~select.EPOLLIN else 0)


class PromptLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, whose readers are called as soon as their descriptor has bytes.

    Otherwise the order of callbacks is asyncio's own: readers as epoll tells them, then what they
    scheduled, then the timers that are due. Unlike asyncio's, readers share one context.
    """

    def __init__(self) -> None:
        self._prompt = _PromptSelector(self._report)
        super().__init__(self._prompt)

    def add_reader(
        self, fd: FileDescriptorLike, callback: Callable[[*_Ts], object], *args: *_Ts
    ) -> None:
        """Call `callback` whenever `fd` has something to read."""
        super().add_reader(fd, callback, *args)
        number = fd if isinstance(fd, int) else fd.fileno()
        self._prompt.readers[number] = partial(callback, *args) if args else callback

    def remove_reader(self, fd: FileDescriptorLike) -> bool:
        """Call nobody for `fd` any more."""
        self._prompt.readers.pop(fd if isinstance(fd, int) else fd.fileno(), None)
        return super().remove_reader(fd)

    def _report(self, reader: Callable[[], object], error: Exception) -> None:
        message = f"Exception in reader {reader}"
        self.call_exception_handler({"message": message, "exception": error})
