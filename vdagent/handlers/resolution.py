# SPDX-License-Identifier: MIT
"""Which monitors does the client want, and which does the desktop have? (session)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..backends.base import Display, Layout, Rect
from ..errors import DesktopError
from ..protocol.constants import MonitorsFlag
from ..protocol.messages import MonitorConfig, MonitorsConfig
from ..protocol.udscs import GuestResolution, Message, Screen

log = logging.getLogger("resolution")


class ResolutionHandler:
    """Applies the client's monitors and reports the desktop's; implements DisplayListener.

    A SPICE display id is the index of an output. One change at a time is applied; of those that
    come meanwhile only the last one counts, for a dragged window sends dozens.
    """

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._display: Display | None = None
        self._connected = False
        self._wanted: MonitorsConfig | None = None
        self._report_due = False
        self._reported: GuestResolution | None = None
        self._work: asyncio.Task[None] | None = None

    def attach(self, display: Display) -> None:
        """The desktop is there."""
        self._display = display

    def connected(self) -> None:
        """A daemon is there: it serves us once it knows our screens."""
        self._connected = True
        self._reported = None
        self._report_due = True
        self._start()

    def disconnected(self) -> None:
        """The daemon has gone."""
        self._connected = False

    def monitors(self, msg: MonitorsConfig) -> None:
        """The client wants these monitors."""
        self._wanted = msg
        self._start()

    def on_layout_changed(self) -> None:
        """Something changed the desktop's outputs."""
        self._report_due = True
        self._start()

    def _start(self) -> None:
        if self._work is None and self._display is not None:
            self._work = asyncio.ensure_future(self._run(self._display))
            self._work.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._work = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("resolution: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
        elif self._report_due or self._wanted is not None:
            self._start()

    async def _run(self, display: Display) -> None:
        while self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            await self._apply(display, wanted)
            self._report_due, self._reported = True, None
        if self._report_due:
            self._report_due = False
            await self._report(display)

    async def _apply(self, display: Display, config: MonitorsConfig) -> None:
        try:
            layout = await display.layout()
            targets = arrange(config, layout)
            if targets and targets != {o.name: o.rect for o in layout.outputs if o.rect}:
                await display.apply(targets)
                log.info("resolution: now %s", _words(targets))
        except DesktopError as error:
            log.warning("resolution: the viewer's monitors could not be set: %s", error)

    async def _report(self, display: Display) -> None:
        try:
            report = describe(await display.layout())
        except DesktopError as error:
            log.warning("resolution: %s", error)
            return
        if self._connected and report != self._reported:
            self._reported = report
            self._send(report)

    def close(self) -> None:
        """Stop working."""
        if self._work is not None:
            self._work.cancel()


def arrange(config: MonitorsConfig, layout: Layout) -> dict[str, Rect]:
    """Which output gets which rectangle; only what is on is named.

    Positions count if the client gave any; without them monitors stand side by side.
    """
    pairs = [
        (output.name, monitor)
        for output, monitor in zip(layout.outputs, config.monitors, strict=False)
        if monitor.enabled
    ]
    placed = {(monitor.x, monitor.y) for _, monitor in pairs}
    given = bool(config.flags & MonitorsFlag.USE_POS) or len(placed) > 1
    if given and len(placed) == len(pairs):
        return {name: Rect(mon.width, mon.height, mon.x, mon.y) for name, mon in pairs}
    return _side_by_side(pairs)


def _side_by_side(pairs: list[tuple[str, MonitorConfig]]) -> dict[str, Rect]:
    result, x = {}, 0
    for name, monitor in pairs:
        result[name] = Rect(monitor.width, monitor.height, x, 0)
        x += monitor.width
    return result


def describe(layout: Layout) -> GuestResolution:
    """The report: every output by its display id; those that are off as 0x0."""
    screens = []
    for display_id, output in enumerate(layout.outputs):
        rect = output.rect or Rect(0, 0)
        screens.append(Screen(rect.width, rect.height, rect.x, rect.y, display_id))
    return GuestResolution(layout.width, layout.height, tuple(screens))


def _words(targets: dict[str, Rect]) -> str:
    return ", ".join(f"{name} {r.width}x{r.height}+{r.x}+{r.y}" for name, r in targets.items())
