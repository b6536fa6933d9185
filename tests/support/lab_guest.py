# SPDX-License-Identifier: MIT
"""How does a test get a whole guest: lab, viewer, X desktop, daemon and session?

E2E_AGENT=c in the environment puts the C peer's programs in place of ours, c-daemon or c-session one of
them. The tests that hold for both then say whether the lab and the tests themselves are right, and
whether either half of ours serves a real viewer with the other's.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

from tests.support.processes import spawn, stop, wait_for
from vdagent.lab.desktop import XDesktop, XPrograms
from vdagent.lab.lab_process import LabProcess
from vdagent.lab.viewer_process import ViewerProcess

_AGENT: Final = os.environ.get("E2E_AGENT", "ours")
C_DAEMON: Final = _AGENT in ("c", "c-daemon")
C_SESSION: Final = _AGENT in ("c", "c-session")
C_PEER: Final = C_DAEMON or C_SESSION

DAEMON: Final = (
    ("/usr/sbin/spice-vdagentd",) if C_DAEMON else (sys.executable, "-m", "vdagent", "daemon")
)
SESSION: Final = (
    ("/usr/bin/spice-vdagent",) if C_SESSION else (sys.executable, "-m", "vdagent", "session")
)

EV_SYN, EV_KEY, EV_REL, EV_ABS = range(4)
ABS_X, ABS_Y = 0, 1
REL_WHEEL: Final = 8
BTN_LEFT: Final = 0x110

_INPUT_EVENT: Final = struct.Struct("<qqHHi")


class InputEvent(NamedTuple):
    """What the fake uinput device was told (struct input_event without its time)."""

    type: int
    code: int
    value: int


class Guest:
    """Programs around one lab; each is started by the method of its name."""

    desktop: XPrograms

    def __init__(self, directory: Path, *lab_options: str) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.socket = directory / "agent"
        self.fifo = directory / "uinput"
        self._stack = ExitStack()
        self._options = lab_options
        self._events: list[InputEvent] = []

    def __enter__(self) -> Self:
        with self._stack as stack:
            os.mkfifo(self.fifo)
            self._uinput = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
            stack.callback(os.close, self._uinput)
            self.desktop = stack.enter_context(self._new_desktop())
            self.desktop.environment |= {
                "HOME": str(self.directory),
                "XDG_RUNTIME_DIR": str(self.directory),
                "XDG_CONFIG_HOME": str(self.directory),
            }
            self.desktop.environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
            self.lab = stack.enter_context(LabProcess(*self._options))
            self.viewer = self.new_viewer()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _new_desktop(self) -> XDesktop:
        return XDesktop(self.directory / "x.log")

    def new_viewer(self) -> ViewerProcess:
        return self._stack.enter_context(ViewerProcess())

    def daemon(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the daemon and wait for its socket."""
        where = ("-s", self.lab.port, "-S", self.socket, "-u", self.fifo)
        process = spawn([*DAEMON, "-x", "-X", "-f", *where, *options], log=self.log)
        self._stack.callback(stop, process)
        wait_for(self.socket.exists, 30, f"daemon's socket; see {self.log}")
        return process

    def session(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the session agent on the X desktop."""
        where = ("-s", self.lab.port, "-S", self.socket)
        process = spawn(
            [*SESSION, "-x", *where, *options], log=self.log, env=self.desktop.environment
        )
        self._stack.callback(stop, process)
        return process

    def one_more_session(self, **environment: str) -> str:
        """What the session agent says that is started while one runs, in an environment of its own."""
        argv = [*SESSION, "-x", "-s", self.lab.port, "-S", str(self.socket)]
        own = self.desktop.environment | environment
        done = subprocess.run(argv, env=own, capture_output=True, text=True, timeout=20, check=True)
        return done.stderr.strip()

    def start(self) -> Self:
        """Everything, until the viewer has seen the agent's announcement."""
        self.viewer.connect(self.lab.uri)
        self.daemon()
        self.session()
        self.viewer.wait_announced()
        return self

    def input_events(self) -> list[InputEvent]:
        """All pointer events so far."""
        try:
            data = os.read(self._uinput, 1 << 16)
        except BlockingIOError:
            data = b""
        self._events += [InputEvent(*fields[2:]) for fields in _INPUT_EVENT.iter_unpack(data)]
        return self._events

    def copy(self, data: bytes, target: str = "UTF8_STRING", selection: str = "clipboard") -> int:
        """Copy on the desktop and wait until the viewer has the offer; its place."""
        since = self.viewer.mark()
        self._stack.callback(stop, self.desktop.copy(data, target, selection))
        self.viewer.wait("guest-grab", since=since, predicate=lambda e: e["selection"] == selection)
        return since

    def offered(self, target: str, selection: str = "clipboard") -> None:
        """Wait until programs on the desktop see that the viewer offers `target`."""
        wait_for(
            lambda: target in self.desktop.targets(selection),
            10,
            f"offer of {target} on the desktop",
        )
