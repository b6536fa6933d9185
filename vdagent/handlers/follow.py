# SPDX-License-Identifier: MIT
"""Does the desktop follow the size the host gave the GPU, or do we have to take it there? (session)

With virtio-gpu and QXL the viewer's size never reaches the agent: the kernel announces a new preferred
mode. Some desktops follow by themselves; those that have not after half a second are given the mode.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from ..backends.base import Display, Layout, Rect
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
        self._known: Sizes = dict(read_preferred())
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
            now = await self._what_stays(display)
            if now != self._known:
                before, self._known = self._known, now
                await self._apply(display, before, now)

    async def _what_stays(self, display: Display) -> Sizes:
        """The sizes there are, once the desktop has had its time to follow the last of them."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            if self._news:
                self._news, start = False, loop.time()
                await self._probe(display)
            now, waited_s = dict(self._read()), loop.time() - start
            if waited_s >= (PROBE_S if now == self._known else OWN_WAY_S):
                return now
            await asyncio.sleep(PROBE_STEP_S)

    async def _probe(self, display: Display) -> None:
        try:
            await display.probe()
        except DesktopError as error:
            log.debug("resolution: the connectors were not probed: %s", error)

    async def _apply(self, display: Display, before: Sizes, now: Sizes) -> None:
        try:
            wanted = followed(await display.layout(), before, now)
            if wanted is not None:
                await display.apply(wanted)
                log.info("resolution: the desktop did not follow the host's size, set it: %s", now)
        except DesktopError as error:
            log.warning("resolution: the host's new size could not be set: %s", error)


def followed(layout: Layout, before: Sizes, now: Sizes) -> dict[str, Rect | None] | None:
    """The layout once it follows the sizes; None if it does already.

    What is connected anew comes to the right of all, what is not any more goes; what the user has
    switched off stays off. What is to the right of a change moves along.
    """
    active = {output.name: output.rect for output in layout.outputs if output.rect is not None}
    rects = dict(active)
    for connector in [name for name in before if name not in now]:
        name = _output(layout, connector, only=False)
        if name in rects and len(rects) > 1:
            _move_along(rects, name, -rects[name].width)
            del rects[name]
    outputs = {output.name: output for output in layout.outputs}
    for connector, mode in now.items():
        name = _output(layout, connector, only=len(now) == 1)
        if name is None or before.get(connector) == mode:
            continue
        size = outputs[name].upright(*mode)
        if name in rects:
            _move_along(rects, name, size[0] - rects[name].width)
            rects[name] = rects[name]._replace(width=size[0], height=size[1])
        elif connector not in before:
            rects[name] = Rect(*size, max((r.x + r.width for r in rects.values()), default=0), 0)
    return None if rects == active else {**rects}


def _move_along(rects: dict[str, Rect], changed: str, grown: int) -> None:
    edge = rects[changed].x + rects[changed].width
    for name, rect in rects.items():
        if rect.x >= edge:
            rects[name] = rect._replace(x=rect.x + grown)


def _output(layout: Layout, connector: str, *, only: bool) -> str | None:
    """The output of a connector, by name; the `only` connector is that of the only output that is on.

    Connector names of kernel and desktop mostly agree; old QXL drivers of X count from 0.
    """
    names = [output.name for output in layout.outputs]
    name = zero_based(names, connector)
    if name in names:
        return name
    active = [output.name for output in layout.outputs if output.rect is not None]
    return active[0] if only and len(active) == 1 else None
