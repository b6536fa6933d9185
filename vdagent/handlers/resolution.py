# SPDX-License-Identifier: MIT
"""Which monitors does the client want, and which does the desktop have? (session)"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping

from ..backends.base import Display, Rect
from ..errors import DesktopError
from ..protocol.messages import GraphicsDeviceInfo, MonitorsConfig
from ..protocol.udscs import GuestResolution, Message
from .displays import Displays, FindConnector, arrange, describe, pointer_scales, pointer_transforms

log = logging.getLogger("resolution")

# A window that is dragged asks for a size with each of its frames, and each costs a mode, a tablet, and
# what every program has to draw anew.
BETWEEN_S = 0.1


class ResolutionHandler:
    """Applies the client's monitors and reports the desktop's; implements DisplayListener.

    The first change is applied at once, the next ones BETWEEN_S apart; of those that come meanwhile only
    the last one counts.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        tell_pointing: Callable[[Mapping[int, float], Mapping[int, int]], None],
        find_connector: FindConnector,
    ) -> None:
        self._send, self._tell_pointing = send, tell_pointing
        self._displays = Displays(find_connector)
        self._display: Display | None = None
        self._connected = False
        self._wanted: MonitorsConfig | None = None
        self._next = 0.0  # when the next change may be made
        self._report_due = False
        self._reported: GuestResolution | None = None
        self._work: asyncio.Task[None] | None = None
        self._complaint = ""

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

    def devices(self, msg: GraphicsDeviceInfo) -> None:
        """The host tells which device shows which display."""
        self._displays.learn(msg.devices)
        self._report_due, self._reported = True, None
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
        loop = asyncio.get_running_loop()
        if self._wanted is not None:
            await asyncio.sleep(self._next - loop.time())
            wanted, self._wanted = self._wanted, None
            await self._apply(display, wanted)
            self._next = loop.time() + BETWEEN_S
            self._report_due, self._reported = True, None
        if self._report_due:
            self._report_due = False
            await self._report(display)

    async def _apply(self, display: Display, config: MonitorsConfig) -> None:
        try:
            layout = await display.layout()
            targets = arrange(config, self._displays.outputs(layout))
            if targets and targets != {o.name: o.rect for o in layout.outputs if o.rect}:
                await display.apply(targets)
                log.info("resolution: now %s", _words(targets))
                self._complaint = ""
        except DesktopError as error:
            # A window that is dragged asks for dozens of sizes: the same of each is said once.
            complaint = re.sub(r"\d+", "", str(error))
            level = logging.DEBUG if complaint == self._complaint else logging.WARNING
            log.log(level, "resolution: the viewer's monitors could not be set: %s", error)
            self._complaint = complaint

    async def _report(self, display: Display) -> None:
        try:
            layout = await display.layout()
            report = describe(layout, self._displays)
        except DesktopError as error:
            log.warning("resolution: %s", error)
            return
        if self._connected and report != self._reported:
            self._reported = report
            self._send(report)
        if self._connected:
            self._tell_pointing(
                pointer_scales(layout, self._displays), pointer_transforms(layout, self._displays)
            )

    def close(self) -> None:
        """Stop working."""
        if self._work is not None:
            self._work.cancel()


def _words(targets: dict[str, Rect]) -> str:
    return ", ".join(f"{name} {r.width}x{r.height}+{r.x}+{r.y}" for name, r in targets.items())
