# SPDX-License-Identifier: MIT
"""Who sits at the seat, whose session is a process in, and is it locked? (logind or elogind, over D-Bus)

Signals say that something changed, properties say what: after each signal the properties it may
concern are read again, so no order of signals and answers can leave us with an old value. Only a lock
request has no property. Object paths are taken as told, never built from session ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
# Its coming will be a signal; whatever else fails has to be tried again.
_ABSENT = tuple(f"{_BUS}.Error.{name}" for name in ("NameHasNoOwner", "NoReply", "ServiceUnknown"))
# These come from the bus and whatever it starts services with, all others from logind.
_NO_ANSWER = (
    *_ABSENT,
    *(f"{_BUS}.Error.{name}" for name in ("Disconnected", "Spawn", "TimedOut", "Timeout")),
    "org.freedesktop.systemd1",
)


@dataclass(eq=False)
class _Login(Login):
    """Locked is who says so, or was asked to and has not said since that it is open again."""

    hint: bool = False
    requested: bool = False

    def update(self, properties: dict[str, Any]) -> None:
        """Take in the properties of the Session interface."""
        hint = bool(properties.get("LockedHint", False))
        if self.hint and not hint:
            self.requested = False
        self.hint = hint
        self.id = str(properties["Id"])
        self.uid = int(properties["User"][0])
        self.is_user = properties.get("Class", "user") == "user"
        self.locked = hint or self.requested
        self.has_ended = _has_ended(properties)


class Logind:
    """Follows logind for ever; what was known last holds while it or the bus is away.

    `on_settled()` is called when it is known for the first time whether there is a logind, and once
    more if one comes later; `on_changed()` whenever something may have changed.
    """

    def __init__(
        self, address: str, on_settled: Callable[[], None], on_changed: Callable[[], None]
    ) -> None:
        self._address = address
        self._on_settled, self._on_changed = on_settled, on_changed
        self.is_there = False  # it has answered, if only once
        self.active: str | None = None
        self._logins: WeakValueDictionary[str, _Login] = WeakValueDictionary()
        self._stale: set[str] = set()  # paths of what has to be read again
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
        session, the active one first. So are those that have outlived theirs, as a session agent does
        whose compositor crashed, and which the next one finds there. Waits for logind, if need be for
        ever.
        """
        while True:
            await self._connected.wait()
            try:
                with _making_sense():
                    return await self._session_of(pid, uid)
            except DesktopError as error:
                log.debug("%s; asking again", error)
                await asyncio.sleep(FIRST_RETRY_S)

    async def _session_of(self, pid: int, uid: int) -> Login | None:
        path = await self._ask("GetSessionByPID", "u", pid)
        if path is not None:
            properties = await self._properties(path)
            # systemd 256 gives the user manager a session of its own, which is nobody's desktop.
            is_manager = str(properties.get("Class", "")).startswith("manager")
            if not is_manager and not _has_ended(properties):
                return self._login(path, properties)
        return await self._graphical_session(uid)

    async def _graphical_session(self, uid: int) -> Login | None:
        found: dict[str, dict[str, Any]] = {}
        for _, owner, _, _, path in await self._ask("ListSessions") or []:
            if owner == uid:
                properties = await self._properties(path)
                if properties.get("Type") in GRAPHICAL and not _has_ended(properties):
                    found[path] = properties
        if not found:
            return None
        # The newest is listed last; of several the one at the seat.
        path = self.active if self.active in found else list(found)[-1]
        return self._login(path, found[path])

    def _login(self, path: str, properties: dict[str, Any]) -> Login:
        login = self._logins.get(path)
        if login is None:
            login = self._logins[path] = _Login(path)
        login.update(properties)
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
        self._forget()
        while not lost.done():
            self._changed.clear()
            patience: float | None = None
            try:
                with _making_sense():
                    await self._read()
            except BusError as error:
                self._connected.clear()
                self._complain(str(error))
                self._settle()
                patience = None if error.name in _ABSENT else LAST_RETRY_S
            try:
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _forget(self) -> None:
        """Everything has to be read again."""
        self._seat = ""
        self._stale = set(self._logins)

    async def _read(self) -> None:
        """Read what may have changed."""
        if not self._seat:
            self._seat = await self._call(_MANAGER, "GetSeat", "s", SEAT)
            self._stale.add(self._seat)
        while self._stale:
            path = self._stale.pop()
            try:
                await (self._read_seat() if path == self._seat else self._read_login(path))
            except BusError as error:
                if not _is_answer(error) or path == self._seat:
                    self._stale.add(path)
                    raise
                log.debug("%s", error)
                if (login := self._logins.get(path)) is not None:
                    login.has_ended = True
        self._connected.set()
        self._retry_s = FIRST_RETRY_S
        self._complaint = ""
        if not self.is_there:
            self.is_there, self._settled = True, False
            self._settle()
        self._on_changed()

    async def _read_seat(self) -> None:
        service = (NAME, self._seat, _PROPERTIES)
        _, path = await self._call(service, "Get", "ss", _SEAT, "ActiveSession")
        active = path if path.strip("/") else None
        if active != self.active:
            self.active = active
            self._stale.update(self._logins)  # no signal tells that one of them has ended

    async def _read_login(self, path: str) -> None:
        if path in self._logins:
            self._login(path, await self._properties(path))

    # -- signals ---------------------------------------------------------------------------------

    def _owner_changed(self, path: str, name: str, old: str, new: str) -> None:
        if new:
            self._forget()
            self._changed.set()
        else:
            self._connected.clear()
            self._complain("logind: it has gone from the system bus")

    def _properties_changed(self, path: str, _: str, changed: Any = (), *__: Any) -> None:
        if path == self._seat or path in self._logins:
            self._stale.add(path)
            self._changed.set()
        elif "Type" in changed:  # a compositor has made a desktop of a console
            self._changed.set()

    def _lock(self, path: str) -> None:
        self._lock_requested(path, True)

    def _unlock(self, path: str) -> None:
        self._lock_requested(path, False)

    def _lock_requested(self, path: str, requested: bool) -> None:
        if (login := self._logins.get(path)) is not None:
            login.requested = requested
            self._stale.add(path)
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
            if not _is_answer(error):
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


@contextmanager
def _making_sense() -> Iterator[None]:
    """BusError for answers of other types than logind's."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise BusError(f"logind: an answer that makes no sense: {error!r}") from None


def _has_ended(properties: dict[str, Any]) -> bool:
    return properties.get("State") == "closing"


def _is_answer(error: BusError) -> bool:
    """Whether logind itself said so."""
    return bool(error.name) and not error.name.startswith(_NO_ANSWER)
