# SPDX-License-Identifier: MIT
"""How is a daemon put between a scripted host and scripted session agents?

Host and agents speak the wires of tests.support.wire; the daemon is a process, ours or the C peer's.
Every wait has a deadline; what arrives is kept in order and handed out one message at a time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.support import wire
from tests.support.descriptors import is_readable, is_writable
from tests.support.processes import spawn, wait_for
from tests.support.tools import require
from tests.support.wire import Port, Uds

PATIENCE_S = 10.0
START_S = 30.0
# What a session agent tells by the control socket: it looks for that for 8 s, the last time after 4.
FACTS_S = 30.0
ACCEPTS = "00010000"  # __SO_ACCEPTCON in /proc/net/unix: bound is not listening yet
EVENT = struct.Struct("@llHHi")  # struct input_event


class Message(NamedTuple):
    """A message the daemon sent to the host."""

    type: int
    body: bytes


class Frame(NamedTuple):
    """A frame the daemon sent to an agent."""

    type: int
    arg1: int
    arg2: int
    body: bytes


class Closed(Exception):
    """The daemon closed the connection."""


class Stream:
    """Bytes to and from the daemon, with a deadline for each wait."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = bytearray()
        self._unsent = memoryview(b"")  # of what a flood has begun to say
        connection.setblocking(False)

    def send(self, data: bytes) -> None:
        """Write all of it, as the daemon takes it."""
        rest = memoryview(data)
        while rest:
            if not is_writable(self.socket, PATIENCE_S):
                raise TimeoutError("the daemon takes nothing")
            with contextlib.suppress(BlockingIOError):
                rest = rest[self.socket.send(rest) :]

    def flood(self, data: bytes, calm_s: float = 0.3) -> int:
        """Write `data` again and again until nothing was taken for `calm_s`; how many bytes were.

        What the one before has begun is finished first.
        """
        taken = 0
        while is_writable(self.socket, calm_s):
            rest = self._unsent or memoryview(data)
            sent = self.socket.send(rest)
            taken += sent
            self._unsent = rest[sent:]
        return taken

    def read(self, size: int, timeout_s: float = PATIENCE_S) -> bytes:
        """The next `size` bytes. Raises Closed or TimeoutError instead."""
        deadline = time.monotonic() + timeout_s
        while len(self._buffer) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not is_readable(self.socket, left):
                raise TimeoutError(
                    f"{len(self._buffer)} of {size} bytes came: {self._buffer!r:.80}"
                )
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(f"with {len(self._buffer)} of {size} bytes")
            self._buffer += data
        result = bytes(self._buffer[:size])
        del self._buffer[:size]
        return result

    def wait_closed(self, timeout_s: float = PATIENCE_S) -> None:
        """Let bytes go by until the daemon has closed the connection."""
        with contextlib.suppress(Closed):
            while True:
                self.read(1, timeout_s)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


class Host:
    """The host's end of the port: listens where the daemon finds its port."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._stream: Stream | None = None

    @property
    def stream(self) -> Stream:
        """The present connection, accepted if it has to be."""
        if self._stream is None:
            self._listener.settimeout(PATIENCE_S)
            self._stream = Stream(self._listener.accept()[0])
        return self._stream

    @property
    def is_knocking(self) -> bool:
        """Whether the daemon has opened a new connection that was not accepted yet."""
        return is_readable(self._listener)

    def send(self, *data: bytes) -> None:
        """Say something."""
        self.stream.send(b"".join(data))

    def message(self, timeout_s: float = PATIENCE_S) -> Message:
        """The next message; checks what spice-server demands: one whole message in each chunk."""
        port, size, protocol, type_, opaque, body = struct.unpack(
            "<IIIIQI", self.stream.read(28, timeout_s)
        )
        assert (port, protocol, opaque, size) == (wire.CLIENT, 1, 0, 20 + body)
        return Message(type_, self.stream.read(body, timeout_s))

    def expect(self, type_: int) -> bytes:
        """The body of the next message, which has to be of this type."""
        msg = self.message()
        assert msg.type == type_, f"expected {Port(type_).name}, got {msg}"
        return msg.body

    def until(self, type_: int) -> bytes:
        """The body of the next message of this type; others go by."""
        while (msg := self.message()).type != type_:
            pass
        return msg.body

    def fence(self) -> list[Message]:
        """What came up to now: everything before the answer to a question that is always answered."""
        self.send(wire.message(Port.MONITORS_CONFIG, wire.u32(0, 0)))
        before = []
        while (msg := self.message()) != (Port.REPLY, wire.u32(Port.MONITORS_CONFIG, 1)):
            before.append(msg)
        return before

    def greet(self, caps: int = wire.VIEWER_CAPS) -> None:
        """A viewer is there: the usual handshake."""
        self.expect(Port.ANNOUNCE)
        self.send(wire.announce(True, caps))
        self.until(Port.ANNOUNCE)
        self.send(wire.announce(False, caps))

    def hang_up(self) -> None:
        """Close the connection; the daemon comes back for the next one."""
        self.stream.close()
        self._stream = None

    def close(self) -> None:
        """Close the connection and the port."""
        self._listener.close()
        if self._stream is not None:
            self._stream.close()


class Agent(Stream):
    """A session agent's end of the session socket."""

    def __init__(self, path: Path) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        super().__init__(connection)

    def say(self, type_: int, arg1: int = 0, arg2: int = 0, body: bytes = b"") -> None:
        """Send one frame."""
        self.send(wire.frame(type_, arg1, arg2, body))

    def report(self, width: int = 1024, height: int = 768) -> None:
        """Report a desktop of one screen."""
        self.send(wire.resolution(width, height))

    def frame(self, timeout_s: float = PATIENCE_S) -> Frame:
        """The next frame; VERSION goes by, the C daemon starts with it."""
        type_, arg1, arg2, size = struct.unpack("=IIII", self.read(16, timeout_s))
        frame = Frame(type_, arg1, arg2, self.read(size, timeout_s))
        return self.frame(timeout_s) if type_ == Uds.VERSION else frame

    def expect(self, type_: int) -> Frame:
        """The next frame, which has to be of this type."""
        frame = self.frame()
        assert frame.type == type_, f"expected {Uds(type_).name}, got {frame}"
        return frame

    def until(self, type_: int) -> Frame:
        """The next frame of this type; others go by."""
        while (frame := self.frame()).type != type_:
            pass
        return frame

    def fence(self) -> list[Frame]:
        """What came up to now: a paste of SECONDARY is refused at once."""
        self.say(Uds.REQUEST, 2, 99)
        before = []
        while (frame := self.frame())[:2] != (Uds.DATA, 2):
            before.append(frame)
        return before


