# SPDX-License-Identifier: MIT
"""How do several backends serve one desktop, each some of its selections?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import DesktopError
from .base import Buffer, Clipboard, ClipboardListener, Format, Selection


class SplitClipboard:
    """A `base.Clipboard` whose selections are served by the parts they are mapped to."""

    def __init__(self, parts: Mapping[Selection, Clipboard]) -> None:
        self.selections = frozenset(parts)
        self._parts = dict(parts)

    def offer(self, selection: Selection, formats: Sequence[Format]) -> None:
        if selection in self._parts:
            self._parts[selection].offer(selection, formats)

    def release(self, selection: Selection) -> None:
        if selection in self._parts:
            self._parts[selection].release(selection)

    async def read(self, selection: Selection, fmt: Format) -> Buffer:
        if selection not in self._parts:
            raise DesktopError(f"this desktop has no {selection.name}")
        return await self._parts[selection].read(selection, fmt)

    async def close(self) -> None:
        for part in dict.fromkeys(self._parts.values()):
            await part.close()


class OnlyFor:
    """A listener that hears of some selections only."""

    def __init__(self, selections: frozenset[Selection], listener: ClipboardListener) -> None:
        self._selections = selections
        self._listener = listener

    def on_owner_changed(
        self, selection: Selection, formats: Sequence[Format], secret: bool = False
    ) -> None:
        if selection in self._selections:
            self._listener.on_owner_changed(selection, formats, secret)

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        return await self._listener.paste(selection, fmt)
