# SPDX-License-Identifier: MIT
"""How is the layout of GNOME's monitors read and changed?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from ...errors import DesktopError
from ..base import ALWAYS_OURS, Claim, DisplayListener, Layout, Rect, switched_on
from ..dbus import Bus, BusError, plain
from .monitors import Monitors
from .service import Service

NAME = "org.gnome.Mutter.DisplayConfig"
TEMPORARY = 1  # not written into the user's monitors.xml
TRIES = 4  # of a configuration that something else overtook
APPLY_S = 10.0

_SERVICE = (NAME, "/org/gnome/Mutter/DisplayConfig", NAME)
_PROPERTIES = (*_SERVICE[:2], "org.freedesktop.DBus.Properties")
_STALE = "org.freedesktop.DBus.Error.AccessDenied"

log = logging.getLogger("mutter")


class MutterDisplay:
    """The monitors as a `base.Display`, for as long as Mutter is there."""

    name = NAME

    def __init__(self, address: str, listener: DisplayListener, claim: Claim = ALWAYS_OURS) -> None:
        self.on_lost: Callable[[str], None] = lambda reason: None
        self._listener = listener
        self._service = Service(address, self, claim)
        self._bus: Bus | None = None
        self._told: Layout | None = None
        self._due = False
        self._work: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Look for Mutter on the session bus. Raises DesktopError if it is not there."""
        await self._service.open()

    # Mutter comes and goes.

    async def bind(self, bus: Bus) -> None:
        await bus.watch(lambda path: self._changed(), sender=NAME, member="MonitorsChanged")
        self._bus = bus
        if self._told is None:
            self._told = (await self._monitors()).layout()
        else:
            self._changed()

    def unbind(self, gone: bool) -> None:
        self._bus = None

    def lost(self, reason: str) -> None:
        self.on_lost(reason)

    def _changed(self) -> None:
        """Something may be different."""
        self._due = True
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while self._due:
            self._due = False
            try:
                layout = await self.layout()
            except DesktopError as error:
                log.debug("resolution: %s", error)
                return
            if layout != self._told:
                self._told = layout
                self._listener.on_layout_changed()

    # base.Display.

    async def layout(self) -> Layout:
        layout = (await self._monitors()).layout()
        if not layout.width:
            raise DesktopError("Mutter shows the desktop on no monitor")
        return layout

    async def _monitors(self) -> Monitors:
        return Monitors.read(await self._there().call(_SERVICE, "GetCurrentState"))

    def _there(self) -> Bus:
        if self._bus is None:
            raise DesktopError("the compositor is away")
        return self._bus

    async def probe(self) -> None:
        """Mutter does it at each change that the kernel tells."""

    async def apply(self, wanted: Mapping[str, Rect | None]) -> None:
        for attempt in range(TRIES):
            monitors = await self._monitors()
            logical = monitors.plan(switched_on(wanted, monitors.modes))
            if _sorted(logical) == _sorted(monitors.present()):
                return
            await self._check_allowed()
            try:
                await self._apply(monitors, logical)
            except BusError as error:
                if error.name == _STALE and attempt < TRIES - 1:
                    continue
                raise DesktopError(f"the layout was refused and is as before: {error}") from error
            return

    async def _apply(self, monitors: Monitors, logical: list[list[object]]) -> None:
        await self._there().call(
            _SERVICE,
            "ApplyMonitorsConfig",
            "uua(iiduba(ssa{sv}))a{sv}",
            monitors.serial,
            TEMPORARY,
            logical,
            monitors.properties,
            timeout_s=APPLY_S,
        )

    async def _check_allowed(self) -> None:
        try:
            (allowed,) = await self._there().call(
                _PROPERTIES, "Get", "ss", NAME, "ApplyMonitorsConfigAllowed"
            )
        except BusError as error:
            if not error.name:
                raise
            return  # before Mutter 41 it was always allowed
        if not plain(allowed):
            raise DesktopError("this system's policy lets no program change GNOME's monitors")

    async def close(self) -> None:
        if self._work is not None:
            self._work.cancel()
        await self._service.close()


def _sorted(logical: list[list[object]]) -> list[list[object]]:
    """In an order that does not depend on who wrote it."""
    return sorted(logical, key=lambda one: str(one[5]))
