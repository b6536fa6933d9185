# SPDX-License-Identifier: MIT
"""Does the daemon start, refuse and end as a process should, whatever its peers do?"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import stat
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import wire
from tests.support.logs import faultless
from tests.support.processes import spawn, stop, wait_for
from tests.support.rig import Agent, Rig, program
from tests.support.wire import CLIENT, Port, Uds, chunk, frame, header, u32

# A second for the end, and as much again for a busy machine to start and stop a process.
END_S = 2.0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def nobody(rig: Rig) -> None:
    """Listening, and that is all."""


def no_port(rig: Rig) -> None:
    """Wants the port, which is gone."""
    rig.host.close()
    rig.agent().fence()


def idle(rig: Rig) -> None:
    """Everybody is there."""
    rig.ready()


def half_a_message(rig: Rig) -> None:
    """Both wires stopped in the middle of a message."""
    agent = rig.ready()
    rig.host.send(chunk(CLIENT, header(Port.CLIPBOARD, 100_000) + bytes(100)))
    agent.send(frame(Uds.DATA, 0, 1, bytes(5000))[:-1])


def requests_wait(rig: Rig) -> None:
    """A request of each side waits for its answer."""
    agent = rig.ready()
    rig.host.send(wire.request(wire.TEXT))
    agent.say(Uds.REQUEST, 0, 1)
    rig.host.until(Port.REQUEST)
    agent.until(Uds.REQUEST)


def host_does_not_read(rig: Rig) -> None:
    """More than the socket takes waits for the host; the C daemon hangs in its flush."""
    agent = rig.ready()
    for _ in range(8):
        rig.host.send(wire.request(wire.TEXT))
        agent.until(Uds.REQUEST)
    agent.flood(frame(Uds.DATA, 0, 1, bytes(240_000)))


def agent_does_not_read(rig: Rig) -> None:
    """A large clipboard waits for the session, and so does the host."""
    agent = rig.ready()
    agent.say(Uds.REQUEST, 0, 1)
    rig.host.until(Port.REQUEST)
    rig.host.send(chunk(CLIENT, header(Port.CLIPBOARD, 200 << 20) + u32(0, 1) + bytes(2020)))
    rig.host.stream.flood(chunk(CLIENT, bytes(2048)) * 64)


STATES = [
    nobody,
    no_port,
    idle,
    half_a_message,
    requests_wait,
    host_does_not_read,
    agent_does_not_read,
]


@pytest.mark.parametrize("state", STATES, ids=lambda s: s.__name__)
def test_sigterm_ends_the_daemon(rig: Rig, state: Callable[[Rig], object]) -> None:
    state(rig)
    assert rig.end() < END_S
    assert rig.daemon.returncode == 0
    assert not rig.socket.exists()
    assert faultless(rig.log.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("state", [idle, host_does_not_read], ids=lambda s: s.__name__)
def test_and_so_do_the_others(rig: Rig, number: int, state: Callable[[Rig], object]) -> None:
    state(rig)
    assert rig.end(number) < END_S
    assert rig.daemon.returncode == 0


def test_the_end_withdraws_the_guests_offers(rig: Rig) -> None:
    agent = rig.ready()
    agent.say(Uds.GRAB, 1, 0, u32(1))
    rig.host.until(Port.GRAB)
    rig.end()
    assert rig.host.expect(Port.RELEASE) == u32(1)
    rig.host.stream.wait_closed()


def test_everybody_may_connect(rig: Rig) -> None:
    assert stat.S_IMODE(rig.socket.stat().st_mode) == 0o666


def test_killed_and_started_again(rig: Rig) -> None:
    """The socket it left behind is replaced."""
    rig.ready()
    rig.daemon.kill()
    rig.daemon.wait()
    rig.host.hang_up()
    assert rig.socket.is_socket()
    rig.start()
    rig.still_serves(rig.ready())


def test_a_second_daemon_leaves_the_first_alone(rig: Rig) -> None:
    agent = rig.ready()
    argv = [*program("daemon"), "-x", "-X", "-f", "-s", str(rig.directory / "port")]
    argv += ["-S", str(rig.socket), "-u", str(rig.uinput)]
    second = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "another agent daemon" in second.stderr
    rig.still_serves(agent)


def test_one_session_ends_with_it(tmp_path: Path) -> None:
    with Rig(tmp_path, "ours", "-o") as rig:
        rig.agent(reports=False).close()
        agent = rig.ready()
        agent.close()
        assert rig.daemon.wait(5) == 0


def test_a_host_that_does_not_read_holds_nobody_else(rig: Rig) -> None:
    """A session in the background, a new one, and the tablet are served as ever."""
    background = rig.agent()
    host_does_not_read(rig)
    assert background.fence() is not None
    rig.host.send(wire.mouse(5, 6))
    wait_for(lambda: (3, 0, 5) in rig.events(), what="the pointer moves")
    rig.agents[-1].close()
    other = rig.agent()
    assert other.fence() is not None
    wait_for(lambda: "left" in rig.log.read_text(), what="the dead one is noticed")


def a_file(rig: Rig, agent: Agent) -> tuple[bytes, bytes]:
    """The host begins to send a large file; what it says first, and then again and again."""
    key_file = b"[vdagent-file-xfer]\nname=a\nsize=1000000000\n\0"
    rig.host.send(wire.message(Port.FILE_START, u32(7) + key_file))
    agent.until(Uds.FILE_START)
    return b"", wire.message(Port.FILE_DATA, struct.pack("<IQ", 7, 65536) + bytes(65536))


def a_paste(rig: Rig, agent: Agent) -> tuple[bytes, bytes]:
    agent.say(Uds.REQUEST, 0, 1)
    rig.host.until(Port.REQUEST)
    first = chunk(CLIENT, header(Port.CLIPBOARD, 200 << 20) + u32(0, 1) + bytes(2020))
    return first, chunk(CLIENT, bytes(2048)) * 64


@pytest.mark.parametrize(("content", "mib"), [(a_file, 1), (a_paste, 16)])
def test_a_slow_session_slows_the_port_down_and_does_not_stop_it(
    rig: Rig, content: Callable[[Rig, Agent], tuple[bytes, bytes]], mib: int
) -> None:
    """The pointer is behind what the session has not taken: as little of it as there can be."""
    agent = rig.ready()
    first, more = content(rig, agent)
    rig.host.send(first)
    taken = rig.host.stream.flood(more)
    assert taken < (mib << 20) + (2 << 20)  # and what the sockets hold
    # As much as the agent's socket holds may go by before the daemon notices.
    agent.read(1 << 20)
    after = 0

    def goes_on() -> bool:
        nonlocal after
        after += rig.host.stream.flood(more)
        return after > 100_000

    wait_for(goes_on, what="the port goes on")
    assert rig.daemon.poll() is None


def test_what_a_viewer_can_do_is_said_once(rig: Rig) -> None:
    """spice-gtk announces itself, and then answers our announcement with the same."""
    rig.ready()
    assert rig.log.read_text().count("a client can") == 1
    rig.host.send(wire.message(Port.CLIENT_DISCONNECTED, b"", wire.SERVER), wire.announce(True))
    rig.host.until(Port.ANNOUNCE)
    assert rig.log.read_text().count("a client can") == 2


def test_what_comes_slowly_is_passed_on_as_it_comes(rig: Rig) -> None:
    """A session waits 10 s for the first byte; a slow link needs longer for the last one."""
    agent = rig.ready()
    agent.say(Uds.REQUEST, 0, wire.TEXT)
    rig.host.until(Port.REQUEST)
    slow = wire.clipboard(bytes(range(200)) * 100)
    rig.host.send(slow[:3000])
    assert agent.read(16) == u32(Uds.DATA, 0, wire.TEXT, 20_000)
    agent.read(2900, timeout_s=5)
    rig.host.send(slow[3000:])
    assert agent.read(17_100)[-200:] == bytes(range(200))
    rig.still_serves(agent)


@pytest.mark.parametrize(
    ("missing", "word"), [("-s", "port: "), ("-u", "tablet: "), ("-S", "daemon: ")]
)
def test_what_is_missing_is_one_sentence(tmp_path: Path, missing: str, word: str) -> None:
    paths = {"-s": tmp_path / "port", "-S": tmp_path / "sock", "-u": tmp_path / "uinput"}
    paths["-s"].touch()
    paths["-u"].touch()
    paths[missing] = tmp_path / "missing" / "path"
    argv = [*program("daemon"), "-x", "-X", "-f"]
    for option, path in paths.items():
        argv += [option, str(path)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert word in run.stderr
    assert "(" in run.stderr  # a hint
    assert not paths["-S"].exists()


def test_socket_activation(tmp_path: Path) -> None:
    """systemd's socket is used and left where it is; a missing port may still come."""
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        (tmp_path / "uinput").touch()
        words = [*program("daemon"), "-x", "-X", "-f", "-s", str(tmp_path / "port")]
        words += ["-u", str(tmp_path / "uinput")]
        script = f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        argv = ["bash", "-c", script, "sh", *words]
        daemon = spawn(argv, log=tmp_path / "log", pass_fds=[listener.fileno()])
        agent = Agent(path)
        agent.report()
        assert agent.fence() == []
        wait_for((tmp_path / "sock.control").exists)  # where `vdagent status -S` looks
        assert stop(daemon) == 0
        agent.wait_closed()
        agent.close()
    assert path.exists()


