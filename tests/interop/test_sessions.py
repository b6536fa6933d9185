# SPDX-License-Identifier: MIT
"""Does the seat's session, and nobody else, speak for the guest?

The real daemon between a host and agents of several processes and users, with python-dbusmock's logind
on a private system bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import wire
from tests.support.agent_processes import AgentProcess
from tests.support.buses import MockLogind, PrivateBus, require_mock_logind
from tests.support.processes import spawn, stop, wait_for
from tests.support.wire import PNG, TEXT, Port, Uds

ROOT = os.geteuid() == 0
ANNA, BORIS = (12001, 12002) if ROOT else (os.geteuid(), os.geteuid())
STRANGER = 12003
SWITCH_S = 1.0  # what a switch of users may take

SERVED = "the session at the seat is served"
CAN_SEND_DATA, SUCCESS, SESSION_LOCKED, DISABLED = 0, 3, 5, 7  # file transfer statuses
EV_ABS, ABS_X, ABS_Y = 3, 0, 1


class Host:
    """The host's end of the port."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(10)
        self.connection: socket.socket | None = None

    def accept(self) -> None:
        """Until the daemon has opened the port and announced itself; then a viewer attaches."""
        if self.connection is not None:
            self.connection.close()
        self.connection, _ = self._listener.accept()
        self.connection.settimeout(10)
        self.expect(Port.ANNOUNCE)
        self.send(wire.announce(True))
        self.expect(Port.ANNOUNCE)

    def send(self, stream: bytes) -> None:
        assert self.connection is not None
        self.connection.sendall(stream)

    def expect(self, type_: int) -> bytes:
        """The next message, which is of that type; its body."""
        body = b""
        while len(body) < 20 or len(body) < 20 + struct.unpack_from("<I", body, 16)[0]:
            _, size = struct.unpack("<II", self._exactly(8))
            body += self._exactly(size)
        found = struct.unpack_from("<I", body, 4)[0]
        assert found == type_, f"{Port(found).name}, not {Port(type_).name}"
        return body[20:]

    def expect_grab(self, *types: int) -> None:
        selection, _, *found = struct.unpack(f"<{2 + len(types)}I", self.expect(Port.GRAB))
        assert (selection, found) == (0, list(types))

    def wait_closed(self) -> None:
        """Until the daemon has closed the port."""
        assert self.connection is not None
        try:
            while self.connection.recv(65536):
                pass
        except ConnectionError:
            pass

    def _exactly(self, size: int) -> bytes:
        assert self.connection is not None
        data = b""
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            assert part, "the port was closed"
            data += part
        return data

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self._listener.close()


