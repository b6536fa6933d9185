# SPDX-License-Identifier: MIT
"""How does a test get a whole guest whose desktop is sway or KWin, without any X server?"""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.support import compositors
from tests.support.lab_guest import Guest
from tests.support.processes import spawn


class WaylandDesktop:
    """A compositor's guest programs, with the methods of `vdagent.lab.desktop.XDesktop`."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)  # sway runs as another user
        starter = {"sway": compositors.sway, "kwin": compositors.kwin}[self._kind]
        self.compositor = self._stack.enter_context(starter(directory, 1))
        self.environment = self.compositor.environment | {
            "WAYLAND_DISPLAY": str(self.compositor.socket)
        }
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

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

    def __init__(self, directory: Path, kind: str, *lab_options: str) -> None:
        super().__init__(directory, *lab_options)
        self._kind = kind

    def _new_desktop(self) -> Any:
        return WaylandDesktop(self._kind)


def _primary(selection: str) -> list[str]:
    return ["--primary"] if selection == "primary" else []