class Orphans:
    """Makes this process the parent of daemons its children leave behind."""

    _PR_SET_CHILD_SUBREAPER = 36

    def __enter__(self) -> Orphans:
        ctypes.CDLL(None).prctl(self._PR_SET_CHILD_SUBREAPER, 1)
        self.before = self._children()
        return self

    def _children(self) -> set[int]:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return {int(pid) for pid in text.split()}

    def new(self) -> list[int]:
        return sorted(self._children() - self.before)

    def __exit__(self, *args: object) -> None:
        for pid in self.new():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        ctypes.CDLL(None).prctl(self._PR_SET_CHILD_SUBREAPER, 0)


def test_a_daemon_leaves_its_terminal(tmp_path: Path) -> None:
    (tmp_path / "port").touch()
    (tmp_path / "uinput").touch()
    argv = [*program("daemon"), "-X", "-f", "-s", str(tmp_path / "port")]
    argv += ["-S", str(tmp_path / "sock"), "-u", str(tmp_path / "uinput")]
    with Orphans() as orphans:
        run = subprocess.run(argv, capture_output=True, timeout=30)
        assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
        agent = Agent(tmp_path / "sock")  # ready means listening
        assert agent.fence() == []
        (pid,) = orphans.new()
        assert os.getsid(pid) == pid
        links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}
        assert links == {"/dev/null"}
        os.kill(pid, signal.SIGTERM)
        agent.wait_closed()
        agent.close()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not (tmp_path / "sock").exists()


def _bare() -> None:
    """As some starter left it: no standard streams, and the signals that end programs blocked."""
    for fd in (0, 1, 2):
        os.close(fd)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


@pytest.mark.parametrize("foreground", [True, False])
def test_a_daemon_that_was_started_with_nothing(tmp_path: Path, foreground: bool) -> None:
    (tmp_path / "port").touch()
    (tmp_path / "uinput").touch()
    argv = [*program("daemon"), "-X", "-f", "-s", str(tmp_path / "port")]
    argv += ["-S", str(tmp_path / "sock"), "-u", str(tmp_path / "uinput")]
    with Orphans() as orphans:
        process = subprocess.Popen([*argv, *["-x"] * foreground], preexec_fn=_bare)
        if not foreground:
            assert process.wait(30) == 0
        wait_for((tmp_path / "sock").exists, 30.0)
        agent = Agent(tmp_path / "sock")
        assert agent.fence() == []
        (pid,) = orphans.new()
        os.kill(pid, signal.SIGTERM)
        agent.wait_closed()
        agent.close()
        if foreground:
            assert process.wait(10) == 0
        else:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
