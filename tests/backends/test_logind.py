# SPDX-License-Identifier: MIT
"""Is it known who is at the seat, whose session a process is in and whether it is locked?

Against python-dbusmock's logind on a private bus.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.buses import (
    LOGIND,
    SEAT,
    MockLogind,
    PrivateBus,
    private_bus,
    require_mock_logind,
)
from tests.support.waiting import until
from vdagent.backends import dbus
from vdagent.backends import logind as module
from vdagent.backends.base import Login
from vdagent.backends.dbus import Variant
from vdagent.backends.logind import Logind

UID = 1000
PID = 4321


class Rig:
    """A bus, a mock logind with session c1 of uid 1000, and the backend that follows it."""

    def __init__(self, directory: Path) -> None:
        self.bus = PrivateBus(directory)
        self.mock = MockLogind(self.bus, directory)
        self.settled: list[bool] = []
        self.changes = 0

    async def start(self) -> None:
        await self.mock.start()
        self.paths = {"c1": await self.mock.add("c1", UID)}
        await self.mock.activate("c1")
        await self.mock.contain(PID, "c1")

    def follow(self) -> Logind:
        self.logind = Logind(
            self.bus.address, lambda: self.settled.append(self.logind.is_there), self._changed
        )
        return self.logind

    def _changed(self) -> None:
        self.changes += 1

    async def followed(self) -> Logind:
        logind = self.follow()
        await until(lambda: self.changes)
        return logind

    async def active(self, id_: str | None) -> None:
        await until(lambda: self.logind.active == (self.paths[id_] if id_ else None))

    async def login(self) -> Login:
        login = await self.logind.session_of(PID, UID)
        assert login is not None
        return login


@asynccontextmanager
async def rig(directory: Path) -> AsyncIterator[Rig]:
    require_mock_logind()
    rig = Rig(directory)
    rig.bus.start()
    try:
        await rig.start()
        yield rig
    finally:
        if hasattr(rig, "logind"):
            rig.logind.close()
        rig.mock.stop()
        rig.bus.stop()
        await asyncio.sleep(0)


async def test_it_is_settled_once_and_the_seat_known(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        logind = await r.followed()
        assert (r.settled, logind.active) == ([True], r.paths["c1"])


async def test_switching_to_another_session_a_console_and_back(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.followed()
        r.paths["2"] = await r.mock.add("2", UID + 1)
        for id_ in ("2", None, "c1"):
            await r.mock.activate(id_)
            await r.active(id_)


async def test_the_session_of_a_process(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.followed()
        login = await r.login()
        assert (login.key, login.id, login.uid) == (r.paths["c1"], "c1", UID)
        assert login.is_user
        assert not login.locked
        assert await r.login() is login


async def test_a_greeter_is_no_user(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.followed()
        await r.mock.add("c2", 110, Class="greeter")
        await r.mock.contain(77, "c2")
        login = await r.logind.session_of(77, 110)
        assert login is not None
        assert not login.is_user
        assert not login.may_share


async def test_a_process_of_the_user_manager_is_in_the_graphical_session(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.followed()
        await r.mock.add("7", UID, Type="tty")
        await r.mock.add("8", UID + 1, Type="wayland")
        login = await r.logind.session_of(1, UID)
        assert login is not None
        assert login.id == "c1"
        r.paths["9"] = await r.mock.add("9", UID, Type="wayland")
        await r.mock.activate("9")
        await r.active("9")
        login = await r.logind.session_of(1, UID)
        assert login is not None
        assert login.id == "9"
        assert await r.logind.session_of(1, UID + 2) is None


async def test_the_session_of_the_user_manager_itself_is_none(tmp_path: Path) -> None:
    """systemd 256 has such sessions."""
    async with rig(tmp_path) as r:
        await r.followed()
        await r.mock.add("5", UID, Class="manager", Type="unspecified")
        await r.mock.contain(55, "5")
        login = await r.logind.session_of(55, UID)
        assert login is not None
        assert login.id == "c1"


async def test_lock_and_unlock_by_hint(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.followed()
        login = await r.login()
        await r.mock.hint("c1", True)
        await until(lambda: login.locked)
        await r.mock.hint("c1", False)
        await until(lambda: not login.locked)


async def test_lock_and_unlock_by_signal(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.followed()
        login = await r.login()
        await r.mock.request("c1", "Lock")
        await until(lambda: login.locked)
        await r.mock.request("c1", "Unlock")
        await until(lambda: not login.locked)


async def test_a_locker_that_says_it_is_open_ends_a_request_too(tmp_path: Path) -> None:
    """`loginctl lock-session`, then the user's password: nobody sends Unlock."""
    async with rig(tmp_path) as r:
        await r.followed()
        login = await r.login()
        await r.mock.request("c1", "Lock")
        await until(lambda: login.locked)
        before = r.changes
        await r.mock.hint("c1", True)
        await until(lambda: r.changes > before)
        assert login.locked
        await r.mock.hint("c1", False)
        await until(lambda: not login.locked)


