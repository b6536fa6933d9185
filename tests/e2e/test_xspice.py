# SPDX-License-Identifier: MIT
"""Does Xspice work with our two programs in place of the C ones?

Xspice is an X server and a spice-server in one process: its agent port is a UNIX socket, its pointer device
a FIFO, both given to the daemon by the options that it has always used.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.descriptors import free_tcp_port
from tests.support.processes import spawn, stop, wait_for
from tests.support.tools import require, require_root
from tests.support.xservers import started
from vdagent.lab.viewer_process import ViewerProcess

BIN = Path(sys.executable).parent
CONFIG = """\
Section "Device"
    Identifier "xspice"
    Driver "spiceqxl"
    Option "FrameBufferSize" "16"
    Option "SurfaceBufferSize" "128"
    Option "CommandBufferSize" "128"
    Option "NumHeads" "4"
    Option "EnableSurfaces" "True"
EndSection
Section "InputDevice"
    Identifier "pointer"
    Driver "xspice pointer"
EndSection
Section "InputDevice"
    Identifier "keyboard"
    Driver "xspice keyboard"
EndSection
Section "Monitor"
    Identifier "monitor"
EndSection
Section "Screen"
    Identifier "screen"
    Monitor "monitor"
    Device "xspice"
    DefaultDepth 24
EndSection
Section "ServerLayout"
    Identifier "layout"
    Screen "screen"
    InputDevice "keyboard"
    InputDevice "pointer"
EndSection
Section "ServerFlags"
    Option "AutoAddDevices" "False"
EndSection
"""


class Xspice(NamedTuple):
    """A running Xspice: programs on it, and where a viewer finds it."""

    environment: dict[str, str]
    uri: str
    directory: Path


@pytest.fixture
def xspice(tmp_path: Path) -> Iterator[Xspice]:
    require("Xorg", "xclip", "xdotool")
    require_root("Xorg takes a -config outside its own directories from nobody else")
    (tmp_path / "xspice.conf").write_text(CONFIG)
    port = free_tcp_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XSPICE_PORT": str(port),
        "XSPICE_ADDR": "127.0.0.1",
        "XSPICE_DISABLE_TICKETING": "1",
        "XSPICE_AGENT_MOUSE": "1",
        "XSPICE_VDAGENT_ENABLED": "1",
        "XSPICE_VDAGENT_VIRTIO_PATH": str(tmp_path / "virtio"),
        "XSPICE_VDAGENT_UINPUT_PATH": str(tmp_path / "uinput"),
        "XSPICE_VDAGENT_UID": str(os.getuid()),
        "XSPICE_VDAGENT_GID": str(os.getgid()),
    }
    config = ["-config", str(tmp_path / "xspice.conf"), "-logfile", str(tmp_path / "Xorg.log")]
    with started(tmp_path, ["Xorg", *config, "-noreset"], environment) as server:
        uri = f"spice://127.0.0.1?port={port}"
        yield Xspice({**environment, "DISPLAY": server.display}, uri, tmp_path)


@pytest.fixture
def agents(xspice: Xspice) -> Iterator[None]:
    """The options are those that Xspice gives the C programs."""
    d = xspice.directory
    daemon = spawn(
        [
            *(BIN / "spice-vdagentd", "-x", "-f", "-X", "-s", d / "virtio"),
            *("-S", d / "sock", "-u", d / "uinput"),
        ],
        log=d / "daemon.log",
        env=xspice.environment,
    )
    wait_for((d / "sock").exists, 10, "daemon's socket")
    session = spawn(
        [BIN / "spice-vdagent", "-x", "-s", d / "virtio", "-S", d / "sock", "-f", d, "-o", "0"],
        log=d / "session.log",
        env=xspice.environment,
    )
    yield
    stop(session)
    stop(daemon)


def _pointer(xspice: Xspice) -> str:
    shown = subprocess.run(
        ["xdotool", "getmouselocation"], env=xspice.environment, capture_output=True, text=True
    )
    return " ".join(shown.stdout.split()[:2])


@pytest.mark.usefixtures("agents")
def test_clipboard_and_pointer_through_xspice(xspice: Xspice) -> None:
    with ViewerProcess() as viewer:
        viewer.connect(xspice.uri)
        assert "FILE_XFER_DETAILED_ERRORS" in viewer.wait_announced()

        viewer.do("offer", text="from the viewer")
        xclip = ["xclip", "-selection", "clipboard"]
        pasted = wait_for(
            lambda: (
                subprocess.run(
                    [*xclip, "-o"], env=xspice.environment, capture_output=True, timeout=20
                ).stdout
            ),
            10,
            "paste in the guest",
        )
        assert pasted == b"from the viewer"

        since = viewer.mark()
        subprocess.run([*xclip, "-i"], env=xspice.environment, input=b"from the guest", check=True)
        viewer.wait("guest-grab", 10, since=since)
        viewer.do("request")
        assert viewer.wait("guest-data", 10, since=since)["text"] == "from the guest"

        viewer.do("mouse_mode", mode="client")
        viewer.wait("mouse-mode", 10, lambda e: e["mode"] == "client")
        viewer.do("position", x=400, y=300)
        wait_for(lambda: _pointer(xspice) == "x:400 y:300", 10, "pointer at 400, 300")
