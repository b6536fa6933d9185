# SPDX-License-Identifier: MIT
"""How is a daemon put between a host, a logind and session agents of several users?

The daemon is a process; agents are processes of their own; logind is python-dbusmock's on a private
system bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support import wire
from tests.support.agent_processes import AgentProcess
from tests.support.buses import MockLogind, PrivateBus
from tests.support.descriptors import is_readable
from tests.support.processes import spawn, stop, wait_for
from tests.support.rig import Host
from tests.support.wire import Port

ROOT = os.geteuid() == 0
ANNA, BORIS = (12001, 12002) if ROOT else (os.geteuid(), os.geteuid())
STRANGER = 12003

SERVED = "the session at the seat is served"
EV_ABS, ABS_X, ABS_Y = 3, 0, 1


class SwitchedHost(Host):
    """A host whose port the daemon closes and opens as logins come and go."""

    def accept(self) -> None:
        """Until the daemon has opened the port (again) and announced itself; a viewer is there."""
        if self._stream is not None:
            self.hang_up()
        self.greet()

    def expect_grab(self, *types: int) -> None:
        """The next message is a grab of the clipboard with these types."""
        selection, _, *found = struct.unpack(f"<{2 + len(types)}I", self.expect(Port.GRAB))
        assert (selection, found) == (0, list(types))

    def wait_closed(self) -> None:
        """Until the daemon has closed the port."""
        self.stream.wait_closed()


class LoginRig:
    """Host, bus, logind and daemon; agents come and go."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory, self._stack = directory, stack
        self.log = directory / "log"
        self.socket = directory / "agent"
        self.config = directory / "config.toml"  # the system's settings
        os.mkfifo(directory / "uinput")
        self.daemon: subprocess.Popen[bytes] | None = None
        self._uinput = os.open(directory / "uinput", os.O_RDWR | os.O_NONBLOCK)
        stack.callback(os.close, self._uinput)
        self.host = SwitchedHost(directory / "port")
        stack.callback(self.host.close)
        self.bus = PrivateBus(directory)
        stack.callback(self.bus.stop)
        self.logind = MockLogind(self.bus, directory)
        stack.callback(self.logind.stop)

    def start_logind(self) -> None:
        """Bus and logind, with all the sessions it had before."""
        with self.unseen():
            self.bus.start()
            self.do(self.logind.start())

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """What happens here a running daemon sees at once, when it is over.

        A real logind knows everybody before it takes its name; the one here is told afterwards, and a
        daemon that asks in between rightly finds nobody at the seat.
        """
        running = self.daemon is not None and self.daemon.poll() is None
        if running and self.daemon is not None:
            self.daemon.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if running and self.daemon is not None:
                self.daemon.send_signal(signal.SIGCONT)

    def start_daemon(self, *options: str, wait: str = SERVED, **environment: str) -> None:
        argv: list[str | Path] = [sys.executable, "-m", "vdagent", "daemon", "-x", "-d", *options]
        argv += ["-s", self.directory / "port", "-S", self.socket, "--config", self.config]
        argv += ["-f", "-u", self.directory / "uinput"]
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, **environment}
        self.daemon = spawn(argv, log=self.log, env=environment)
        self._stack.callback(stop, self.daemon)
        wait_for(self.socket.exists, 30, "the daemon's socket")
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

    @contextlib.contextmanager
    def logind_hangs(self) -> Iterator[AgentProcess]:
        """Anna at the seat; a process of hers, while logind does not answer."""
        self.start_logind()
        self.do(self.logind.add("c1", ANNA))
        self.do(self.logind.activate("c1"))
        self.start_daemon()
        agent = self.agent(ANNA, "c1")
        os.kill(self.logind.pid, signal.SIGSTOP)
        try:
            yield agent
        finally:
            os.kill(self.logind.pid, signal.SIGCONT)

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
            assert is_readable(self._uinput, 10), f"the tablet is at {now}"
            for _, _, type_, code, value in struct.iter_unpack("@llHHi", os.read(self._uinput, 24)):
                if type_ == EV_ABS:
                    now[code] = value