class Rig:
    """Host, bus, logind and daemon; agents come and go."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory, self._stack = directory, stack
        self.log = directory / "log"
        self.socket = directory / "agent"
        os.mkfifo(directory / "uinput")
        self._uinput = os.open(directory / "uinput", os.O_RDWR | os.O_NONBLOCK)
        stack.callback(os.close, self._uinput)
        self.host = Host(directory / "port")
        stack.callback(self.host.close)
        self.bus = PrivateBus(directory)
        stack.callback(self.bus.stop)
        self.logind = MockLogind(self.bus, directory)
        stack.callback(self.logind.stop)

    def start_logind(self) -> None:
        self.bus.start()
        self.do(self.logind.start())

    def start_daemon(self, *options: str, wait: str = SERVED, **environment: str) -> None:
        argv: list[str | Path] = [sys.executable, "-m", "vdagent", "daemon", "-x", "-d", *options]
        argv += ["-s", self.directory / "port", "-S", self.socket]
        argv += ["-f", "-u", self.directory / "uinput"]
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, **environment}
        self.daemon = spawn(argv, log=self.log, env=environment)
        self._stack.callback(stop, self.daemon)
        wait_for(self.socket.exists, 10, "the daemon's socket")
        if wait:
            self.wait_log(wait)

    @staticmethod
    def do(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)

    def wait_log(self, text: str) -> None:
        wait_for(lambda: text in self.log.read_text(), 15, f"{text!r} in the daemon's log")

    def agent(self, uid: int = ANNA, session: str | None = None) -> AgentProcess:
        """A process in a session that has not connected yet."""
        agent = AgentProcess(uid)
        self._stack.callback(agent.close)
        if session is not None:
            self.do(self.logind.contain(agent.pid, session))
        return agent

    def join(self, uid: int = ANNA, session: str | None = None) -> AgentProcess:
        """One that has connected and reported its screen."""
        agent = self.knock(uid, session)
        self.wait_log(f"(pid {agent.pid}, uid {uid}) has come")
        return agent

    def knock(self, uid: int = ANNA, session: str | None = None) -> AgentProcess:
        """One that connects and may be refused."""
        agent = self.agent(uid, session).connect(self.socket)
        with contextlib.suppress(BrokenPipeError):  # refused before it has said a word
            agent.report()
        return agent

    def start_two(self) -> tuple[AgentProcess, AgentProcess]:
        """Sessions 2 of Anna and c1 of Boris, both with their agents, Anna's at the seat."""
        self.start_logind()
        self.do(self.logind.add("2", ANNA))
        self.do(self.logind.add("c1", BORIS))
        self.do(self.logind.activate("2"))
        self.start_daemon()
        anna, boris = self.join(ANNA, "2"), self.join(BORIS, "c1")
        self.host.accept()
        return anna, boris

    def serve_one(self, id_: str = "c1", **properties: str) -> AgentProcess:
        """Session c1 of Anna at the seat, with its agent."""
        self.start_logind()
        self.do(self.logind.add(id_, ANNA, **properties))
        self.do(self.logind.activate(id_))
        self.start_daemon()
        agent = self.join(ANNA, id_)
        self.host.accept()
        return agent

    def switch(self, id_: str, agent: AgentProcess) -> None:
        """Bring a session to the seat and wait until its agent is served."""
        before = len(self.log.read_text())
        self.do(self.logind.activate(id_))
        text = f"active is the session agent (pid {agent.pid},"
        wait_for(lambda: text in self.log.read_text()[before:], 10, text)

    def points(self, x: int, y: int, at: tuple[int, int]) -> None:
        """The viewer points somewhere; wait until the tablet is at that place of the desktop."""
        self.host.send(wire.mouse(x, y))
        now: dict[int, int] = {}
        while (now.get(ABS_X), now.get(ABS_Y)) != at:
            assert select.select([self._uinput], [], [], 10)[0], f"the tablet is at {now}"
            for _, _, type_, code, value in struct.iter_unpack("@llHHi", os.read(self._uinput, 24)):
                if type_ == EV_ABS:
                    now[code] = value


@pytest.fixture
def rig() -> Iterator[Rig]:
    require_mock_logind()
    # pytest's own directories are closed to other users.
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="sessions-"))
        os.chmod(name, 0o755)
        rig = Rig(Path(name), stack)
        yield rig
        if getattr(rig, "daemon", None) is not None:
            assert rig.daemon.poll() is None, rig.log.read_text()
            assert "Traceback" not in rig.log.read_text(), rig.log.read_text()


def within(seconds: float, what: Callable[[], Any]) -> Any:
    """Do it, and look at the clock."""
    start = time.monotonic()
    result = what()
    assert time.monotonic() - start < seconds
    return result


def file_start(id_: int) -> bytes:
    return wire.message(Port.FILE_START, wire.u32(id_) + b"[vdagent-file-xfer]\nname=a\nsize=3\n\0")


def file_data(id_: int, data: bytes) -> bytes:
    return wire.message(Port.FILE_DATA, struct.pack("<IQ", id_, len(data)) + data)


def no_data(type_: int, selection: int = 0) -> bytes:
    """What a request of the host is answered with that gets nothing."""
    return wire.u32(selection, type_)


