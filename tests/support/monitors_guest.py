# SPDX-License-Identifier: MIT
"""How does a test get a whole guest with several monitors? Its X server has 16 outputs."""

from __future__ import annotations

import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.support.lab_guest import Guest
from tests.support.processes import stop, wait_control
from tests.support.xservers import xorg_dummy
from vdagent.control import ask, control_path
from vdagent.lab.desktop import XPrograms

Place = tuple[int, int, int, int]  # width, height, x, y


class XorgDesktop(XPrograms):
    """An Xorg without hardware; DUMMY0 is on with 1024x768."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        super().__init__(self._stack.enter_context(xorg_dummy(self._directory)).display)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def monitors(self) -> dict[int, Place]:
        """Where each output that is on shows the desktop, by its number."""
        shown = re.findall(
            r"^DUMMY(\d+) connected (?:primary )?(\d+)x(\d+)\+(\d+)\+(\d+)",
            self.run("xrandr", "--query").decode(),
            re.MULTILINE,
        )
        return {int(number): (int(w), int(h), int(x), int(y)) for number, w, h, x, y in shown}


class MonitorsGuest(Guest):
    """A guest with such a desktop."""

    desktop: XorgDesktop

    def _new_desktop(self) -> Any:
        return XorgDesktop(self.directory)

    def start(self) -> Self:
        super().start()
        wait_control(self.socket)
        return self

    def session(self, *options: str) -> subprocess.Popen[bytes]:
        self._agent = super().session(*options)
        return self._agent

    def restart_session(self) -> None:
        """The session agent ends, and another one starts."""
        stop(self._agent)
        self.session()

    def reported(self) -> dict[int, Place]:
        """The monitors that the session agent has reported to the daemon, by display id."""
        status = ask(control_path(str(self.socket)), {"do": "status"})["status"]
        active = [session["desktop"] for session in status["sessions"] if session["active"]]
        return {
            monitor["display"]: (
                *(monitor["width"], monitor["height"]),
                *(monitor["x"], monitor["y"]),
            )
            for desktop in active
            for monitor in desktop["monitors"]
        }
