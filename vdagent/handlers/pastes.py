# SPDX-License-Identifier: MIT
"""How long does a paste in the guest wait for the viewer's data, and what does it get? (session)

Every paste ends: with the data, or empty when the first byte takes too long, when the data stops coming,
when the viewer has nothing or goes away. Pastes of the same content at the same time share one request,
and a paste after the viewer's next copy asks again: some viewers do not answer where they have nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..backends.base import Buffer, Patience
from ..protocol.constants import ClipboardType

Key = tuple[int, int]  # selection, type


class _Paste:
    """One content of the viewer, and whoever waits for it."""

    def __init__(self, key: Key, done: asyncio.Future[Buffer]) -> None:
        self.key = key
        self.done = done
        self.asked = False  # since the viewer's last copy
        self.body: bytearray | None = None  # data that comes in parts
        self.have = 0
        self.timer: asyncio.TimerHandle | None = None


class Pastes:
    """All pastes that wait for data."""

    def __init__(self, request: Callable[[int, int], None]) -> None:
        self._request = request
        self.patience = Patience()
        self._pastes: dict[Key, _Paste] = {}
        self._incoming: _Paste | None = None

    async def fetch(self, selection: int, type_: int) -> Buffer:
        """Ask the viewer for `type_`; its data, or nothing."""
        key = selection, type_
        paste = self._pastes.get(key)
        if paste is None:
            done = asyncio.get_running_loop().create_future()
            paste = self._pastes[key] = _Paste(key, done)
        if not paste.asked:
            paste.asked = True
            self._wait(paste, self.patience.first_s)
            self._request(selection, type_)
        return await asyncio.shield(paste.done)

    def copied(self, selection: int) -> None:
        """The viewer has copied anew: that is what later pastes want."""
        for key, paste in list(self._pastes.items()):
            if key[0] == selection:
                paste.asked = False
                if paste is self._incoming:
                    del self._pastes[key]  # completed, for those who want what was there before

    def data(self, selection: int, type_: int, data: Buffer) -> None:
        """The whole answer. NONE answers the oldest request for that selection."""
        if type_ == ClipboardType.NONE:
            of_selection = [paste for key, paste in self._pastes.items() if key[0] == selection]
            for paste in of_selection[:1]:
                self._finish(paste, b"")
        elif (answered := self._pastes.get((selection, type_))) is not None:
            self._finish(answered, data)

    def begin(self, selection: int, type_: int, size: int) -> None:
        """A large answer begins."""
        paste = self._pastes.get((selection, type_))
        self._incoming = None
        if paste is None:
            return
        if size > self.patience.max_bytes:
            return self._finish(paste, b"")
        self._incoming = paste
        paste.body, paste.have = bytearray(size), 0
        self._wait(paste, self.patience.progress_s)

    def part(self, views: list[memoryview]) -> None:
        """The next bytes of it."""
        paste = self._incoming
        if paste is None or paste.body is None:
            return
        have = paste.have
        for view in views:
            paste.body[have : have + len(view)] = view
            have += len(view)
        paste.have = have
        self._wait(paste, self.patience.progress_s)

    def end(self) -> None:
        """It is complete."""
        if (paste := self._incoming) is not None:
            self._finish(paste, paste.body or b"")

    def cancel(self, selection: int | None = None) -> None:
        """The viewer has nothing any more: end the pastes of `selection`, or all, empty."""
        pastes = [*self._pastes.values(), *([self._incoming] if self._incoming else [])]
        for paste in pastes:
            if selection is None or paste.key[0] == selection:
                self._finish(paste, b"")

    def _wait(self, paste: _Paste, seconds: float) -> None:
        if paste.timer is not None:
            paste.timer.cancel()
        paste.timer = paste.done.get_loop().call_later(seconds, self._finish, paste, b"")

    def _finish(self, paste: _Paste, data: Buffer) -> None:
        if self._pastes.get(paste.key) is paste:
            del self._pastes[paste.key]
        if paste is self._incoming:
            self._incoming = None  # what is still to come of it is not the next paste's
        if paste.timer is not None:
            paste.timer.cancel()
        if not paste.done.done():
            paste.done.set_result(data)