# -- switching -----------------------------------------------------------------------------------


def test_switching_users_moves_everything(rig: Rig) -> None:
    anna, boris = rig.start_two()
    boris.send(wire.resolution(1500, 768, (1024, 768, 100, 0, 0)))
    anna.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT)))
    rig.host.expect_grab(TEXT)
    rig.host.send(wire.monitors((800, 600)))
    rig.host.expect(Port.REPLY)
    anna.expect(Uds.MONITORS_CONFIG)
    rig.host.send(wire.grab(0, PNG, selection=1))
    anna.expect(Uds.GRAB)
    rig.points(5, 6, at=(5, 6))
    assert boris.is_silent()

    def switch() -> None:
        rig.do(rig.logind.activate("c1"))
        assert rig.host.expect(Port.RELEASE) == wire.u32(0)
        assert boris.expect(Uds.GRAB) == (1, 0, wire.u32(PNG))
        boris.expect(Uds.MONITORS_CONFIG)
        rig.points(7, 6, at=(107, 6))

    within(SWITCH_S, switch)
    assert anna.expect(Uds.RELEASE) == (1, 0, b"")
    # Anna's are not heard any more, and her pastes end empty.
    anna.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT, PNG)))
    anna.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert anna.expect(Uds.DATA) == (0, TEXT, b"")
    boris.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(PNG)))
    rig.host.expect_grab(PNG)
    # And back: her newest offer stands again.
    rig.do(rig.logind.activate("2"))
    assert rig.host.expect(Port.RELEASE) == wire.u32(0)
    rig.host.expect_grab(TEXT, PNG)
    rig.points(7, 6, at=(7, 6))


def test_a_text_console_closes_the_port_and_the_way_back_opens_it(rig: Rig) -> None:
    agent = rig.serve_one()
    rig.host.send(wire.monitors((800, 600)))
    agent.expect(Uds.MONITORS_CONFIG)
    rig.do(rig.logind.activate(None))
    rig.host.wait_closed()
    agent.expect(Uds.CLIENT_DISCONNECTED)
    rig.do(rig.logind.activate("c1"))
    within(SWITCH_S, rig.host.accept)
    agent.expect(Uds.MONITORS_CONFIG)
    rig.points(5, 6, at=(5, 6))


def test_a_session_without_an_agent_is_nobody(rig: Rig) -> None:
    agent = rig.serve_one()
    rig.do(rig.logind.add("2", BORIS))
    rig.do(rig.logind.activate("2"))
    rig.host.wait_closed()
    boris = rig.join(BORIS, "2")
    rig.host.accept()
    agent.send(wire.frame(Uds.REQUEST, 0, TEXT))
    agent.expect(Uds.CLIENT_DISCONNECTED)
    assert agent.expect(Uds.DATA) == (0, TEXT, b"")
    assert boris.is_silent()


# -- greeter and lock ----------------------------------------------------------------------------


def test_a_greeter_has_pointer_and_monitors_only_until_a_user_comes(rig: Rig) -> None:
    greeter = rig.serve_one("c1", Class="greeter", Type="wayland")
    greeter.expect(Uds.FILE_DISABLE)
    rig.points(5, 6, at=(5, 6))
    rig.host.send(wire.grab(0, TEXT))
    rig.host.send(wire.message(Port.AUDIO, struct.pack("<BBBH", 1, 0, 1, 100)))
    rig.host.send(wire.request(TEXT))
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT)
    rig.host.send(file_start(1))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(1, DISABLED)
    greeter.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(PNG)))
    greeter.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert greeter.expect(Uds.DATA) == (0, TEXT, b"")
    rig.host.send(wire.grab(1, TEXT))
    rig.host.send(wire.monitors((800, 600)))
    rig.host.expect(Port.REPLY)
    greeter.expect(Uds.MONITORS_CONFIG)

    rig.do(rig.logind.add("2", BORIS))
    boris = rig.join(BORIS, "2")
    rig.do(rig.logind.activate("2"))
    assert boris.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    boris.expect(Uds.MONITORS_CONFIG)
    rig.host.send(file_start(1))
    boris.expect(Uds.FILE_START)


