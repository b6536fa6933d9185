# SPDX-License-Identifier: MIT
"""How are a daemon, a session on a private X server and a scripted viewer put together?

Daemon and session may each be ours or the C peer's: `Desk(directory, "C", "ours")`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

from tests.support import wire
from tests.support.processes import spawn, stop, wait_for
from tests.support.rig import Rig, program
from tests.support.tools import require
from tests.support.wire import Port
from tests.support.xservers import xvfb

SELECTIONS = ("clipboard", "primary")
STEP_S = 10.0


class Desk:
    """A viewer's host, a daemon, a session and its X server; a context manager."""

    def __init__(self, directory: Path, daemon: str, session: str) -> None:
        require("Xvfb", "xclip", "xrandr")
        self.directory, self.kinds = directory, (daemon, session)
        self._closing = contextlib.ExitStack()
        self.received = directory / "received"
        self.received.mkdir()
        self.display = self._closing.enter_context(xvfb(directory)).display
        self.rig = self._closing.enter_context(Rig(directory, daemon))
        self.host = self.rig.host
        self.start_session()
        self._owners: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def env(self) -> dict[str, str]:
        """Nothing of the desktop the tests run on."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.directory),
            "DISPLAY": self.display,
            "LC_ALL": "C.UTF-8",
            "GDK_BACKEND": "x11",
            "NO_AT_BRIDGE": "1",
        }

    def start_session(self) -> None:
        """Start the session agent."""
        if self.kinds[1] == "C":
            require("spice-vdagent")
            argv = ["/usr/bin/spice-vdagent"]
        else:
            argv = program("session")
        argv += ["-x", "-s", str(self.directory / "port"), "-S", str(self.rig.socket)]
        argv += ["-f", str(self.received), "-o", "0"]
        self.session = spawn(argv, log=self.directory / "session.log", env=self.env)
        self._closing.callback(stop, self.session)

    # -- what users of the guest do --------------------------------------------------------------

    def copy(self, data: bytes, target: str = "UTF8_STRING", selection: int = 0) -> None:
        """An X program owns the selection from now on."""
        path = self.directory / f"copied-{time.monotonic_ns()}"
        path.write_bytes(data)
        argv: list[str | Path] = [
            "xclip",
            "-quiet",
            "-selection",
            SELECTIONS[selection],
            "-t",
            target,
            "-i",
            path,
        ]
        self._owners[SELECTIONS[selection]] = process = spawn(argv, env=self.env)
        self._closing.callback(stop, process)

    def owner_exits(self, selection: int = 0) -> None:
        """The program that copied ends."""
        stop(self._owners.pop(SELECTIONS[selection]))

    def paste(self, target: str = "UTF8_STRING", selection: int = 0) -> subprocess.Popen[bytes]:
        """An X program pastes: read its answer with `pasted`."""
        argv = ["xclip", "-selection", SELECTIONS[selection], "-t", target, "-o"]
        process = spawn(argv, env=self.env, stdout=subprocess.PIPE)
        self._closing.callback(stop, process)
        return process

    def pasted(self, process: subprocess.Popen[bytes]) -> bytes:
        """What came out of a paste."""
        return process.communicate(timeout=STEP_S)[0]

    def targets(self, selection: int = 0) -> list[str]:
        """What X programs find on offer."""
        return self.pasted(self.paste("TARGETS", selection)).decode().split()

    def wait_offer(self, target: str, selection: int = 0, *, gone: bool = False) -> None:
        """Until the viewer's offer has arrived at the X server, or left it."""
        wait_for(
            lambda: (target in self.targets(selection)) != gone,
            STEP_S,
            f"{target} {'leaves' if gone else 'arrives'}",
        )

    def size(self) -> str:
        """The desktop's size as X programs see it."""
        run = subprocess.run(["xrandr"], env=self.env, capture_output=True, text=True, timeout=10)
        return run.stdout.partition("current ")[2].partition(",")[0].replace(" ", "")

    # -- what the viewer does --------------------------------------------------------------------

    def greet(self) -> None:
        """The viewer connects."""
        self.host.greet()

    def offered(self, selection: int = 0) -> list[int]:
        """The types of the guest's next offer for this selection."""
        while True:
            body = self.host.until(Port.GRAB)
            if body[0] == selection:
                types = memoryview(body)[8:].cast("I").tolist()
                return list(types)

    def fetch(self, type_: int, selection: int = 0) -> bytes:
        """The viewer pastes."""
        self.host.send(wire.request(type_, selection))
        return self.host.until(Port.CLIPBOARD)[8:]

    def hand_over(self, data: bytes, type_: int, selection: int = 0) -> None:
        """The viewer answers a paste of the guest, which has to ask first."""
        assert self.host.until(Port.REQUEST) == wire.u32(selection, type_)
        self.host.send(wire.clipboard(data, type_, selection))

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *args: object) -> None:
        self._closing.close()
