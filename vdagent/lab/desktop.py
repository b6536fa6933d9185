# SPDX-License-Identifier: MIT
"""Where do the demo and tests get a guest desktop from? A private X server without a screen."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
from pathlib import Path
from typing import Final, Self

from ..errors import SystemFault
from .children import die_with_parent, stop

Child = subprocess.Popen[bytes]

# Xvfb changes its resolution up to the size it was started with.
LARGEST: Final = (1920, 1200)

_START_TIMEOUT_S: Final = 10.0


class XPrograms:
    """Programs on the X server `display`; `environment` is theirs."""

    def __init__(self, display: str) -> None:
        self.display = display
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("WAYLAND_DISPLAY", "XAUTHORITY", "XDG_SESSION_ID", "XDG_SESSION_TYPE")
        } | {"DISPLAY": display}

    def run(self, *argv: str, stdin: bytes = b"", timeout_s: float = 20.0) -> bytes:
        """What a program on this desktop prints; SystemFault if it fails or takes too long."""
        try:
            done = subprocess.run(
                argv,
                input=stdin,
                env=self.environment,
                capture_output=True,
                timeout=timeout_s,
                check=True,
                preexec_fn=die_with_parent,
            )
        except FileNotFoundError as error:
            raise SystemFault(f"{argv[0]} is not there") from error
        except subprocess.TimeoutExpired as error:
            raise SystemFault(f"{argv[0]} took more than {timeout_s:g} s") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise SystemFault(f"{argv[0]} failed", said or f"status {error.returncode}") from error
        return done.stdout

    def copy(self, data: bytes, target: str, selection: str = "clipboard") -> Child:
        """Own a selection with `data`, until the program that is returned ends."""
        return self.start("xclip", "-quiet", "-selection", selection, "-t", target, stdin=data)

    def paste(self, target: str, selection: str = "clipboard", timeout_s: float = 20.0) -> bytes:
        """What a program gets that pastes now."""
        argv = ("xclip", "-o", "-selection", selection, "-t", target)
        return self.run(*argv, timeout_s=timeout_s)

    def targets(self, selection: str = "clipboard") -> list[str]:
        """The targets that the selection's owner offers; none if there is no owner."""
        try:
            return self.paste("TARGETS", selection).decode().split()
        except SystemFault:
            return []

    def start(self, *argv: str, stdin: bytes | None = None) -> Child:
        """A program that goes on running on this desktop; `stdin` is all that it is told."""
        process = self.start_listener(*argv)
        if process.stdin is not None:
            process.stdin.write(stdin or b"")
            process.stdin.close()
        return process

    def start_listener(self, *argv: str) -> Child:
        """A program that goes on running and whose standard input stays open."""
        return subprocess.Popen(
            argv,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )

    def size(self) -> tuple[int, int]:
        """The desktop's size as xrandr tells it."""
        shown = self.run("xrandr", "--query").decode()
        match = re.search(r"current (\d+) x (\d+)", shown)
        if match is None:
            raise SystemFault("xrandr says no size")
        return int(match[1]), int(match[2])


class XDesktop(XPrograms):
    """An Xvfb at a display number that was free."""

    def __init__(self, log: Path) -> None:
        if (xvfb := shutil.which("Xvfb")) is None:
            raise SystemFault("Xvfb is not there", "on Debian: apt install xvfb")
        reader, writer = os.pipe()
        width, height = LARGEST
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [
                    *(xvfb, "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24"),
                    *("-nolisten", "tcp", "-noreset", "+extension", "RANDR"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                pass_fds=(writer,),
                preexec_fn=die_with_parent,
            )
        os.close(writer)
        super().__init__(f":{self._number(reader)}")

    def _number(self, reader: int) -> str:
        with os.fdopen(reader, "rb") as pipe:
            ready, _, _ = select.select([pipe], [], [], _START_TIMEOUT_S)
            number = pipe.readline().decode().strip() if ready else ""
        if not number:
            stop(self._process)
            raise SystemFault("Xvfb does not start")
        return number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        stop(self._process)
