# SPDX-License-Identifier: MIT
"""Does the desktop follow the size the host gave the GPU, or do we have to take it there? (session)

With virtio-gpu and QXL the viewer's size never reaches the agent: the kernel announces a new preferred
mode. Some desktops follow by themselves; those that have not after half a second are given the mode.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from ..backends.base import Display, Layout, Output, Rect
from ..errors import DesktopError
from .displays import zero_based

log = logging.getLogger("resolution")

Sizes = Mapping[str, tuple[int, int]]

# The desktop's own probe of the connector fills the list of modes; until then the old one is read.
PROBE_S, PROBE_STEP_S = 1.0, 0.1
OWN_WAY_S = 0.5


class Follow:
    """Applies a connector's new preferred mode where the desktop does not."""

    def __init__(self, read_preferred: Callable[[], Sizes]) -> None:
        self._read = read_preferred
        self._known = dict(read_preferred())
        self._display: Display | None = None
        self._work: asyncio.Task[None] | None = None
        self._news = False

    def attach(self, display: Display) -> None:
        """The desktop is there."""
        self._display = display

    def on_hotplug(self) -> None:
        """The kernel announced a change. Of a burst only the last one counts."""
        self._news = True
        if self._display is not None and self._work is None:
            self._work = asyncio.ensure_future(self._follow(self._display))
            self._work.add_done_callback(self._finished)

    def close(self) -> None:
        """Stop working."""
        if self._work is not None:
            self._work.cancel()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._work = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("resolution: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
        elif self._news:
            self.on_hotplug()

    async def _follow(self, display: Display) -> None:
        """Go on until there is no news; a change that is being made is not broken off for the next."""
        while self._news:
            changed = await self._what_stays()
            if changed:
                self._known.update(changed)
                await self._apply(display, changed)

    async def _what_stays(self) -> Sizes:
        """The sizes that have changed, once the desktop has had its time to follow the last of them."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            if self._news:
                self._news, start = False, loop.time()
            changed, waited_s = self._changed(), loop.time() - start
            if waited_s >= (OWN_WAY_S if changed else PROBE_S):
                return changed
            await asyncio.sleep(PROBE_STEP_S)

    async def _apply(self, display: Display, changed: Sizes) -> None:
        try:
            wanted = with_sizes(await display.layout(), changed)
            if wanted is not None:
                await display.apply(wanted)
                log.info(
                    "resolution: the desktop did not follow the host's size, set it: %s", changed
                )
        except DesktopError as error:
            log.warning("resolution: the host's new size could not be set: %s", error)

    def _changed(self) -> dict[str, tuple[int, int]]:
        return {name: size for name, size in self._read().items() if self._known.get(name) != size}


def with_sizes(layout: Layout, sizes: Sizes) -> dict[str, Rect | None] | None:
    """The layout with outputs at new sizes, those to their right moved along; None if it is so already.

    Connector names of kernel and desktop mostly agree; old QXL drivers of X count from 0.
    """
    active = [output for output in layout.outputs if output.rect is not None]
    wanted: dict[str, Rect | None] = {output.name: output.rect for output in active}
    for connector, (width, height) in sizes.items():
        output = _output(active, connector, only=len(sizes) == 1)
        rect = wanted.get(output.name) if output is not None else None
        if output is None or rect is None:
            continue
        grown = width - rect.width
        for name, other in wanted.items():
            if other is not None and other.x >= rect.x + rect.width:
                wanted[name] = other._replace(x=other.x + grown)
        wanted[output.name] = rect._replace(width=width, height=height)
    return None if wanted == {o.name: o.rect for o in active} else wanted


def _output(active: list[Output], connector: str, *, only: bool) -> Output | None:
    names = {output.name: output for output in active}
    found = names.get(zero_based(names, connector))
    return found or (active[0] if only and len(active) == 1 else None)