def program(name: str) -> list[str]:
    """How to start our daemon or session: the program beside this Python, or the module."""
    script = Path(sys.executable).with_name("vdagent")
    return [str(script), name] if script.exists() else [sys.executable, "-m", "vdagent", name]


def daemon_command(kind: str) -> list[str]:
    """How to start the daemon of this kind, "ours" or "C"."""
    if kind == "ours":
        return program("daemon")
    require("spice-vdagentd")
    return ["/usr/sbin/spice-vdagentd"]


class Rig:
    """A host and a daemon in a directory of their own; a context manager."""

    def __init__(self, directory: Path, kind: str = "ours", *options: str) -> None:
        self.directory, self.kind, self.options = directory, kind, options
        self.socket, self.uinput = directory / "agents", directory / "uinput"
        self.log = directory / "daemon.log"
        self.uinput.touch()
        self.agents: list[Agent] = []
        self.host = Host(directory / "port")
        self.daemon = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the daemon (again) and wait until it listens."""
        argv = [*daemon_command(self.kind), "-x", "-X", "-f", *self.options]
        argv += ["-s", str(self.directory / "port"), "-S", str(self.socket), "-u", str(self.uinput)]
        self.daemon = spawn(argv, log=self.log)
        wait_for(self._listens, START_S, "the daemon listens")
        return self.daemon

    def _listens(self) -> bool:
        if self.daemon.poll() is not None:
            raise RuntimeError(f"the daemon ended: {self.log.read_text()}")
        # Not by connecting: one connection more makes a difference to the C daemon.
        rows = (row.split() for row in Path("/proc/net/unix").read_text().splitlines())
        return any(row[-1] == str(self.socket) and row[3] == ACCEPTS for row in rows)

    def agent(self, *, reports: bool = True) -> Agent:
        """Connect an agent; by default it reports its desktop, and so becomes the active one."""
        agent = Agent(self.socket)
        self.agents.append(agent)
        if reports:
            agent.report()
        return agent

    def ready(self, caps: int = wire.VIEWER_CAPS) -> Agent:
        """An active agent and a viewer, with everything said that is said at first."""
        agent = self.agent()
        self.host.greet(caps)
        self.host.fence()
        agent.until(Uds.MONITORS_CONFIG)
        return agent

    def events(self) -> list[tuple[int, int, int]]:
        """All input events so far: (type, code, value)."""
        return [row[2:] for row in EVENT.iter_unpack(self.uinput.read_bytes())]

    def still_serves(self, agent: Agent) -> None:
        """A copy and a paste pass through, both ways."""
        agent.say(Uds.GRAB, 1, 0, struct.pack("=I", wire.TEXT))
        self.host.until(Port.GRAB)
        self.host.send(wire.request(wire.TEXT, selection=1))
        agent.until(Uds.REQUEST)
        agent.say(Uds.DATA, 1, wire.TEXT, b"still there")
        assert self.host.until(Port.CLIPBOARD)[-11:] == b"still there"
        agent.say(Uds.REQUEST, 0, wire.TEXT)
        self.host.until(Port.REQUEST)
        self.host.send(wire.clipboard(b"and here"))
        assert agent.until(Uds.DATA).body == b"and here"
        assert self.daemon.poll() is None

    def end(self, number: int = signal.SIGTERM, timeout_s: float = PATIENCE_S) -> float:
        """Send a signal and wait for the daemon's end; how long that took."""
        start = time.monotonic()
        self.daemon.send_signal(number)
        self.daemon.wait(timeout_s)
        return time.monotonic() - start

    def memory_kib(self) -> int:
        """The daemon's resident memory."""
        for line in Path(f"/proc/{self.daemon.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("the daemon is gone")

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *args: object) -> None:
        for agent in self.agents:
            agent.close()
        self.host.close()
        if self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(2)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)
