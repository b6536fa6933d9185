# SPDX-License-Identifier: MIT
"""Do the programs import what they need for their start, and nothing else?

By module list, not by time. What asyncio, logging and dataclasses import by themselves differs between
versions of Python; everything else is named here, so that whoever adds to it sees that it costs.
"""

from __future__ import annotations

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
from vdagent.lean import SELDOM

BOTH = """
    __future__ fcntl gc importlib.machinery importlib.util
    vdagent vdagent.cli vdagent.lean vdagent.options vdagent.errors vdagent.log vdagent.daemonise
    vdagent.backends vdagent.backends.base vdagent.handlers
    vdagent.protocol vdagent.protocol.capabilities vdagent.protocol.constants vdagent.protocol.events
    vdagent.protocol.framing vdagent.protocol.messages vdagent.protocol.messages.audio
    vdagent.protocol.messages.base vdagent.protocol.messages.clipboard
    vdagent.protocol.messages.display vdagent.protocol.messages.file_transfer
    vdagent.protocol.messages.mouse vdagent.protocol.messages.session vdagent.protocol.record
    vdagent.protocol.udscs vdagent.protocol.udscs_connection
    importlib._abc vdagent.transport.peers vdagent.transport vdagent.transport.link vdagent.transport.unix_socket
"""
DAEMON = """
    vdagent.daemon vdagent.admission vdagent.agent_link vdagent.host_link
    vdagent.handlers.clipboard_routing vdagent.handlers.file_routing vdagent.handlers.host
    vdagent.handlers.mouse vdagent.handlers.relay vdagent.handlers.sessions
    vdagent.protocol.chunks vdagent.protocol.host_connection
    vdagent.transport.holders vdagent.transport.virtio_port
    vdagent.backends.uinput
"""
SESSION = """
    vdagent.session vdagent.single vdagent.daemon_link vdagent.desktops zlib
    vdagent.handlers.clipboard vdagent.handlers.displays vdagent.handlers.file_list
    vdagent.handlers.file_progress vdagent.handlers.file_transfer vdagent.handlers.follow
    vdagent.handlers.formats vdagent.handlers.key_file vdagent.handlers.pastes
    vdagent.handlers.resolution vdagent.handlers.volume
    vdagent.backends.drm vdagent.backends.split vdagent.backends.webdav
"""
X11 = """
    vdagent.backends.x11 vdagent.backends.x11.arrange vdagent.backends.x11.authority
    vdagent.backends.x11.clipboard vdagent.backends.x11.connection vdagent.backends.x11.desktop
    vdagent.backends.x11.incr vdagent.backends.x11.modes vdagent.backends.x11.owner
    vdagent.backends.x11.randr vdagent.backends.x11.requestor vdagent.backends.x11.screen
    vdagent.backends.x11.targets vdagent.backends.x11.wire vdagent.backends.logical
    Xlib Xlib.X Xlib.Xatom Xlib.error Xlib.ext Xlib.ext.ge Xlib.ext.randr Xlib.ext.xfixes
    Xlib.protocol Xlib.protocol.display Xlib.protocol.event Xlib.protocol.request Xlib.protocol.rq
    Xlib.protocol.structs Xlib.support Xlib.support.connect Xlib.support.lock six
"""
GIVEN = (
    "from vdagent import lean; lean.before_imports();"
    "import asyncio, contextlib, dataclasses, enum, logging, struct, typing"
)


@pytest.fixture(autouse=True)
def importtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")


def _imported(said: str) -> set[str]:
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", said, re.MULTILINE))


def _added(said: str) -> set[str]:
    """What was imported beyond what comes with every asyncio program."""
    argv = [sys.executable, "-c", GIVEN]
    given = subprocess.run(argv, capture_output=True, text=True, check=True).stderr
    return _imported(said) - _imported(given)


def test_of_the_daemon(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.agent()
        rig.host.expect(Port.ANNOUNCE)
        rig.end()
        said = rig.log.read_text()
    assert "vdagent.daemon" in _imported(said)
    assert _added(said) <= {*BOTH.split(), *DAEMON.split()}
    assert not _imported(said) & set(SELDOM)


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
    assert "vdagent.session" in _imported(said)
    assert _added(said) <= {*BOTH.split(), *SESSION.split(), *X11.split()}
    assert not _imported(said) & set(SELDOM)
