# SPDX-License-Identifier: MIT
"""How is what the compositor does not serve had from its X server, which comes and goes?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import DesktopError
from .base import Buffer, Clipboard, ClipboardListener, Format, Selection

if TYPE_CHECKING:
    from .x11.starts import XWaylandStarts

log = logging.getLogger("desktop")

Connect = Callable[[ClipboardListener, Callable[[str], None]], Awaitable[Clipboard]]
Tell = Callable[[str], None]


class XWaylandClipboard:
    """Some selections as a `base.Clipboard`, for as long as an XWayland runs.

    `connect` gives its clipboard; `gone` is told why there is none any more.
    """

    def __init__(
        self,
        selections: frozenset[Selection],
        listener: ClipboardListener,
        connect: Connect,
        gone: Tell,
    ) -> None:
        self.selections = selections
        self._listener = listener
        self._connect = connect
        self._gone = gone
        self._clipboard: Clipboard | None = None
        self._lost: asyncio.Future[str]
        self._offered: dict[Selection, tuple[Format, ...]] = {}
        self._owned: set[Selection] = set()  # by guest programs
        self._starts: XWaylandStarts | None = None
        self._work: asyncio.Task[None] | None = None

    # What the X server tells.

    def on_owner_changed(
        self, selection: Selection, formats: Sequence[Format], secret: bool = False
    ) -> None:
        self._offered.pop(selection, None)
        if formats:
            self._owned.add(selection)
        else:
            self._owned.discard(selection)
        self._listener.on_owner_changed(selection, formats, secret)

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        return await self._listener.paste(selection, fmt)

    # It comes and goes.

    async def open(self) -> None:
        """Use the one that runs, or is started by this. Raises DesktopError."""
        self._lost = asyncio.get_running_loop().create_future()
        lost = self._lost
        self._clipboard = await self._connect(self, lost.set_result)
        for selection, formats in self._offered.items():
            self._clipboard.offer(selection, formats)

    def follow(self, starts: XWaylandStarts) -> None:
        """Use every one that starts from now on, when the present one, if any, has gone."""
        self._starts = starts
        self._work = asyncio.create_task(self._follow(starts))

    async def _follow(self, starts: XWaylandStarts) -> None:
        while True:
            if self._clipboard is not None:
                reason = await self._lost
                await self._leave()
                self._gone(reason)
            await starts.wait()
            try:
                await self.open()
            except DesktopError as error:
                self._gone(str(error))

    async def _leave(self) -> None:
        clipboard, self._clipboard = self._clipboard, None
        if clipboard is not None:
            await clipboard.close()
        for selection in sorted(self._owned):
            self._listener.on_owner_changed(selection, ())
        self._owned.clear()

    # base.Clipboard.

    def offer(self, selection: Selection, formats: Sequence[Format]) -> None:
        self._owned.discard(selection)
        self._offered[selection] = tuple(formats)
        if self._clipboard is not None:
            self._clipboard.offer(selection, formats)

    def release(self, selection: Selection) -> None:
        self._offered.pop(selection, None)
        if self._clipboard is not None:
            self._clipboard.release(selection)

    async def read(self, selection: Selection, fmt: Format) -> Buffer:
        if self._clipboard is None:
            raise DesktopError("no XWayland runs")
        return await self._clipboard.read(selection, fmt)

    async def close(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        if self._starts is not None:
            self._starts.close()
        self._owned.clear()
        await self._leave()
