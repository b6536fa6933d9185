# SPDX-License-Identifier: MIT
"""How is one daemon put between its two peers, ready to be measured?"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import struct
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import accounting, wire
from bench.peers import Host, PeerClosed, Session
from tests.support.processes import spawn, stop

DAEMON_CPU, HARNESS_CPU = 0, 1
FIFO_SIZE = 1 << 20  # a batch of pointer events must not wait for the harness


@dataclass(frozen=True)
class Subject:
    """An implementation: command lines in which {port}, {agent} and {uinput} are replaced."""

    name: str
    daemon: str
    session: str
    sessions_max: int = 100  # with more agents connected it serves none


def _environment() -> dict[str, str]:
    """Ours, but an installed agent has compiled modules: not PYTHONDONTWRITEBYTECODE and the like."""
    return {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}


def pin_harness() -> None:
    os.sched_setaffinity(0, {HARNESS_CPU} & os.sched_getaffinity(0) or os.sched_getaffinity(0))


def make_fifo(path: Path, closing: contextlib.ExitStack) -> int:
    """A FIFO for pointer events at `path`; the descriptor to read them from."""
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    closing.callback(os.close, fd)
    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, FIFO_SIZE)
    return fd


def start(
    argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process on the daemon's CPU."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {DAEMON_CPU})  # inherited, so it holds from the first instruction
    try:
        return spawn(argv, log=log, env=env or _environment())
    finally:
        os.sched_setaffinity(0, mine)


class Rig:
    """A running daemon and its simulated host, for the length of a `with` block.

    With `session=True` a simulated session and viewer are attached as well. `fifo=True` makes the
    fake uinput device a FIFO which the harness reads at `uinput_fd`; else events go to /dev/null.
    """

    def __init__(self, subject: Subject, *, session: bool = True, fifo: bool = False) -> None:
        self.subject = subject
        self._closing = contextlib.ExitStack()
        directory = self._closing.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        self.directory = Path(directory)
        self.port = self.directory / "port"
        self.agent = self.directory / "agent"
        uinput = Path(os.devnull)
        if fifo:
            uinput = self.directory / "uinput"
            self.uinput_fd = make_fifo(uinput, self._closing)
        self.host = Host(self.port)
        self._closing.callback(self.host.close)
        self.started_s = time.monotonic()
        self.daemon = self.run(subject.daemon, uinput=uinput)
        try:
            if session:
                self.session = self.add_session()
                self.meet_host()
        except (OSError, PeerClosed) as error:
            said = self.log_tail()
            self._closing.close()
            raise PeerClosed(f"{error or type(error).__name__}; the daemon said: {said}") from error

    def run(
        self, template: str, *, uinput: Path | str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one command line of the subject on the daemon's CPU."""
        words = {"port": self.port, "agent": self.agent, "uinput": uinput}
        argv = [word.format(**words) for word in shlex.split(template)]
        process = start(argv, self.directory / "log", env)
        self._closing.callback(stop, process)
        return process

    def add_session(self) -> Session:
        """Connect a simulated session; it reports its screen."""
        session = Session(self.agent, self.daemon)
        self._closing.callback(session.close)
        return session

    def meet_host(self) -> None:
        """Wait until the daemon announced itself, then attach a viewer."""
        self.host.accept()
        self.host.read_message()
        self.announced_s = time.monotonic()
        self.host.shake_hands()

    def offer_clipboard(self, requests: int) -> None:
        """The viewer grabs and the session asks `requests` times, so that data is due."""
        self.host.send(wire.grab())
        self.session.expect(wire.U_GRAB)
        for _ in range(requests):
            self.session.send(wire.U_REQUEST, 0, wire.UTF8_TEXT)
            self.host.expect(wire.REQUEST)

    def own_clipboard(self, requests: int) -> None:
        """The session grabs and the viewer asks `requests` times, so that data is due."""
        self.session.send(wire.U_GRAB, 0, 0, struct.pack("=I", wire.UTF8_TEXT))
        self.host.expect(wire.GRAB)
        for _ in range(requests):
            self.host.send(wire.request())
            self.session.expect(wire.U_REQUEST)

    def cpu_s(self) -> float:
        return accounting.cpu_s(self.daemon.pid)

    def log_tail(self) -> str:
        return (self.directory / "log").read_text(errors="replace")[-300:].strip()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
