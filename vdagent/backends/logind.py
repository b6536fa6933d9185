# SPDX-License-Identifier: MIT
"""Who sits at the seat, whose session is a process in, and is it locked? (logind or elogind, over D-Bus)

Signals say that something changed, properties say what: after each signal the properties it may
concern are read again, so no order of signals and answers can leave us with an old value. Only a lock
request has no property. Object paths are taken as told, never built from session ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from ..errors import DesktopError
from .base import Login
from .dbus import Bus, BusError, plain

log = logging.getLogger("logind")

SEAT = "seat0"
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 30.0
GRAPHICAL = ("x11", "wayland", "mir")

NAME = "org.freedesktop.login1"
_MANAGER = (NAME, "/org/freedesktop/login1", f"{NAME}.Manager")
_SEAT, _SESSION = f"{NAME}.Seat", f"{NAME}.Session"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_BUS = "org.freedesktop.DBus"
# logind is not there, or went while it was asked. Other errors are its answer.
_NOT_THERE = frozenset(
    f"{_BUS}.Error.{name}"
    for name in ("Disconnected", "NameHasNoOwner", "NoReply", "ServiceUnknown", "Timeout")
)


class Logind:
    """Follows logind for ever; what was known last holds while it or the bus is away.

    `on_settled()` is called when it is known for the first time whether there is a logind, and once
    more if one comes later; `on_changed()` whenever the active session or a lock changed.
    """

    def __init__(
        self, address: str, on_settled: Callable[[], None], on_changed: Callable[[], None]
    ) -> None:
        self._address = address
        self._on_settled, self._on_changed = on_settled, on_changed
        self.is_there = False  # it has answered, if only once
        self.active: str | None = None
        self._logins: WeakValueDictionary[str, Login] = WeakValueDictionary()
        self._requested: set[str] = set()  # sessions asked to lock
        self._bus: Bus | None = None
        self._seat = ""
        self._changed = asyncio.Event()
        self._connected = asyncio.Event()
        self._retry_s = FIRST_RETRY_S
        self._complaint = ""
        self._settled = False
        self._task = asyncio.ensure_future(self._run())

    def close(self) -> None:
        """Stop following."""
        self._task.cancel()

    # -- whose session is it? --------------------------------------------------------------------

    async def session_of(self, pid: int, uid: int) -> Login | None:
        """The login session of a process, None if it is in none.

        Programs started by `systemd --user` are in none themselves: theirs is the user's graphical
        session, the active one first. Waits for logind, if need be for ever.
        """
        while True:
            await self._connected.wait()
            try:
                return await self._session_of(pid, uid)
            except DesktopError as error:
                log.debug("%s; asking again", error)
                await asyncio.sleep(FIRST_RETRY_S)

    async def _session_of(self, pid: int, uid: int) -> Login | None:
        path = await self._ask("GetSessionByPID", "u", pid)
        if path is not None:
            properties = await self._properties(path)
            # systemd 256 gives the user manager a session of its own, which is nobody's desktop.
            if not str(properties.get("Class", "")).startswith("manager"):
                return self._login(path, properties)
        return await self._graphical_session(uid)

    async def _graphical_session(self, uid: int) -> Login | None:
        found: dict[str, dict[str, Any]] = {}
        for _, owner, _, _, path in await self._ask("ListSessions") or []:
            if owner == uid:
                properties = await self._properties(path)
                if properties.get("Type") in GRAPHICAL:
                    found[path] = properties
        if not found:
            return None
        # The newest is listed last; of several the one at the seat.
        path = self.active if self.active in found else list(found)[-1]
        return self._login(path, found[path])

    def _login(self, path: str, properties: dict[str, Any]) -> Login:
        login = self._logins.get(path)
        if login is None:
            login = self._logins[path] = Login(path)
        self._update(login, properties)
        return login

    # -- following -------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                self._bus = bus = await Bus.connect(self._address)
                lost = asyncio.ensure_future(bus.wait_lost())
                lost.add_done_callback(lambda _: self._changed.set())
                try:
                    await self._follow(bus, lost)
                finally:
                    lost.cancel()
                    bus.close()
                self._complain("logind: the system bus has gone")
            except DesktopError as error:
                self._complain(str(error))
            self._connected.clear()
            self._settle()
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)

    async def _follow(self, bus: Bus, lost: asyncio.Future[None]) -> None:
        """Until the bus is lost."""
        await bus.watch(
            self._owner_changed, sender=_BUS, interface=_BUS, member="NameOwnerChanged", arg0=NAME
        )
        await bus.watch(self._properties_changed, sender=NAME, interface=_PROPERTIES, arg0=_SEAT)
        await bus.watch(self._properties_changed, sender=NAME, interface=_PROPERTIES, arg0=_SESSION)
        await bus.watch(self._lock, sender=NAME, interface=_SESSION, member="Lock")
        await bus.watch(self._unlock, sender=NAME, interface=_SESSION, member="Unlock")
        self._seat = ""
        while not lost.done():
            self._changed.clear()
            patience = None
            try:
                await self._read()
            except BusError as error:
                self._connected.clear()
                self._complain(str(error))
                self._settle()
                # Without a logind its coming is a signal; one that fails is asked again.
                patience = None if error.name in _NOT_THERE else LAST_RETRY_S
            try:
                await asyncio.wait_for(self._changed.wait(), patience)
            except TimeoutError:
                pass

    async def _read(self) -> None:
        """Read everything that is of interest anew."""
        before = (self.active, [login.locked for login in self._logins.values()])
        if not self._seat:
            self._seat = await self._call(_MANAGER, "GetSeat", "s", SEAT)
        _, path = await self._call((NAME, self._seat, _PROPERTIES), "Get", "ss", _SEAT, "ActiveSession")
        for key, login in list(self._logins.items()):
            try:
                self._update(login, await self._properties(key))
            except BusError as error:
                if not error.name or error.name in _NOT_THERE:
                    raise  # else the session has ended
        self.active = path if path.strip("/") else None
        self._connected.set()
        self._retry_s = FIRST_RETRY_S
        self._complaint = ""
        if not self.is_there:
            self.is_there, self._settled = True, False
            self._settle()
        if before != (self.active, [login.locked for login in self._logins.values()]):
            self._on_changed()

    def _update(self, login: Login, properties: dict[str, Any]) -> None:
        hint = bool(properties.get("LockedHint", False))
        if login.hinted and not hint:
            self._requested.discard(login.key)  # its locker says that it is open again
        login.hinted = hint
        login.id = str(properties.get("Id", ""))
        login.uid = properties["User"][0]
        login.is_user = properties.get("Class", "user") == "user"
        login.locked = hint or login.key in self._requested

    # -- signals ---------------------------------------------------------------------------------

    def _owner_changed(self, path: str, name: str, old: str, new: str) -> None:
        if new:
            self._seat = ""
            self._changed.set()
        else:
            self._connected.clear()
            self._complain("logind: it has gone from the system bus")

    def _properties_changed(self, path: str, *_: Any) -> None:
        if path == self._seat or path in self._logins:
            self._changed.set()

    def _lock(self, path: str) -> None:
        if path in self._logins:
            self._requested.add(path)
            self._changed.set()

    def _unlock(self, path: str) -> None:
        self._requested.discard(path)
        self._changed.set()

    # -- calls -----------------------------------------------------------------------------------

    async def _call(self, service: tuple[str, str, str], member: str, *arguments: Any) -> Any:
        if self._bus is None:
            raise BusError("logind: there is no connection to the system bus")
        return plain((await self._bus.call(service, member, *arguments))[0])

    async def _ask(self, member: str, *arguments: Any) -> Any:
        """An answer of logind, None if it says that there is none."""
        try:
            return await self._call(_MANAGER, member, *arguments)
        except BusError as error:
            if not error.name or error.name in _NOT_THERE:
                raise
            return None

    async def _properties(self, path: str) -> dict[str, Any]:
        answer = await self._call((NAME, path, _PROPERTIES), "GetAll", "s", _SESSION)
        return dict(answer)

    # -- telling ---------------------------------------------------------------------------------

    def _settle(self) -> None:
        if not self._settled:
            self._settled = True
            self._on_settled()

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            known = "going by what was known last" if self.is_there else "not tracking sessions"
            log.warning("%s; %s until it is there", text, known)