async def test_locks_are_per_session(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.followed()
        login = await r.login()
        r.paths["2"] = await r.mock.add("2", UID + 1)
        await r.mock.contain(22, "2")
        other = await r.logind.session_of(22, UID + 1)
        assert other is not None
        await r.mock.hint("2", True)
        await until(lambda: other.locked)
        assert not login.locked


async def test_signals_of_others_mean_nothing(tmp_path: Path) -> None:
    """Anybody on the system bus may send a signal straight to us."""
    async with rig(tmp_path) as r:
        await r.followed()
        login = await r.login()
        async with r.bus.connected() as stranger:
            ours = r.logind._bus
            assert ours is not None
            before = r.changes
            message = _signal(ours._bus.unique_name, login.key, f"{LOGIND}.Session", "Lock")
            await stranger._bus.send(message)
        # What is asked after it is answered after it.
        await r.login()
        await r.mock.hint("c1", False)
        await until(lambda: r.changes > before)
        assert not login.locked


def _signal(destination: str, path: str, interface: str, member: str) -> Any:
    library: Any = dbus
    return library.Message(
        message_type=library.MessageType.SIGNAL,
        destination=destination,
        path=path,
        interface=interface,
        member=member,
    )


async def test_logind_restarts(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        logind = await r.followed()
        login = await r.login()
        r.mock.stop()
        await until(lambda: not logind._connected.is_set())
        assert logind.active == r.paths["c1"]  # what was known last
        r.mock._active = None
        question = asyncio.ensure_future(r.login())
        await r.mock.start()
        await r.active(None)
        assert await question is login
        await r.mock.hint("c1", True)
        await until(lambda: login.locked)


async def test_the_bus_restarts(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        logind = await r.followed()
        login = await r.login()
        r.bus.stop()
        await until(lambda: not logind._connected.is_set())
        assert logind.active == r.paths["c1"]
        r.mock.stop()
        r.bus.start()
        await r.mock.start()
        await until(logind._connected.is_set)
        await r.mock.activate(None)
        await r.active(None)
        await r.mock.hint("c1", True)
        await until(lambda: login.locked)
        assert r.settled == [True]


async def test_no_bus_is_settled_soon_and_one_may_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_mock_logind()
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.05)
    r = Rig(tmp_path)
    r.follow()
    await until(lambda: r.settled == [False])
    try:
        r.bus.start()
        await r.start()
        await until(lambda: r.settled == [False, True])
        await r.active("c1")
    finally:
        r.logind.close()
        r.mock.stop()
        r.bus.stop()


async def test_a_bus_without_logind_until_it_comes(tmp_path: Path) -> None:
    require_mock_logind()
    r = Rig(tmp_path)
    with private_bus(tmp_path):
        r.follow()
        await until(lambda: r.settled == [False])
        try:
            await r.start()
            await until(lambda: r.settled == [False, True])
            await r.active("c1")
        finally:
            r.logind.close()
            r.mock.stop()


async def test_a_logind_that_hangs_holds_nobody_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path) as r:
        logind = await r.followed()
        os.kill(r.mock.pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await r.login()
        finally:
            os.kill(r.mock.pid, signal.SIGCONT)
        assert (await r.login()).id == "c1"
        assert logind.active == r.paths["c1"]


@pytest.mark.parametrize(
    "nonsense", [("u", 7), ("s", ""), ("as", []), ("(so)", ["", "/"])], ids=str
)
async def test_a_logind_that_lies_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nonsense: tuple[str, Any]
) -> None:
    """It says who is at the seat, and who a session's user is, in types that mean nothing."""
    monkeypatch.setattr(module, "LAST_RETRY_S", 0.1)
    async with rig(tmp_path) as r:
        logind = await r.followed()
        login = await r.login()
        wrong = Variant(nonsense[0], nonsense[1])
        await r.mock.claim(login.key, "Session", "User", wrong)
        await r.mock.claim(SEAT, "Seat", "ActiveSession", wrong)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await r.login()
        user = Variant("(uo)", [UID, "/org/freedesktop/login1/user/_1000"])
        await r.mock.claim(login.key, "Session", "User", user)
        await r.mock.activate("c1")
        assert (await r.login()).uid == UID
        await until(lambda: logind.active == r.paths["c1"])


@pytest.mark.unless(sys.version_info >= (3, 15))  # there dbus-fast reads every message to its end
async def test_large_signals_of_strangers_are_not_even_read(tmp_path: Path) -> None:
    """One of 32 MiB would cost hundreds of MB and seconds in which nothing else is done."""
    async with rig(tmp_path) as r:
        await r.followed()
        ours: Any = r.logind._bus
        async with r.bus.connected() as stranger:
            message = _signal(ours._bus.unique_name, "/a", f"{LOGIND}.Session", "Lock")
            message.signature, message.body = "a(y)", [[[1]] * 100_000]
            await stranger._bus.send(message)
            seen: list[Any] = []
            ours._bus.add_message_handler(lambda m: seen.append((m.member, m.body)))
            await until(lambda: ("Signal", []) in seen)
        await r.mock.hint("c1", True)
        assert (await r.login()).locked
