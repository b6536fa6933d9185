# SPDX-License-Identifier: MIT
"""How does a test get a whole guest whose desktop is sway, KWin or Mutter, without any X server?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Self

from tests.support import compositors
from tests.support.lab_guest import Guest
from tests.support.processes import spawn, stop, wait_for

STARTERS: dict[str, Callable[[Path], AbstractContextManager[compositors.Compositor]]] = {
    "sway": lambda directory: compositors.sway(directory, 1),
    "kwin": lambda directory: compositors.kwin(directory, 1),
    "mutter": compositors.mutter,
}


class WaylandDesktop:
    """A compositor's guest programs, with the methods of `vdagent.lab.desktop.XDesktop`."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)  # sway runs as another user
        self.compositor = self._stack.enter_context(STARTERS[self._kind](directory))
        if self._kind == "mutter":
            self._stack.callback(stop, self._add_keyboard(directory / "keyboard.log"))
        self.environment = self.compositor.environment | {
            "WAYLAND_DISPLAY": str(self.compositor.socket)
        }
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _add_keyboard(self, log: Path) -> subprocess.Popen[bytes]:
        address = self.compositor.environment["DBUS_SESSION_BUS_ADDRESS"]
        module = "tests.support.mutter_keyboard"
        here = Path(__file__).parents[2]
        process = spawn([sys.executable, "-m", module, address], log=log, cwd=here)
        wait_for(lambda: b"ready" in log.read_bytes(), 20, "Mutter's keyboard")
        return process

    def copy(self, data: bytes, mime: str, selection: str = "clipboard") -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            argv = ["wl-copy", "-f", "-t", mime, *_primary(selection)]
            return spawn(argv, stdin=file, env=self.environment)

    def paste(self, mime: str, selection: str = "clipboard") -> bytes:
        return self._run("wl-paste", "-n", "-t", mime, *_primary(selection))

    def targets(self, selection: str = "clipboard") -> list[str]:
        try:
            return self._run("wl-paste", "-l", *_primary(selection), timeout_s=2).decode().split()
        except subprocess.SubprocessError:
            return []

    def size(self) -> tuple[int, int]:
        outputs: Any = json.loads(self._run("swaymsg", "-r", "-t", "get_outputs"))
        mode = outputs[0]["current_mode"]
        return mode["width"], mode["height"]

    def _run(self, *argv: str, timeout_s: float = 20.0) -> bytes:
        return subprocess.run(
            argv, env=self.environment, capture_output=True, timeout=timeout_s, check=True
        ).stdout


class WaylandGuest(Guest):
    """A guest with such a desktop."""

    desktop: Any  # a WaylandDesktop, which has the methods of the one on X

    def __init__(self, directory: Path, kind: str, *lab_options: str) -> None:
        super().__init__(directory, *lab_options)
        self._kind = kind

    def _new_desktop(self) -> Any:
        return WaylandDesktop(self._kind)

    def __enter__(self) -> Self:
        super().__enter__()
        compositor = self.desktop.compositor
        if address := compositor.environment.get("DBUS_SESSION_BUS_ADDRESS"):
            self.desktop.environment["DBUS_SESSION_BUS_ADDRESS"] = address
        return self


def _primary(selection: str) -> list[str]:
    return ["--primary"] if selection == "primary" else []