def hint(rig: Rig, locked: bool) -> None:
    rig.do(rig.logind.hint("c1", locked))


def request(rig: Rig, locked: bool) -> None:
    rig.do(rig.logind.request("c1", "Lock" if locked else "Unlock"))


@pytest.mark.parametrize("lock", [hint, request])
def test_a_lock_stops_clipboard_and_new_files_only(
    rig: Rig, lock: Callable[[Rig, bool], None]
) -> None:
    agent = rig.serve_one("c1")
    rig.host.send(file_start(1))
    agent.expect(Uds.FILE_START)
    agent.send(wire.frame(Uds.FILE_STATUS, 1, CAN_SEND_DATA))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(1, CAN_SEND_DATA)
    agent.send(wire.frame(Uds.GRAB, 1, 0, wire.u32(TEXT)))
    assert rig.host.expect(Port.GRAB)[:4] == wire.u32(1)
    rig.host.send(wire.request(TEXT, selection=1))
    agent.expect(Uds.REQUEST)

    lock(rig, True)
    # What waited for the guest ends, and its late answer goes nowhere.
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT, 1)
    agent.send(wire.frame(Uds.DATA, 1, TEXT, b"secret"))
    rig.host.send(wire.request(TEXT, selection=1))
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT, 1)
    agent.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert agent.expect(Uds.DATA) == (0, TEXT, b"")
    # A transfer that runs goes on, a new one is refused.
    rig.host.send(file_start(2))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(2, SESSION_LOCKED)
    rig.host.send(file_data(1, b"abc"))
    agent.expect(Uds.FILE_DATA)
    agent.send(wire.frame(Uds.FILE_STATUS, 1, SUCCESS))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(1, SUCCESS)
    # Both sides copy; the pointer works.
    rig.host.send(wire.grab(0, PNG))
    agent.send(wire.frame(Uds.GRAB, 1, 0, wire.u32(TEXT, PNG)))
    agent.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert agent.expect(Uds.DATA) == (0, TEXT, b"")
    rig.points(5, 6, at=(5, 6))
    assert agent.is_silent()

    lock(rig, False)
    assert agent.expect(Uds.GRAB) == (0, 0, wire.u32(PNG))
    assert struct.unpack("<4I", rig.host.expect(Port.GRAB))[2:] == (TEXT, PNG)
    agent.send(wire.frame(Uds.REQUEST, 0, PNG))
    rig.host.expect(Port.REQUEST)


def test_a_lock_is_of_one_session(rig: Rig) -> None:
    """A user who locks and switches does not lock the other one out."""
    anna, boris = rig.start_two()
    rig.do(rig.logind.hint("2", True))
    rig.wait_log("wait for the unlock")
    rig.host.send(wire.grab(0, TEXT))
    rig.do(rig.logind.activate("c1"))
    assert boris.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    rig.host.send(file_start(1))
    boris.expect(Uds.FILE_START)
    rig.switch("2", anna)
    rig.host.send(file_start(2))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(2, SESSION_LOCKED)
    assert anna.expect(Uds.RELEASE) == (0, 0, b"")  # from when she left the seat
    assert anna.is_silent()
    rig.do(rig.logind.hint("2", False))
    assert anna.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))


# -- who is it? ----------------------------------------------------------------------------------


def test_an_agent_in_another_users_session_is_refused(rig: Rig) -> None:
    agent = rig.serve_one()
    rig.do(rig.logind.add("2", STRANGER))
    rig.knock(ANNA, "2").wait_closed()
    rig.wait_log("it is in session 2 of uid 12003, another user's")
    rig.host.send(wire.grab(0, TEXT))
    agent.expect(Uds.GRAB)


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_root_may_speak_for_a_session(rig: Rig) -> None:
    rig.start_logind()
    rig.do(rig.logind.add("c1", ANNA))
    rig.do(rig.logind.activate("c1"))
    rig.start_daemon()
    rig.join(0, "c1")
    rig.host.accept()


