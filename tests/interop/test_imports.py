# SPDX-License-Identifier: MIT
"""Do the programs import what they need for their start, and nothing else?

By module list, not by time. What asyncio, logging and dataclasses import by themselves differs between
versions of Python; what else is not ours is named here, so that whoever adds to it sees that it costs.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import spawn, stop, wait_for
from tests.support.rig import Rig, program
from tests.support.wire import Port
from tests.support.xservers import xvfb
from vdagent import single
from vdagent.lean import SELDOM

# Whoever needs more than asyncio, logging, dataclasses and struct.
DAEMON = "__future__ fcntl gc importlib.machinery importlib.util select"
SESSION = f"""
    {DAEMON} importlib._abc zlib
    Xlib Xlib.X Xlib.Xatom Xlib.error Xlib.ext Xlib.ext.ge Xlib.ext.randr Xlib.ext.xfixes
    Xlib.protocol Xlib.protocol.display Xlib.protocol.event Xlib.protocol.request Xlib.protocol.rq
    Xlib.protocol.structs Xlib.support Xlib.support.connect Xlib.support.lock six
"""
# Ours that wait until somebody asks, or until the first report is made.
LATER = r"(control|questions|state|status|watch|probe|doctor|lab|install|config\.(cli|commands|example))\b"
DAEMONS_BACKENDS = r"(base|uinput)$"
X11_BACKENDS = r"(base|drm|logical|mime|names|split|webdav|x11(\..*)?)$"
GIVEN = (
    "from vdagent import lean; lean.before_imports();"
    "import asyncio, contextlib, dataclasses, enum, logging, struct, typing"
)


@pytest.fixture(autouse=True)
def importtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")


def _imported(said: str) -> set[str]:
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", said, re.MULTILINE))


def _check(said: str, others: str, backends: str) -> None:
    argv = [sys.executable, "-c", GIVEN]
    given = subprocess.run(argv, capture_output=True, text=True, check=True).stderr
    added = _imported(said) - _imported(given)
    ours = {name for name in added if name.startswith("vdagent.")}
    assert "vdagent.transport.link" in ours
    assert added - ours <= {"vdagent", *others.split()}
    assert not {name for name in ours if re.match(rf"vdagent\.{LATER}", name)}
    used = {name.removeprefix("vdagent.backends.") for name in ours if ".backends." in name}
    assert not {name for name in used if not re.match(backends, name)}
    assert not _imported(said) & set(SELDOM)


def test_of_the_daemon(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.agent()
        rig.host.expect(Port.ANNOUNCE)
        rig.end()
        said = rig.log.read_text()
    # What comes behind the announcement is another matter.
    _check(said[: said.index("is open")], DAEMON, DAEMONS_BACKENDS)


def test_of_the_session(tmp_path: Path) -> None:
    log = tmp_path / "session.log"
    with xvfb(tmp_path) as server, Rig(tmp_path) as rig:
        env = {**os.environ, "DISPLAY": server.display, "XDG_RUNTIME_DIR": str(tmp_path)}
        env.pop("WAYLAND_DISPLAY", None)
        argv = [*program("session"), "-x", "-s", str(tmp_path / "port"), "-S", str(rig.socket)]
        session = spawn(argv, log=log, env=env)
        try:
            rig.host.expect(Port.ANNOUNCE)
            session.send_signal(signal.SIGTERM)
            wait_for(lambda: session.poll() is not None, what="the session's end")
        finally:
            stop(session)
    said = log.read_text()
    _check(said[: said.index("connected to")], SESSION, X11_BACKENDS)


def test_of_a_second_agent(tmp_path: Path) -> None:
    """The user unit and the autostart entry start one each: the loser is not to slow the desktop down."""
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    socket = str(tmp_path / "socket")
    argv = [*program("session"), "-x", "--no-port-check", "--display", ":1", "-S", socket]
    lock = tmp_path / f"vdagent-session-{single.name_of(':1', socket)}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = subprocess.run(argv, capture_output=True, text=True, env=env, check=True).stderr
    assert "another session agent serves this desktop already" in said
    ours = {name for name in _imported(said) if name.startswith("vdagent.")}
    few = ("cli", "display_names", "errors", "lean", "options", "programs", "single")
    assert ours == {f"vdagent.{name}" for name in few}
    assert "asyncio" not in _imported(said)
