# SPDX-License-Identifier: MIT
"""How does a test get an X server of its own: a small Xvfb, or an Xorg with 16 outputs?"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import spawn, stop
from tests.support.tools import require

START_S = 20.0

DUMMY_CONFIG = """\
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoEnableDevices" "false"
  Option "AutoAddGPU" "false"
  Option "DontVTSwitch" "true"
  Option "AllowMouseOpenFail" "true"
EndSection
Section "Device"
  Identifier "dummy"
  Driver "dummy"
  VideoRam 256000
EndSection
Section "Monitor"
  Identifier "monitor"
  HorizSync 5.0-1000.0
  VertRefresh 5.0-200.0
EndSection
Section "Screen"
  Identifier "screen"
  Device "dummy"
  Monitor "monitor"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Modes "1024x768"
    Virtual 8192 4096
  EndSubSection
EndSection
"""


class XServer(NamedTuple):
    """A running X server; `display` is its name, as in $DISPLAY."""

    display: str
    process: subprocess.Popen[bytes]


@contextmanager
def xvfb(directory: Path, size: str = "1920x1200", *options: str) -> Iterator[XServer]:
    """An Xvfb: one output "screen" with one CRTC, no larger than `size` for ever."""
    require("Xvfb")
    # Without -noreset the server forgets everything when its last client leaves.
    argv = ["Xvfb", "-screen", "0", f"{size}x24", "-noreset", *options]
    with started(directory, argv) as server:
        yield server


@contextmanager
def xorg_dummy(directory: Path) -> Iterator[XServer]:
    """An Xorg without hardware: outputs DUMMY0 to DUMMY15, the first one on with 1024x768."""
    require("Xorg")
    config = directory / "xorg.conf"
    config.write_text(DUMMY_CONFIG)
    argv = ["Xorg", "-config", str(config), "-logfile", str(directory / "Xorg.log")]
    argv += ["-noreset", "-novtswitch", "-sharevts"]
    with started(directory, argv) as server:
        yield server


@contextmanager
def started(
    directory: Path, argv: list[str], env: dict[str, str] | None = None
) -> Iterator[XServer]:
    """An X server of these arguments, at a display number that was free."""
    reading, writing = os.pipe()
    try:
        options = ["-displayfd", str(writing), "-nolisten", "tcp"]
        if "-auth" not in argv:
            options.append("-ac")
        log = directory / f"{argv[0]}.log"
        process = spawn([*argv, *options], log=log, env=env, pass_fds=[writing])
    finally:
        os.close(writing)
    try:
        yield XServer(":" + _display_number(reading, log), process)
    finally:
        os.close(reading)
        stop(process)


def _display_number(reading: int, log: Path) -> str:
    """The server writes its number and a newline once it takes connections."""
    number = b""
    while not number.endswith(b"\n"):
        ready, _, _ = select.select([reading], [], [], START_S)
        part = os.read(reading, 100) if ready else b""
        if not part:
            raise RuntimeError(f"the X server did not start: {log.read_text()[-2000:]}")
        number += part
    return number.decode().strip()
