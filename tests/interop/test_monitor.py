# SPDX-License-Identifier: MIT
"""Does `vdagent monitor` show and record what passes, to whom it should, and at no one's cost?"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import replay, wire
from tests.support.processes import spawn, wait_control, wait_for
from tests.support.rig import Rig, program
from tests.support.tools import require_root
from tests.support.wire import Port, Uds
from vdagent.control import control_path

SECRET = "correct horse battery staple"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        wait_control(rig.socket)
        yield rig


class Monitor:
    """A running `vdagent monitor --record`."""

    def __init__(self, rig: Rig, *options: str) -> None:
        self.file, self.log = rig.directory / "capture.jsonl", rig.directory / "monitor.log"
        argv = [*program("monitor"), "-S", str(rig.socket), "--record", str(self.file), *options]
        self.process = spawn(argv, log=self.log)
        wait_for(lambda: self.file.exists() and self.file.stat().st_size, what="the first line")

    def has(self, count: int = 1, **fields: Any) -> list[replay.Line]:
        """Wait until so many messages with these fields are recorded."""

        def there() -> list[replay.Line]:
            found = replay.messages(replay.read(self.file)[1], **fields)
            return found if len(found) >= count else []

        return wait_for(there, what=f"{count} of {fields}")

    def end(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


def paste(rig: Rig, agent: Any, text: str) -> None:
    """The guest pastes what the viewer has."""
    agent.say(Uds.REQUEST, 0, wire.TEXT)
    rig.host.until(Port.REQUEST)
    rig.host.send(wire.clipboard(text.encode()))
    assert agent.until(Uds.DATA).body == text.encode()


def test_both_wires_are_shown_and_recorded_without_content(rig: Rig) -> None:
    monitor = Monitor(rig)
    agent = rig.ready()
    rig.host.send(wire.mouse(3, 4))
    paste(rig, agent, SECRET)
    monitor.has(wire="session", from_="daemon", type=Uds.DATA)
    assert stat.S_IMODE(monitor.file.stat().st_mode) == 0o600
    assert monitor.end() == 0
    recorded, shown = monitor.file.read_text(), monitor.log.read_text()
    assert SECRET not in recorded and SECRET.encode().hex() not in recorded and SECRET not in shown
    beginning, lines = replay.read(monitor.file)
    assert beginning["port"] == {"path": str(rig.directory / "port"), "open": False, "client": 0}
    assert [line["event"] for line in lines if "event" in line] == ["opened", "opened"]
    heard = [line["type"] for line in replay.messages(lines, wire="port", from_="host")]
    assert heard[:2] == [Port.ANNOUNCE, Port.ANNOUNCE] and Port.MOUSE_STATE in heard
    [clip] = replay.messages(lines, wire="port", from_="host", type=Port.CLIPBOARD)
    assert (clip["size"], clip["body"]) == (8 + len(SECRET), wire.u32(0, wire.TEXT).hex())
    times = [line["t"] for line in lines]
    assert times == sorted(times) and times[0] >= 0 and times[-1] < 60
    [line] = [line for line in shown.splitlines() if " CLIPBOARD " in line]
    assert "host →" in line and "36 B" in line
    assert line.endswith("selection clipboard, type utf8_text")
    # The capture shows the same again, to anybody who may read it.
    again = subprocess.run(
        [*program("monitor"), "--read", str(monitor.file)], capture_output=True, timeout=20
    )
    assert again.stdout.decode() == shown


def test_it_may_begin_in_the_middle_of_a_message(rig: Rig) -> None:
    agent = rig.ready()
    agent.say(Uds.REQUEST, 0, wire.TEXT)
    rig.host.until(Port.REQUEST)
    clip = wire.clipboard(SECRET.encode() * 20_000)
    rig.host.send(clip[:300_000])
    grab = wire.frame(Uds.GRAB, 0, 0, wire.u32(wire.TEXT))
    agent.send(grab[:18])
    agent.read(16 + 200_000)  # it is under way
    monitor = Monitor(rig)
    rig.host.send(clip[300_000:], wire.mouse(5, 6))
    agent.send(grab[18:])
    agent.read(len(SECRET) * 20_000 - 200_000)
    rig.host.until(Port.GRAB)
    paste(rig, agent, "whole")
    monitor.has(wire="session", from_="daemon", type=Uds.DATA)
    _, lines = replay.read(monitor.file)
    known = {Port.MOUSE_STATE, Port.CLIPBOARD}
    assert {line["type"] for line in replay.messages(lines, wire="port", from_="host")} <= known
    assert SECRET.encode().hex() not in monitor.file.read_text()
    [data] = replay.messages(lines, wire="session", from_="daemon", type=Uds.DATA)
    assert data["size"] == len("whole")
    assert monitor.end() == 0


def test_the_pointer_can_be_left_out(rig: Rig) -> None:
    agent = rig.ready()
    monitor = Monitor(rig, "--no-pointer")
    rig.host.send(wire.mouse(3, 4))
    paste(rig, agent, "text")
    monitor.has(wire="session", from_="daemon", type=Uds.DATA)
    assert not replay.messages(replay.read(monitor.file)[1], type=Port.MOUSE_STATE, wire="port")
    assert monitor.end() == 0


def test_who_does_not_read_misses_lines_and_is_told(rig: Rig) -> None:
    """Memory stays where it was, the pointer goes on, and the count is right."""
    rig.ready()
    with socket.socket(socket.AF_UNIX) as slow:
        slow.settimeout(20)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(control_path(str(rig.socket)))
        slow.sendall(b'{"do": "monitor"}\n')
        lines = slow.makefile("rb")
        assert json.loads(lines.readline())["ok"]
        before, count = rig.memory_kib(), 40_000
        for start in range(0, count, 1000):
            rig.host.send(*(wire.mouse(start % 1000, i % 700) for i in range(1000)))
        rig.host.fence()
        assert rig.memory_kib() - before < 8 * 1024
        seen = dropped = 0
        while not dropped:
            line = json.loads(lines.readline())
            dropped = line.get("dropped", 0)
            seen += line.get("type") == Port.MOUSE_STATE and line["wire"] == "port"
        # Of what was dropped two are the fence: a question of the host and its answer.
        assert seen < count
        fence = 2 + 1  # and the question is passed on to the session
        assert seen + dropped == count + fence
        rig.host.send(wire.mouse(1, 1))
        assert json.loads(lines.readline())["type"] == Port.MOUSE_STATE


def test_when_the_last_one_has_gone_nothing_is_left(rig: Rig) -> None:
    agent = rig.ready()
    monitor = Monitor(rig)
    monitor.end()
    paste(rig, agent, "text")
    with socket.socket(socket.AF_UNIX) as twice:
        twice.settimeout(10)
        twice.connect(control_path(str(rig.socket)))
        twice.sendall(b'{"do": "monitor"}\n{"do": "monitor"}\n')
        lines = twice.makefile("rb")
        answers = [json.loads(lines.readline())["ok"] for _ in range(2)]
    assert answers == [True, False]
    rig.still_serves(agent)


def test_the_daemon_ends(rig: Rig) -> None:
    monitor = Monitor(rig)
    rig.end()
    assert monitor.process.wait(10) == 1
    assert monitor.log.read_text().endswith("control: the daemon has hung up\n")


def test_an_existing_file_is_left_alone(rig: Rig) -> None:
    there = rig.directory / "there"
    there.write_text("mine")
    argv = [*program("monitor"), "-S", str(rig.socket), "--record", str(there)]
    done = subprocess.run(argv, capture_output=True, timeout=20, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"vdagent monitor: monitor: cannot record to {there}: File exists\n"
    assert there.read_text() == "mine"


def test_only_root_may_watch() -> None:
    require_root("to be somebody else")
    with tempfile.TemporaryDirectory() as directory, Rig(Path(directory)) as rig:
        path = control_path(str(rig.socket))
        wait_for(lambda: os.path.exists(path), what="the control socket")
        os.chmod(directory, 0o755)
        os.chmod(path, 0o666)
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(10)
            os.seteuid(65534)  # the peer credentials are those of connect()
            try:
                other.connect(path)
            finally:
                os.seteuid(0)
            other.sendall(b'{"do": "monitor"}\n')
            answer = json.loads(other.makefile("rb").readline())
    assert answer == {"ok": False, "error": "control: only root may do that", "hint": "sudo"}
