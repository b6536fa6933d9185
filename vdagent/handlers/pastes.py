# SPDX-License-Identifier: MIT
"""How long does a paste in the guest wait for the viewer's data, and what does it get? (session)

Every paste ends: with the data, or empty when the first byte takes too long, when the data stops coming,
when the viewer has nothing or goes away. Pastes of the same content at the same time share one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..backends.base import Buffer, Patience
from ..protocol.constants import ClipboardType

Key = tuple[int, int]  # selection, type


class _Paste:
    """One request to the viewer, and whoever waits for it."""

    def __init__(self, done: asyncio.Future[Buffer]) -> None:
        self.done = done
        self.body: bytearray | None = None  # data that comes in parts
        self.have = 0
        self.timer: asyncio.TimerHandle | None = None


class Pastes:
    """All pastes that wait for data."""

    def __init__(self, request: Callable[[int, int], None]) -> None:
        self._request = request
        self.patience = Patience()
        self._pastes: dict[Key, _Paste] = {}
        self._incoming: Key | None = None

    async def fetch(self, selection: int, type_: int) -> Buffer:
        """Ask the viewer for `type_`; its data, or nothing."""
        key = selection, type_
        paste = self._pastes.get(key)
        if paste is None:
            loop = asyncio.get_running_loop()
            paste = self._pastes[key] = _Paste(loop.create_future())
            self._wait(key, paste, self.patience.first_s)
            self._request(selection, type_)
        return await asyncio.shield(paste.done)

    def data(self, selection: int, type_: int, data: Buffer) -> None:
        """The whole answer. NONE answers the oldest request for that selection."""
        if type_ == ClipboardType.NONE:
            of_selection = [key for key in self._pastes if key[0] == selection]
            for key in of_selection[:1]:
                self._finish(key, b"")
        else:
            self._finish((selection, type_), data)

    def begin(self, selection: int, type_: int, size: int) -> None:
        """A large answer begins."""
        key = selection, type_
        paste = self._pastes.get(key)
        self._incoming = None
        if paste is None:
            return
        if size > self.patience.max_bytes:
            return self._finish(key, b"")
        self._incoming = key
        paste.body, paste.have = bytearray(size), 0
        self._wait(key, paste, self.patience.progress_s)

    def part(self, views: list[memoryview]) -> None:
        """The next bytes of it."""
        paste = self._pastes.get(self._incoming) if self._incoming else None
        if self._incoming is None or paste is None or paste.body is None:
            return
        have = paste.have
        for view in views:
            paste.body[have : have + len(view)] = view
            have += len(view)
        paste.have = have
        self._wait(self._incoming, paste, self.patience.progress_s)

    def end(self) -> None:
        """It is complete."""
        key, self._incoming = self._incoming, None
        if key is not None and (paste := self._pastes.get(key)) is not None:
            self._finish(key, paste.body or b"")

    def cancel(self, selection: int | None = None) -> None:
        """The viewer has nothing any more: end the pastes of `selection`, or all, empty."""
        for key in list(self._pastes):
            if selection is None or key[0] == selection:
                self._finish(key, b"")

    def _wait(self, key: Key, paste: _Paste, seconds: float) -> None:
        if paste.timer is not None:
            paste.timer.cancel()
        paste.timer = paste.done.get_loop().call_later(seconds, self._finish, key, b"")

    def _finish(self, key: Key, data: Buffer) -> None:
        paste = self._pastes.pop(key, None)
        if paste is None:
            return
        if key == self._incoming:
            self._incoming = None  # what is still to come of it is not the next paste's
        if paste.timer is not None:
            paste.timer.cancel()
        if not paste.done.done():
            paste.done.set_result(data)