def test_a_second_agent_of_a_session_is_refused_and_the_first_undisturbed(rig: Rig) -> None:
    agent = rig.serve_one()
    rig.host.send(wire.grab(0, TEXT))
    agent.expect(Uds.GRAB)
    rig.knock(ANNA, "c1").wait_closed()
    rig.wait_log("session c1 of uid 12001 has an agent already" if ROOT else "already")
    rig.host.send(wire.grab(1, PNG))
    assert agent.expect(Uds.GRAB) == (0, 0, wire.u32(PNG))
    # It may come again when the first has gone.
    agent.close()
    rig.host.wait_closed()
    rig.join(ANNA, "c1")
    rig.host.accept()


def test_an_agent_of_the_user_manager_is_in_the_graphical_session(rig: Rig) -> None:
    rig.start_logind()
    rig.do(rig.logind.add("c1", ANNA, Type="tty"))
    rig.do(rig.logind.add("3", ANNA, Type="wayland"))
    rig.do(rig.logind.activate("3"))
    rig.do(rig.logind.contain(1, "c1"))
    rig.start_daemon()
    rig.join(ANNA)
    rig.host.accept()


def test_an_agent_without_a_session_is_served_once_it_has_one(rig: Rig) -> None:
    rig.start_two()
    if not ROOT:  # there the user has sessions, all with agents
        return rig.knock(ANNA).wait_closed()
    early = rig.join(STRANGER)
    early.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert early.expect(Uds.DATA) == (0, TEXT, b"")
    rig.do(rig.logind.add("4", STRANGER))
    rig.do(rig.logind.activate("4"))
    rig.host.wait_closed()
    rig.host.accept()
    early.expect(Uds.CLIENT_DISCONNECTED)
    rig.host.send(wire.grab(0, TEXT))
    assert early.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))


def test_a_process_that_ended_meanwhile_is_nobody(rig: Rig) -> None:
    """Its pid may be another user's by now (CVE-2020-25653)."""
    rig.start_logind()
    rig.do(rig.logind.add("c1", ANNA))
    rig.do(rig.logind.activate("c1"))
    rig.start_daemon()
    agent = rig.agent(ANNA, "c1")
    os.kill(rig.logind.pid, signal.SIGSTOP)
    try:
        agent.connect(rig.socket).report()
        rig.wait_log(f"(pid {agent.pid}, uid {ANNA}) connected")
        agent.end_process()
    finally:
        os.kill(rig.logind.pid, signal.SIGCONT)
    agent.wait_closed()
    rig.wait_log("its process ended before it was known whose it was")


def test_nothing_said_early_is_lost(rig: Rig) -> None:
    """What an agent says while logind is slow waits."""
    rig.start_logind()
    rig.do(rig.logind.add("c1", ANNA))
    rig.do(rig.logind.activate("c1"))
    rig.start_daemon()
    agent = rig.agent(ANNA, "c1")
    os.kill(rig.logind.pid, signal.SIGSTOP)
    try:
        agent.connect(rig.socket).report()
        agent.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT, PNG)))
        rig.wait_log("connected")
        assert "reports" not in rig.log.read_text()
    finally:
        os.kill(rig.logind.pid, signal.SIGCONT)
    rig.host.accept()
    rig.host.expect_grab(TEXT, PNG)


# -- with and without logind ---------------------------------------------------------------------


def test_a_restart_of_the_bus_disturbs_nobody(rig: Rig) -> None:
    anna, boris = rig.start_two()
    rig.logind.stop()
    rig.bus.stop()
    rig.wait_log("going by what was known last")
    rig.points(5, 6, at=(5, 6))
    rig.host.send(wire.grab(0, TEXT))
    anna.expect(Uds.GRAB)
    late = rig.knock(STRANGER) if ROOT else None
    rig.start_logind()
    rig.do(rig.logind.activate("c1"))
    assert boris.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    if late is not None:
        late.send(wire.frame(Uds.REQUEST, 0, TEXT))
        assert late.expect(Uds.DATA) == (0, TEXT, b"")


