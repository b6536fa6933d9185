# SPDX-License-Identifier: MIT
"""How is the layout of an X11 desktop read and watched?

`layout()` names every RandR output, in the server's order, where its CRTC shows the desktop; the
CRTC's own size already has rotation in it. `arrange.py` changes the layout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from Xlib import X
from Xlib.ext import randr
from Xlib.protocol import event, request

from ...errors import DesktopError
from ..base import DisplayListener, Layout, Output, Rect
from .arrange import arrange
from .connection import Extension, XConnection
from .screen import Screen

EVENTS = (
    randr.RRScreenChangeNotifyMask | randr.RRCrtcChangeNotifyMask | randr.RROutputChangeNotifyMask
)
CLOSE_S = 0.5  # for a change under way; it takes some 20 ms


class X11Display:
    """The X11 outputs as a `base.Display`."""

    def __init__(
        self, x: XConnection, listener: DisplayListener, extension: Extension | None
    ) -> None:
        self._x = x.share()
        self._listener = listener
        self._opcode = extension.opcode if extension is not None else None
        self._loop = asyncio.get_running_loop()
        self._announced = False  # on_layout_changed is due
        self._closed = False
        self._turn = asyncio.Lock()  # one change at a time
        self._changes: set[asyncio.Future[None]] = set()

    @classmethod
    async def open(cls, x: XConnection, listener: DisplayListener) -> X11Display:
        """Start to watch the layout; without RandR 1.3 only the size of the root window."""
        extension = await x.extension("RANDR")
        if extension is not None:
            version = await x.ask(
                randr.QueryVersion, opcode=extension.opcode, major_version=1, minor_version=5
            )
            if (version.major_version, version.minor_version) < (1, 3):
                extension = None
        display = cls(x, listener, extension)
        await display._watch(extension)
        return display

    async def _watch(self, extension: Extension | None) -> None:
        self._x.send(
            request.ChangeWindowAttributes,
            window=self._x.root,
            attrs={"event_mask": X.StructureNotifyMask},
        )
        self._x.subscribe(X.ConfigureNotify, event.ConfigureNotify, self._on_configure)
        if extension is None:
            return
        self._x.send(randr.SelectInput, opcode=extension.opcode, window=self._x.root, mask=EVENTS)
        for code in (randr.RRScreenChangeNotify, randr.RRNotify):
            self._x.subscribe(extension.first_event + code, event.AnyEvent, self._on_change)

    async def layout(self) -> Layout:
        size = await self._x.ask(request.GetGeometry, drawable=self._x.root)
        if self._opcode is None:
            rect = Rect(size.width, size.height)
            return Layout(size.width, size.height, (Output("screen", rect),))
        screen = await Screen.read(self._x, self._opcode)
        outputs = tuple(
            Output(o.name, screen.rect_of(o), transform=screen.transform_of(o))
            for o in screen.outputs
        )
        return Layout(screen.width, screen.height, outputs)

    async def probe(self) -> None:
        """The server does it for whoever asks for the resources, and leaves that to the desktop."""
        if self._opcode is not None:
            await self._x.ask(randr.GetScreenResources, opcode=self._opcode, window=self._x.root)

    async def apply(self, wanted: Mapping[str, Rect | None]) -> None:
        if self._opcode is None:
            raise DesktopError("this X server has no RandR 1.3: its size cannot be changed")
        change = self._loop.create_task(self._arrange(self._opcode, wanted))
        self._changes.add(change)
        change.add_done_callback(self._on_changed)
        # A caller that is cancelled must not leave the desktop half-made.
        await asyncio.shield(change)

    async def _arrange(self, opcode: int, wanted: Mapping[str, Rect | None]) -> None:
        async with self._turn:
            await arrange(self._x, opcode, wanted)

    def _on_changed(self, change: asyncio.Future[None]) -> None:
        self._changes.discard(change)
        if not change.cancelled():
            change.exception()  # the caller has it, unless it is gone
        if self._announced:
            self._loop.call_soon(self._announce)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._changes:
                await asyncio.wait(self._changes, timeout=CLOSE_S)
            self._x.leave()

    def _on_configure(self, e: Any) -> None:
        if e.window == self._x.root:
            self._on_change(e)

    def _on_change(self, e: Any) -> None:
        """One change makes many events: tell the listener once they have all been taken in."""
        if not self._announced:
            self._announced = True
            self._loop.call_soon(self._announce)

    def _announce(self) -> None:
        if self._announced and not self._changes:
            self._announced = False
            if not self._closed:
                self._listener.on_layout_changed()
