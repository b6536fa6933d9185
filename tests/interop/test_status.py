# SPDX-License-Identifier: MIT
"""Does `vdagent status` tell what is going on, to those it concerns, and never what is in it?"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.report import DEADLINE_S, environment, status
from tests.support import wire
from tests.support.agent_processes import AgentProcess
from tests.support.login_rig import ANNA
from tests.support.processes import spawn, stop, wait_control, wait_for
from tests.support.rig import FACTS_S, Rig, program
from tests.support.wire import PNG, TEXT, Port, Uds, message, u32
from tests.support.xservers import xvfb
from vdagent.control import ask, control_path
from vdagent.errors import SessionError

SECRET = b"correct horse battery staple"
ROOT = os.geteuid() == 0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        wait_control(rig.socket)
        yield rig


def text(rig: Rig) -> str:
    argv = [*program("status"), "-S", str(rig.socket)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_nobody_is_there(rig: Rig) -> None:
    found = status(rig.socket)
    assert found["pid"] == rig.daemon.pid and found["uptime_s"] < 60
    assert found["sessions"] == found["transfers"] == []
    assert not found["port"]["open"] and found["port"]["problem"] is None
    assert found["host"]["kind"] is None and not found["host"]["client_connected"]
    assert found["clipboard"]["clipboard"]["owner"] is None
    assert "no viewer has announced itself" in text(rig)


def test_the_viewer_and_what_it_can(rig: Rig) -> None:
    rig.ready()
    host = status(rig.socket)["host"]
    assert host["kind"] == "spice" and 0 <= host["connected_s"] < 60
    assert {"clipboard_by_demand", "monitors_config"} <= set(host["capabilities"])
    assert host["messages"]["announce_capabilities"] == 2
    rig.host.send(message(Port.MAX_CLIPBOARD, u32(1000)))
    rig.host.fence()
    assert status(rig.socket)["host"]["max_clipboard"] == 1000
    assert "clipboard up to 1000 bytes; it can mouse_state, " in text(rig)
    rig.host.send(message(Port.CLIENT_DISCONNECTED))
    rig.host.fence()
    assert not status(rig.socket)["host"]["client_connected"]


def test_who_owns_what_since_when_and_how_large_but_not_what(rig: Rig) -> None:
    agent = rig.ready()
    agent.say(Uds.GRAB, 0, 0, u32(TEXT, PNG))
    rig.host.until(Port.GRAB)
    rig.host.send(wire.request(TEXT))
    agent.until(Uds.REQUEST)
    agent.say(Uds.DATA, 0, TEXT, SECRET)
    rig.host.until(Port.CLIPBOARD)
    rig.host.send(wire.grab(0, TEXT, selection=1))
    agent.until(Uds.GRAB)
    agent.say(Uds.REQUEST, 1, TEXT)
    rig.host.until(Port.REQUEST)
    rig.host.send(wire.clipboard(SECRET * 10_000, selection=1))
    agent.until(Uds.DATA)
    found = status(rig.socket)
    clipboard, primary = found["clipboard"]["clipboard"], found["clipboard"]["primary"]
    assert (clipboard["owner"], clipboard["types"]) == ("guest", ["utf8_text", "image_png"])
    assert clipboard["sizes"] == {"utf8_text": len(SECRET)}
    assert (primary["owner"], primary["types"]) == ("client", ["utf8_text"])
    assert primary["sizes"] == {"utf8_text": 10_000 * len(SECRET)}
    assert found["counters"]["clipboard_bytes"] == {
        "to_guest": 10_000 * len(SECRET),
        "to_host": len(SECRET),
    }
    told = text(rig)
    assert "the guest's for" in told and f"utf8_text ({len(SECRET)} bytes), image_png" in told
    assert "the viewer's for" in told and "utf8_text (273 KiB)" in told
    assert SECRET.decode() not in told + json.dumps(found)
    age = clipboard["since_s"]
    wait_for(
        lambda: status(rig.socket)["clipboard"]["clipboard"]["since_s"] > age + 0.5, 10, "its age"
    )
    copied = time.monotonic()
    agent.say(Uds.GRAB, 0, 0, u32(TEXT))  # a new copy
    rig.host.until(Port.GRAB)
    again = status(rig.socket)["clipboard"]["clipboard"]
    assert again["since_s"] < time.monotonic() - copied + 0.1 and again["sizes"] == {}


def test_types_without_a_name_and_hostile_sizes(rig: Rig) -> None:
    agent = rig.ready()
    agent.say(Uds.GRAB, 0, 0, u32(77, TEXT))
    rig.host.until(Port.GRAB)
    for type_ in range(1000, 1200):  # answers to what nobody asked
        agent.say(Uds.DATA, 0, type_, b"x")
    agent.fence()
    selection = status(rig.socket)["clipboard"]["clipboard"]
    assert selection["types"] == ["77", "utf8_text"] and selection["sizes"] == {}


def test_files_whose_names_have_no_end(rig: Rig) -> None:
    """As many as there can be at once; the status stays one that can be read."""
    agent = rig.ready()
    for id_ in range(128):
        body = b"[vdagent-file-xfer]\nname=" + b"x" * 60_000 + b"\nsize=1000\n"
        rig.host.send(message(Port.FILE_START, u32(id_) + body))
        agent.until(Uds.FILE_START)
    found = status(rig.socket)
    assert [len(file["name"]) for file in found["transfers"]] == [255] * 128
    assert len(json.dumps(found)) < 100_000


def test_a_file_on_its_way(rig: Rig) -> None:
    agent = rig.ready()
    body = b"[vdagent-file-xfer]\nname=plan\\s\x1b[31mB.pdf\nsize=1000\n"
    rig.host.send(message(Port.FILE_START, u32(7) + body))
    agent.until(Uds.FILE_START)
    agent.send(wire.frame(Uds.FILE_STATUS, 7, 0))
    rig.host.until(Port.FILE_STATUS)
    rig.host.send(message(Port.FILE_DATA, u32(7) + (250).to_bytes(8, "little") + bytes(250)))
    agent.until(Uds.FILE_DATA)
    (transfer,) = status(rig.socket)["transfers"]
    assert (transfer["size"], transfer["received"]) == (1000, 250)
    told = text(rig)
    assert "25 % of 1000 bytes" in told and "\x1b" not in told
    rig.host.send(message(Port.FILE_DATA, u32(7) + (750).to_bytes(8, "little") + bytes(750)))
    agent.until(Uds.FILE_DATA)
    agent.send(wire.frame(Uds.FILE_STATUS, 7, 3))
    rig.host.until(Port.FILE_STATUS)
    found = status(rig.socket)
    assert found["transfers"] == [] and found["counters"]["files"] == {"received": 1, "failed": 0}
    rig.host.send(message(Port.FILE_START, u32(8) + body))
    agent.until(Uds.FILE_START)
    agent.send(wire.frame(Uds.FILE_STATUS, 8, 2))
    rig.host.until(Port.FILE_STATUS)
    assert status(rig.socket)["counters"]["files"] == {"received": 1, "failed": 1}


def test_pointer_and_messages_are_counted(rig: Rig) -> None:
    agent = rig.ready()
    before = status(rig.socket)["counters"]
    for x in range(10):
        rig.host.send(wire.mouse(x, 5))
    rig.host.send(wire.request(TEXT))
    agent.say(Uds.RELEASE, 0)
    rig.host.fence()
    agent.fence()
    after = status(rig.socket)["counters"]
    assert after["pointer_events"] == before["pointer_events"] + 10
    assert after["from_host"]["clipboard_request"] == 1
    assert after["from_sessions"]["clipboard_release"] == 1


def test_what_went_wrong_last(rig: Rig) -> None:
    agent = rig.ready()
    rig.host.send(message(99, b"?"))
    rig.host.fence()
    agent.fence()
    error = status(rig.socket)["last_error"]
    assert "unknown message type 99" in error["text"] and error["age_s"] < 60
    assert "last error host: skipped unknown message type 99" in text(rig)


def test_a_real_session_tells_its_backends(rig: Rig, tmp_path: Path) -> None:
    with xvfb(tmp_path) as server:
        more = {"DISPLAY": server.display, "XDG_RUNTIME_DIR": str(tmp_path)}
        env = environment(**more, XDG_CURRENT_DESKTOP="Tests")
        argv = [*program("session"), "-x", "-s", str(tmp_path / "port"), "-S", str(rig.socket)]
        session = spawn(argv, log=tmp_path / "session.log", env=env)
        try:
            wait_for(
                lambda: any(s["backends"] for s in status(rig.socket)["sessions"]), FACTS_S, "it"
            )
            (found,) = status(rig.socket)["sessions"]
            told = text(rig)
        finally:
            stop(session)
    backends = {backend["part"]: backend for backend in found["backends"]}
    assert backends["CLIPBOARD"]["by"] == f"X11 at {server.display}"
    assert backends["CLIPBOARD"]["why"] == "no Wayland"
    assert backends["outputs"]["by"] == "RandR"
    assert (found["desktop_name"], found["active"], found["shares"]) == ("Tests", True, True)
    assert f"CLIPBOARD by X11 at {server.display}: no Wayland" in told


def test_watching(rig: Rig) -> None:
    """A line for each change, and none for the time."""
    argv = [*program("status"), "--watch", "--json", "-S", str(rig.socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout is not None
            lines = watching.stdout
            assert json.loads(lines.readline())["host"]["client_connected"] is False
            rig.ready()
            while not (found := json.loads(lines.readline()))["host"]["client_connected"]:
                pass
            before = found["uptime_s"]
            rig.end()
            while (found := json.loads(lines.readline()))["running"]:
                assert found["uptime_s"] >= before
            rig.start()
            while not json.loads(lines.readline())["running"]:
                pass
        finally:
            watching.terminate()


def test_without_a_daemon(tmp_path: Path) -> None:
    found = status(tmp_path / "none", code=1)
    assert set(found) == {"running", "error"}
    argv = [*program("status"), "-S", str(tmp_path / "none")]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S)
    assert run.returncode == 1
    assert "no answer at" in run.stdout and "vdagent doctor" in run.stdout


def test_wrong_usage() -> None:
    run = subprocess.run([*program("status"), "--wach"], capture_output=True, timeout=DEADLINE_S)
    assert run.returncode == 2 and b"--wach" in run.stderr


def of(uid: int, path: Path, question: dict[str, Any]) -> dict[str, Any]:
    """The answer another user gets."""
    process = AgentProcess(uid)
    try:
        connection = process.connect(path).connection
        assert connection is not None
        connection.sendall(json.dumps(question).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer: dict[str, Any] = json.loads(lines.readline())
            return answer
    finally:
        process.close()


def test_others_see_nothing_of_a_session_that_is_not_theirs(rig: Rig) -> None:
    agent = rig.ready()
    agent.say(Uds.GRAB, 0, 0, u32(TEXT))
    rig.host.until(Port.GRAB)
    rig.directory.chmod(0o755)
    rig.directory.parent.chmod(0o755)
    rig.directory.parent.parent.chmod(0o755)
    control = Path(control_path(str(rig.socket)))
    found = of(ANNA, control, {"do": "status"})["status"]
    if not ROOT:
        assert len(found["sessions"]) == 1  # we are the only user there is
        return
    assert found["sessions"] == [] and found["clipboard"] is found["transfers"] is None
    assert found["host"]["client_connected"] is True
    refused = of(ANNA, control, {"do": "probe"})
    assert not refused["ok"] and "only root and users with a session agent" in refused["error"]
    assert refused["hint"] == "sudo vdagent doctor --probe"


def test_only_session_agents_introduce_themselves(rig: Rig) -> None:
    """Not even root: who has no connection to the session socket is none."""
    control = Path(control_path(str(rig.socket)))
    with pytest.raises(SessionError, match="only a connected session agent"):
        ask(str(control), {"do": "session", "version": "1"})
    rig.ready()  # now this process is one
    assert ask(str(control), {"do": "session", "version": "7.7"})["ok"]
    (session,) = status(rig.socket)["sessions"]
    assert session["version"] == "7.7"


@pytest.mark.parametrize("wait", [-1, 61, "x", True, None])
def test_a_probe_with_nonsense_is_refused(rig: Rig, wait: Any) -> None:
    with pytest.raises(SessionError, match="clipboard_s"):
        ask(control_path(str(rig.socket)), {"do": "probe", "clipboard_s": wait})
