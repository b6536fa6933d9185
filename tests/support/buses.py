# SPDX-License-Identifier: MIT
"""How does a test get a message bus of its own, and a logind on it that does what the test says?"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.support.processes import spawn, stop, wait_for
from tests.support.tools import cannot, require
from vdagent.backends.dbus import Bus, BusError, Variant

LOGIND = "org.freedesktop.login1"
MANAGER = "/org/freedesktop/login1"
SEAT = "/org/freedesktop/login1/seat/seat0"
LOCKS = ("Lock", "Unlock")
START_S = 30.0
_PROPERTIES = "org.freedesktop.DBus.Properties"
_MOCK = "org.freedesktop.DBus.Mock"
_DAEMON = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")

CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


class PrivateBus:
    """A dbus-daemon at `address`; it can be stopped and started again there."""

    def __init__(self, directory: Path) -> None:
        require("dbus-daemon")
        self._directory, self._path = directory, directory / "bus"
        self.address = f"unix:path={self._path}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        config = self._directory / "bus.conf"
        config.write_text(CONFIG.format(path=self._path))
        argv = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"]
        self.process = spawn(argv, log=self._directory / "bus.log")
        wait_for(self._listens, START_S, "the bus's socket")

    def _listens(self) -> bool:
        """It is there a moment before anybody answers."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._path)) == 0

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)
            self.process = None
            self._path.unlink(missing_ok=True)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Bus]:
        """A connection of the test's own."""
        bus = await Bus.connect(self.address)
        try:
            yield bus
        finally:
            bus.close()


@contextmanager
def private_bus(directory: Path) -> Iterator[PrivateBus]:
    """A bus for one test."""
    bus = PrivateBus(directory)
    bus.start()
    try:
        yield bus
    finally:
        bus.stop()