def test_without_a_bus_the_newest_is_served_until_there_is_one(rig: Rig) -> None:
    rig.start_daemon(wait="not tracking sessions")
    anna, boris = rig.agent(ANNA), rig.agent(BORIS)
    anna.connect(rig.socket).report()
    rig.host.accept()
    boris.connect(rig.socket).report()
    rig.wait_log(f"active is the session agent (pid {boris.pid}")
    rig.host.send(wire.grab(0, TEXT))
    boris.expect(Uds.GRAB)
    rig.bus.start()
    # All in one, so that it does not find a logind that knows nobody yet.
    rig.do(_logind_with(rig, anna, boris))
    rig.wait_log(SERVED)
    assert anna.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))


async def _logind_with(rig: Rig, anna: AgentProcess, boris: AgentProcess) -> None:
    rig.logind.plan("2", ANNA)
    rig.logind.plan("c1", BORIS)
    rig.logind.plan_active("2", {anna.pid: "2", boris.pid: "c1"})
    await rig.logind.start()


def test_minus_x_asks_nobody(rig: Rig) -> None:
    rig.start_logind()
    rig.do(rig.logind.add("c1", ANNA))
    rig.do(rig.logind.activate("c1"))
    rig.start_daemon("-X", wait="", PYTHONPROFILEIMPORTTIME="1")
    rig.join(BORIS)
    rig.host.accept()
    assert "dbus" not in rig.log.read_text()


# -- floods --------------------------------------------------------------------------------------


def connect_as(uid: int, path: Path) -> socket.socket:
    """A connection of a user, from this very process."""
    connection = socket.socket(socket.AF_UNIX)
    own = os.geteuid()
    if ROOT:
        os.seteuid(uid)
    try:
        connection.connect(str(path))
    finally:
        os.seteuid(own)
    connection.settimeout(10)
    return connection


def test_one_user_cannot_take_all_places(rig: Rig) -> None:
    agent = rig.serve_one()
    with ExitStack() as stack:
        user = STRANGER if ROOT else os.geteuid()
        for _ in range(32):
            stack.enter_context(connect_as(user, rig.socket))
        late = stack.enter_context(connect_as(user, rig.socket))
        assert late.recv(1) == b""
        rig.host.send(wire.grab(0, TEXT))
        agent.expect(Uds.GRAB)
        if ROOT:
            rig.do(rig.logind.add("2", BORIS))
            boris = rig.join(BORIS, "2")
            rig.do(rig.logind.activate("2"))
            boris.expect(Uds.GRAB)
    assert "32 of uid" in rig.log.read_text()


@pytest.mark.skipif(not ROOT, reason="needs several users")
def test_the_129th_connection_is_refused(rig: Rig) -> None:
    agent = rig.serve_one()
    with ExitStack() as stack:
        for number in range(127):
            stack.enter_context(connect_as(13000 + number // 30, rig.socket))
        late = stack.enter_context(connect_as(14000, rig.socket))
        assert late.recv(1) == b""
        rig.host.send(wire.grab(0, TEXT))
        agent.expect(Uds.GRAB)
    assert "128 are connected" in rig.log.read_text()


def test_a_flood_of_connections_does_not_stop_the_pointer(rig: Rig) -> None:
    rig.serve_one()
    user = STRANGER if ROOT else os.geteuid()
    slowest = 0.0
    for number in range(300):
        connect_as(user, rig.socket).close()
        if number % 30 == 0:
            start = time.monotonic()
            rig.points(10 + number, 20 + number, at=(10 + number, 20 + number))
            slowest = max(slowest, time.monotonic() - start)
    assert slowest < 0.3
