# SPDX-License-Identifier: MIT
"""How is the layout of a Wayland desktop read and changed?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from ...errors import DesktopError
from ..base import DisplayListener, Layout, Rect, switched_on
from ..logical import Shown, describe, to_logical
from .connection import WaylandConnection
from .kde_management import KdeManagement
from .outputs import Outputs
from .plan import OutputManagement, Plan
from .wlr_management import WlrManagement

AWAY = "the compositor is away"

log = logging.getLogger("wayland")


def output_management(connection: WaylandConnection) -> type[WlrManagement | KdeManagement] | None:
    """The protocol for changing outputs that this compositor has."""
    for management in (WlrManagement, KdeManagement):
        if management.is_there(connection):
            return management
    return None


class WaylandDisplay:
    """The outputs as a `base.Display`, on whichever connection is bound.

    Every compositor tells its layout; those without output management keep it.
    """

    def __init__(self, listener: DisplayListener) -> None:
        self._listener = listener
        self._outputs: Outputs | None = None
        self._management: OutputManagement | None = None
        self._told: Layout | None = None
        self._due: asyncio.Handle | None = None

    async def bind(self, connection: WaylandConnection) -> None:
        """Show the outputs of the compositor behind `connection`."""
        self._outputs = Outputs(connection, self._changed)
        management = output_management(connection)
        self._management = management(connection) if management is not None else None
        await self._outputs.settle()
        self._told = self._told or self._layout()

    def deliver(self) -> None:
        """Tell of a layout that is another one than before the compositor went."""
        self._changed()

    def unbind(self) -> None:
        """The compositor has gone."""
        self._outputs = self._management = None
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _changed(self) -> None:
        """Something is different; a change comes as many events, which are told as one."""
        if self._due is None and self._told is not None:
            self._due = asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._due = None
        layout = self._layout()
        if layout.width and layout != self._told:
            self._told = layout
            self._listener.on_layout_changed()

    def _layout(self) -> Layout:
        if self._outputs is None:
            raise DesktopError(AWAY)
        names = self._management.names() if self._management is not None else ()
        return describe(self._outputs.shown(), names)

    async def layout(self) -> Layout:
        layout = self._layout()
        if not layout.width:
            raise DesktopError("the compositor shows the desktop on no output")
        return layout

    async def probe(self) -> None:
        """Compositors do it at each change that the kernel tells."""

    async def apply(self, wanted: Mapping[str, Rect | None]) -> None:
        if self._outputs is None:
            raise DesktopError(AWAY)
        if self._management is None:
            raise DesktopError("this compositor lets no program change its outputs")
        outputs, management = self._outputs, self._management
        rects = switched_on(wanted, management.names())
        shown = {output.name: output for output in outputs.shown()}
        plans = _plans(rects, shown, management)
        former = {name: _as_is(output, shown) for name, output in shown.items()}
        if plans == former:
            return
        try:
            await _apply(
                management, plans, lambda: _plans(_with_all(rects, shown), shown, management)
            )
        except DesktopError as error:
            await _restore(management, former)
            raise DesktopError(f"the layout was refused and is as before: {error}") from error
        finally:
            await outputs.settle()

    async def close(self) -> None:
        self._told = None
        self.unbind()


def _plans(
    rects: Mapping[str, Rect], shown: Mapping[str, Shown], management: OutputManagement
) -> dict[str, Plan]:
    scales = {n: shown[n].scale if n in shown else management.scale_of(n) for n in rects}
    sizes, shapes = {}, {}
    for name, rect in rects.items():
        turned = shown[name].transform if name in shown else management.transform_of(name)
        width, height = (rect.height, rect.width) if turned & 1 else (rect.width, rect.height)
        width, height = sizes[name] = management.nearest(name, width, height)
        shapes[name] = (height, width) if turned & 1 else (width, height)
    places = to_logical(rects, scales, shapes)
    return {name: Plan(*sizes[name], *places[name]) for name in rects}


async def _apply(
    management: OutputManagement, plans: Mapping[str, Plan], with_all: Callable[[], dict[str, Plan]]
) -> None:
    """As planned, or with every output where none can be switched off (headless ones of wlroots 0.15)."""
    try:
        await management.apply(plans)
    except DesktopError:
        if (beside := with_all()).keys() == plans.keys():
            raise
        await management.apply(beside)


def _with_all(rects: Mapping[str, Rect], shown: Mapping[str, Shown]) -> dict[str, Rect]:
    """`rects`, and right of them, as large as they are, the other outputs that are on."""
    all_of_them = dict(rects)
    right = max(rect.x + rect.width for rect in rects.values())
    top = min(rect.y for rect in rects.values())
    for name, output in shown.items():
        if name not in rects:
            all_of_them[name] = Rect(output.width, output.height, right, top)
            right += output.width
    return all_of_them


def _as_is(output: Shown, shown: Mapping[str, Shown]) -> Plan:
    """The plan that changes nothing; the desktop's corner counts as 0,0, wherever it is."""
    left = min(other.logical.x for other in shown.values())
    top = min(other.logical.y for other in shown.values())
    size = (output.width, output.height)
    width, height = size[::-1] if output.transform & 1 else size
    return Plan(width, height, output.logical.x - left, output.logical.y - top)


async def _restore(management: OutputManagement, former: Mapping[str, Plan]) -> None:
    """What cannot be put back is left, there is no third way."""
    try:
        await management.apply(former)
    except DesktopError as error:
        log.warning("resolution: the former layout could not be restored: %s", error)