class MockLogind:
    """python-dbusmock's logind on a private bus, which knows what the test tells it."""

    def __init__(self, bus: PrivateBus, directory: Path) -> None:
        self._bus, self._log = bus, directory / "logind.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._sessions: dict[str, tuple[str, int, dict[str, str]]] = {}  # by id
        self._pids: dict[int, str] = {}
        self._active: str | None = None

    async def start(self) -> None:
        """Start it, with all the sessions it had before."""
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self._bus.address}
        argv = ["/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "logind"]
        self._process = spawn(argv, log=self._log, env=environment)
        async with asyncio.timeout(START_S):
            await self._wait_for_name()
        await self._call(MANAGER, "AddSeat", "s", "seat0")
        sessions, self._sessions = self._sessions, {}
        for id_, (_, uid, properties) in sessions.items():
            await self.add(id_, uid, **properties)
        await self._tell_pids()
        await self.activate(self._active)

    async def _wait_for_name(self) -> None:
        async with self._bus.connected() as bus:

            async def owned() -> bool:
                return bool((await bus.call(_DAEMON, "NameHasOwner", "s", LOGIND))[0])

            while not await owned():
                await asyncio.sleep(0.01)
            # The template is loaded after the name is taken.
            while not await self._is_loaded(bus):
                await asyncio.sleep(0.01)

    async def _is_loaded(self, bus: Bus) -> bool:
        try:
            await bus.call((LOGIND, MANAGER, f"{LOGIND}.Manager"), "ListSessions")
        except BusError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)
            self._process = None

    @property
    def pid(self) -> int:
        """To stop and continue it."""
        assert self._process is not None
        return self._process.pid

    # -- what a test may do with it --------------------------------------------------------------

    async def add(self, id_: str, uid: int, **properties: str) -> str:
        """A new session, Class user and Type x11 if nothing else is said; its object path."""
        path = f"{MANAGER}/session/of_{id_}"  # nothing that could be built from the id
        self._sessions[id_] = (path, uid, properties)
        user = f"{MANAGER}/user/_{uid}"
        values = {
            "Id": Variant("s", id_),
            "Name": Variant("s", "joe"),
            "User": Variant("(uo)", [uid, user]),
            "Seat": Variant("(so)", ["seat0", SEAT]),
            "LockedHint": Variant("b", False),
            "Class": Variant("s", properties.get("Class", "user")),
            "Type": Variant("s", properties.get("Type", "x11")),
            "State": Variant("s", "online"),
        }
        methods = [[what, "", "", f'self.EmitSignal("", "{what}", "", [])'] for what in LOCKS]
        # Not AddSession: that brings the new one to the seat at once.
        await self._call(
            MANAGER, "AddObject", "ssa{sv}a(ssss)", path, f"{LOGIND}.Session", values, methods
        )
        return path

    def plan(self, id_: str, uid: int, **properties: str) -> None:
        """A session that is there from its start on."""
        self._sessions[id_] = ("", uid, properties)

    def plan_active(self, id_: str, pids: dict[int, str]) -> None:
        """Who is at the seat then, and who is in which session."""
        self._active, self._pids = id_, pids

    async def activate(self, id_: str | None) -> None:
        """Bring a session to the seat, or none."""
        self._active = id_
        path = self._sessions[id_][0] if id_ is not None else "/"
        value = Variant("(so)", [id_ or "", path])
        await self.claim(SEAT, "Seat", "ActiveSession", value)

    async def claim(self, path: str, interface: str, name: str, value: Variant) -> None:
        """Any property of any type."""
        # Not UpdateProperties: python-dbusmock 0.28 cannot wrap structs.
        arguments = (f"{LOGIND}.{interface}", name, value)
        await self._call(path, "Set", "ssv", *arguments, interface=_PROPERTIES)

    async def end(self, id_: str) -> None:
        """Its leader ends and other processes do not; logind has no signal for this."""
        await self.claim(self._sessions[id_][0], "Session", "State", Variant("s", "closing"))

    async def remove(self, id_: str) -> None:
        """Nothing is left of it."""
        path, _, _ = self._sessions.pop(id_)
        await self._call(MANAGER, "RemoveObject", "s", path)

    async def become(self, id_: str, type_: str) -> None:
        """A compositor makes a desktop of a console."""
        await self._set(self._sessions[id_][0], "Session", {"Type": Variant("s", type_)})

    async def hint(self, id_: str, locked: bool) -> None:
        """Its locker says whether the screen is locked."""
        await self._set(self._sessions[id_][0], "Session", {"LockedHint": Variant("b", locked)})

    async def request(self, id_: str, what: str) -> None:
        """Somebody asks it to Lock or Unlock."""
        path = self._sessions[id_][0]
        await self._call(path, what, interface=f"{LOGIND}.Session")

    async def contain(self, pid: int, id_: str) -> None:
        """A process belongs to a session."""
        self._pids[pid] = id_
        await self._tell_pids()

    async def _tell_pids(self) -> None:
        paths = {pid: self._sessions[id_][0] for pid, id_ in self._pids.items()}
        code = (
            f"ret = {paths}.get(int(args[0]))\n"
            "if ret is None:\n"
            f"    raise dbus.exceptions.DBusException('none', name='{LOGIND}.NoSessionForPID')"
        )
        names = (f"{LOGIND}.Manager", "GetSessionByPID", "u", "o", code)
        await self._call(MANAGER, "AddMethod", "sssss", *names)

    async def _set(self, path: str, interface: str, values: Mapping[str, Variant]) -> None:
        name = f"{LOGIND}.{interface}"
        await self._call(path, "UpdateProperties", "sa{sv}", name, dict(values))

    async def _call(
        self, path: str, member: str, signature: str = "", *body: Any, interface: str = _MOCK
    ) -> list[Any]:
        async with self._bus.connected() as bus:
            return await bus.call((LOGIND, path, interface), member, signature, *body)


def require_mock_logind() -> None:
    """Skip, or fail where CI=true, without python-dbusmock for the system's Python."""
    require("/usr/bin/python3", "dbus-daemon")
    probe = subprocess.run(["/usr/bin/python3", "-c", "import dbusmock"], capture_output=True)
    if probe.returncode:
        cannot("missing: python3-dbusmock")
