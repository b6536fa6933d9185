# SPDX-License-Identifier: MIT
"""How much of a figure is the kernel's and nobody can save? The system calls alone, in C (floor.c)."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench import accounting
from bench.peers import Host
from bench.rig import Subject, make_fifo, start
from tests.support.processes import stop

SUBJECT = Subject("floor", "", "")


@functools.cache
def _program() -> Path:
    """The compiled program; it goes with this process."""
    directory = tempfile.TemporaryDirectory(prefix="bench-floor-")
    _kept.append(directory)
    program = Path(directory.name, "floor")
    source = Path(__file__).with_name("floor.c")
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    return program


_kept: list[tempfile.TemporaryDirectory[str]] = []


class Floor:
    """The program between a host and a tablet, or between a host and a session; like a Rig."""

    def __init__(self, *, relay: bool = False) -> None:
        self._closing = contextlib.ExitStack()
        directory = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        self.directory = directory
        self.host = Host(directory / "port")
        self._closing.callback(self.host.close)
        self.uinput_fd = -1
        self.session = self.host
        if relay:
            self.session = Host(directory / "out")
            self._closing.callback(self.session.close)
        else:
            self.uinput_fd = make_fifo(directory / "out", self._closing)
        argv = [_program(), "relay" if relay else "pointer", directory / "port", directory / "out"]
        self.daemon = start(argv, directory / "log")
        self._closing.callback(stop, self.daemon)
        self.host.accept()
        if relay:
            self.session.accept()

    @staticmethod
    def available() -> bool:
        return shutil.which("cc") is not None

    def cpu_s(self) -> float:
        return accounting.cpu_s(self.daemon.pid)

    def __enter__(self) -> Floor:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
