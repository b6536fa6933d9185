# SPDX-License-Identifier: MIT
"""What is a desktop when no desktop is needed: a clipboard and outputs in memory.

Tests use it in place of a real desktop and play its guest programs; the contract tests hold it to
the same promises as the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ..errors import DesktopError
from .base import (
    Buffer,
    ClipboardListener,
    DisplayListener,
    Format,
    Layout,
    Output,
    Patience,
    Rect,
    Selection,
    switched_on,
)


class MemoryClipboard:
    """A `base.Clipboard`; `copy`, `exit` and `paste` are what guest programs do."""

    selections = frozenset((Selection.CLIPBOARD, Selection.PRIMARY))

    def __init__(self, listener: ClipboardListener, patience: Patience = Patience()) -> None:
        self._listener = listener
        self._patience = patience
        self._guests: dict[Selection, dict[Format, Buffer | None]] = {}
        self._secret: set[Selection] = set()
        self._offers: dict[Selection, tuple[Format, ...]] = {}
        self._closed = False

    def offer(self, selection: Selection, formats: Sequence[Format]) -> None:
        self._guests.pop(selection, None)
        self._offers[selection] = tuple(formats)

    def release(self, selection: Selection) -> None:
        self._offers.pop(selection, None)

    async def read(self, selection: Selection, fmt: Format) -> Buffer:
        contents = self._guests.get(selection)
        if contents is None:
            raise DesktopError(f"no guest program owns {selection.name}")
        if fmt not in contents:
            raise DesktopError(f"the owner of {selection.name} has no {fmt.value}")
        data = contents[fmt]
        if data is None:
            await asyncio.sleep(self._patience.first_s)
            raise DesktopError("the program that owns the selection does not answer")
        await asyncio.sleep(0)
        if len(data) > self._patience.max_bytes:
            raise DesktopError(f"the selection is larger than {self._patience.max_bytes} bytes")
        return data

    async def close(self) -> None:
        self._closed = True
        self._offers.clear()

    # Guest programs.

    def copy(
        self,
        selection: Selection,
        contents: Mapping[Format, Buffer | None],
        secret: bool = False,
    ) -> None:
        """A guest program takes `selection`; None stands for contents it never hands over."""
        self._offers.pop(selection, None)
        self._secret.discard(selection)
        if secret:
            self._secret.add(selection)
        self._guests[selection] = dict(contents)
        asyncio.get_running_loop().call_soon(self._report, selection, self._guests[selection])

    def exit(self, selection: Selection) -> None:
        """The guest program that owns `selection` ends."""
        if self._guests.pop(selection, None) is not None:
            asyncio.get_running_loop().call_soon(self._report, selection, None)

    def offered(self, selection: Selection) -> tuple[Format, ...]:
        """What guest programs find in `selection` that comes from the viewer."""
        return self._offers.get(selection, ())

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        """A guest program pastes; DesktopError if it finds nothing of that format."""
        guest = self._guests.get(selection, {}).get(fmt)
        if guest is not None:
            return guest
        if fmt not in self.offered(selection):
            raise DesktopError(f"{selection.name} has no {fmt.value}")
        data = await self._listener.paste(selection, fmt)
        if not len(data) and fmt is not Format.TEXT:
            raise DesktopError(f"the viewer has no {fmt.value}")
        return data

    def _report(self, selection: Selection, contents: dict[Format, Buffer | None] | None) -> None:
        """Tell of a copy unless a newer one has replaced it, which tells of itself."""
        if not self._closed and self._guests.get(selection) is contents:
            if contents is None and selection in self._offers:
                return
            formats = tuple(contents or ())
            self._listener.on_owner_changed(selection, formats, selection in self._secret)


class MemoryDisplay:
    """A `base.Display` with outputs of any size up to `limit`; `change` is what a user does."""

    def __init__(
        self,
        listener: DisplayListener,
        outputs: Sequence[Output],
        limit: tuple[int, int] = (32767, 32767),
    ) -> None:
        self._listener = listener
        self._outputs = tuple(outputs)
        self._limit = limit
        self._closed = False

    async def layout(self) -> Layout:
        rects = [output.rect for output in self._outputs if output.rect is not None]
        width = max((rect.x + rect.width for rect in rects), default=0)
        height = max((rect.y + rect.height for rect in rects), default=0)
        return Layout(width, height, self._outputs)

    async def probe(self) -> None:
        """There are none."""

    async def apply(self, wanted: Mapping[str, Rect | None]) -> None:
        rects = switched_on(wanted, [output.name for output in self._outputs])
        left = min(rect.x for rect in rects.values())
        top = min(rect.y for rect in rects.values())
        rects = {
            name: Rect(
                min(rect.width, self._limit[0]),
                min(rect.height, self._limit[1]),
                rect.x - left,
                rect.y - top,
            )
            for name, rect in rects.items()
        }
        if any(
            rect.x + rect.width > self._limit[0] or rect.y + rect.height > self._limit[1]
            for rect in rects.values()
        ):
            raise DesktopError("the layout was refused and is as before: it is too large")
        self.change([output._replace(rect=rects.get(output.name)) for output in self._outputs])

    async def close(self) -> None:
        self._closed = True

    def change(self, outputs: Sequence[Output]) -> None:
        """The outputs are these from now on."""
        if tuple(outputs) != self._outputs:
            self._outputs = tuple(outputs)
            asyncio.get_running_loop().call_soon(self._announce)

    def _announce(self) -> None:
        if not self._closed:
            self._listener.on_layout_changed()
