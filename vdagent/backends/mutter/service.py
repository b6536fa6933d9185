# SPDX-License-Identifier: MIT
"""Is Mutter on the session bus, and what brings it back when it has gone or shut us out?

The shell is restarted after a crash, and while the screen is locked it may refuse remote control. A
new connection is made each time: closing it is the only way to end a session never started.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from ...errors import DesktopError
from ..base import TAKEN, Claim
from ..dbus import Bus, BusError

OPEN_S = 1.0  # the names come a little after the compositor's socket
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 30.0  # a locked screen may stay so for days; its unlocking is a signal
GIVE_UP_S = 30.0  # the bus outlives a session that was logged out of
LASTED_S = 10.0

_BUS = "org.freedesktop.DBus"
_DAEMON = (_BUS, "/org/freedesktop/DBus", _BUS)
_SCREEN_SAVER = "org.gnome.ScreenSaver"

log = logging.getLogger("mutter")


class Part(Protocol):
    """What uses one of Mutter's names on the bus."""

    name: str  # on the bus

    async def bind(self, bus: Bus) -> None:
        """Begin to use it. Raises DesktopError if Mutter does not want that now."""

    def unbind(self, gone: bool) -> None:
        """It is of no use any more; `gone` if it is because Mutter itself is not there."""

    def lost(self, reason: str) -> None:
        """It did not come back within GIVE_UP_S."""


class Service:
    """Keeps one part bound for as long as Mutter is there, and binds it again when it comes back."""

    def __init__(self, address: str, part: Part, claim: Claim) -> None:
        self._address = address
        self._claim = claim
        self._part = part
        self._ended = asyncio.Event()
        self._changed = asyncio.Event()
        self._bus: Bus | None = None
        self._is_there = False
        self._wait_s = FIRST_RETRY_S
        self._complaint = ""
        self._reason = ""
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Look for Mutter. Raises DesktopError if it is not there; that it refuses now is no error."""
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(opened))
        try:
            await opened
        except BaseException:
            await self.close()
            raise

    def end(self, reason: str) -> None:
        """What was bound is of no use any more."""
        self._reason = reason
        self._ended.set()

    async def close(self) -> None:
        """Let go of it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, opened: asyncio.Future[None]) -> None:
        try:
            while True:
                bus = await Bus.connect(self._address, fds=True)
                try:
                    await self._serve(bus, opened)
                    await self._rest()
                finally:
                    self._bus = None
                    bus.close()
        except DesktopError as error:
            if opened.done():
                self._part.lost(str(error))
            else:
                opened.set_exception(error)

    async def _serve(self, bus: Bus, opened: asyncio.Future[None]) -> None:
        """Bind the part if Mutter is there, and return when it is of no use any more."""
        self._ended.clear()
        self._changed.clear()
        await self._watch(bus)
        if not self._is_there and not opened.done():
            await self._wait(OPEN_S)
            if not self._is_there:
                raise DesktopError(f"{self._part.name} is not on the session bus")
        if not self._is_there:
            return
        if not self._claim.take():
            raise DesktopError(TAKEN)
        began = asyncio.get_running_loop().time()
        try:
            await self._part.bind(bus)
            self._complaint = ""
            _open(opened)
            await self._ended.wait()
        except DesktopError as error:
            self._reason = str(error)
            _open(opened)
        finally:
            self._part.unbind(not self._is_there)
        self._complain(self._reason)
        if asyncio.get_running_loop().time() - began > LASTED_S:
            self._wait_s = FIRST_RETRY_S

    async def _rest(self) -> None:
        """Wait before the next try, until something changes at the longest."""
        if await self._wait(self._wait_s if self._is_there else GIVE_UP_S):
            self._wait_s = FIRST_RETRY_S
        elif self._is_there:
            self._wait_s = min(2 * self._wait_s, LAST_RETRY_S)
        else:
            raise DesktopError(f"{self._part.name} has not come back")

    async def _wait(self, wait_s: float) -> bool:
        """Whether something has changed within this time."""
        try:
            async with asyncio.timeout(wait_s):
                return await self._changed.wait()
        except TimeoutError:
            return False

    async def _watch(self, bus: Bus) -> None:
        """Follow the name, and what may make a refusal end."""
        lost = asyncio.ensure_future(bus.wait_lost())
        lost.add_done_callback(lambda _: self._bus_lost(bus))
        self._bus = bus
        await bus.watch(
            self._owner_changed,
            sender=_BUS,
            interface=_BUS,
            member="NameOwnerChanged",
            arg0=self._part.name,
        )
        await bus.watch(self._screen_saver, sender=_SCREEN_SAVER, member="ActiveChanged")
        try:
            await bus.call(_DAEMON, "GetNameOwner", "s", self._part.name)
            self._is_there = True
        except BusError as error:
            if not error.name:
                raise
            self._is_there = False

    def _bus_lost(self, bus: Bus) -> None:
        if bus is self._bus:
            self._is_there = False
            self._claim.leave()
            self._changed.set()
            self.end("the session bus has gone")

    def _owner_changed(self, path: str, name: str, old: str, new: str) -> None:
        self._is_there = bool(new)
        if not new:
            self._claim.leave()
        if old:
            self.end(f"{name} has gone from the session bus")
        if new:
            self._changed.set()

    def _screen_saver(self, path: str, active: bool) -> None:
        if not active:
            self._changed.set()

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            level = logging.INFO if self._is_there else logging.WARNING
            log.log(level, "desktop: %s; trying again", text)


def _open(opened: asyncio.Future[None]) -> None:
    if not opened.done():
        opened.set_result(None)
