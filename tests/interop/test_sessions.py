# SPDX-License-Identifier: MIT
"""Does the seat's session, and nobody else, speak for the guest?

The real daemon between a host and agents of several processes and users, with python-dbusmock's logind
on a private system bus.
"""

from __future__ import annotations

import asyncio
import os
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

CANCELLED, DISABLED, SESSION_LOCKED, CAN_SEND_DATA = 1, 8, 6, 0


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
        self.host = Host(directory / "port")
        stack.callback(self.host.close)
        self.bus = PrivateBus(directory)
        stack.callback(self.bus.stop)
        self.logind = MockLogind(self.bus, directory)
        stack.callback(self.logind.stop)

    def start_logind(self) -> None:
        self.bus.start()
        self.do(self.logind.start())

    def start_daemon(self, *options: str, wait: str = "the session at the seat is served") -> None:
        where = ["-s", self.directory / "port", "-S", self.socket, "-u", "/dev/null", "-f"]
        argv = [sys.executable, "-m", "vdagent", "daemon", "-x", "-d", *where, *options]
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}
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
        """One that has connected and said all that it says at first."""
        return self.agent(uid, session).connect(self.socket).report()

    def start_two(self) -> tuple[AgentProcess, AgentProcess]:
        """Sessions 2 of Anna and c1 of Boris, both with their agents, Anna's at the seat."""
        self.start_logind()
        self.do(self.logind.add("2", ANNA))
        self.do(self.logind.add("c1", BORIS))
        self.do(self.logind.activate("2"))
        self.start_daemon()
        anna, boris = self.join(ANNA, "2"), self.join(BORIS, "c1")
        self.host.accept()
        self.wait_log(f"(pid {boris.pid}, uid {BORIS}) has come")
        assert self.hears(anna) == Uds.CLIENT_DISCONNECTED  # of no client, said before this one
        return anna, boris

    def hears(self, agent: AgentProcess) -> int:
        return agent.read()[0]


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


def test_debug(rig: Rig) -> None:
    try:
        anna, boris = rig.start_two()
    finally:
        print(rig.log.read_text())
