# SPDX-License-Identifier: MIT
"""Is the lab a host like any other, before there is an agent?"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.descriptors import free_tcp_port
from tests.support.processes import spawn, wait_for
from vdagent.lab.lab_process import LabProcess
from vdagent.lab.viewer_process import ViewerProcess

GARBAGE = b"\1\0\0\0\24\0\0\0" + b"x" * 20  # a chunk whose message has a wrong protocol number
ANNOUNCE_REQUEST = bytes.fromhex("01000000 1c000000 01000000 06000000")


def connect(path: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(5)
    peer.connect(str(path))
    return peer


def test_port_open_is_a_control_message_and_the_viewer_follows(
    lab: LabProcess, viewer: ViewerProcess
) -> None:
    viewer.connect(lab.uri)
    with connect(lab.port) as peer:
        viewer.wait("agent-connected", predicate=lambda e: e["connected"])
        assert "virtio_serial_handle_control_message event 6, value 1" in lab.trace()
        assert peer.recv(4096).startswith(ANNOUNCE_REQUEST)
        since = viewer.mark()
    viewer.wait("agent-connected", predicate=lambda e: not e["connected"], since=since)
    assert "virtio_serial_handle_control_message event 6, value 0" in lab.trace()


def test_a_hang_up_of_the_host_ends_the_connection(lab: LabProcess, viewer: ViewerProcess) -> None:
    viewer.connect(lab.uri)
    with connect(lab.port) as peer:
        assert peer.recv(4096).startswith(ANNOUNCE_REQUEST)
        peer.sendall(GARBAGE)
        assert peer.recv(4096) == b""
    viewer.wait("agent-connected", predicate=lambda e: not e["connected"])
    since = viewer.mark()
    with connect(lab.port) as peer:
        viewer.wait("agent-connected", predicate=lambda e: e["connected"], since=since)
        assert peer.recv(4096).startswith(ANNOUNCE_REQUEST)


def test_the_port_has_one_user(lab: LabProcess, viewer: ViewerProcess) -> None:
    viewer.connect(lab.uri)
    with connect(lab.port) as first, connect(lab.port) as second:
        assert first.recv(4096).startswith(ANNOUNCE_REQUEST)
        assert second.recv(4096) == b""


def test_unplug_and_plug(lab: LabProcess, viewer: ViewerProcess) -> None:
    viewer.connect(lab.uri)
    with connect(lab.port) as peer:
        assert peer.recv(4096).startswith(ANNOUNCE_REQUEST)
        lab.qmp("device_del", id="vdport")
        assert peer.recv(4096) == b""
    wait_for(lambda: not lab.port.exists(), 5, "end of the port's socket")
    wait_for(lab.plug_in, 5, "plugging in")
    wait_for(lab.port.exists, 5, "port's socket")
    with connect(lab.port) as peer:
        assert peer.recv(4096).startswith(ANNOUNCE_REQUEST)


def test_a_port_without_a_host_hangs_up(lab: LabProcess) -> None:
    lab.qmp("chardev-change", id="vdagent", backend={"type": "null", "data": {}})
    with connect(lab.port) as peer:
        assert peer.recv(4096) == b""


def message(type_: int, body: bytes) -> bytes:
    """A message in one chunk."""
    return struct.pack("<II IIQI", 1, 20 + len(body), 1, type_, 0, len(body)) + body


def messages(peer: socket.socket) -> Iterator[tuple[int, bytes]]:
    """(type, body) of what the host sends."""
    stream = peer.makefile("rb")
    pending = b""
    while head := stream.read(8):
        pending += stream.read(struct.unpack("<II", head)[1])
        if len(pending) >= 20:
            type_, _, size = struct.unpack_from("<4xIQI", pending)
            if len(pending) == 20 + size:
                yield type_, pending[20:]
                pending = b""


def test_a_slow_daemon_holds_the_host_up_and_loses_nothing(
    lab: LabProcess, viewer: ViewerProcess, tmp_path: Path
) -> None:
    announce, grab, request, clipboard = 6, 7, 8, 4
    text = tmp_path / "text"
    text.write_bytes(os.urandom(2 << 20).hex().encode())
    viewer.connect(lab.uri)
    with connect(lab.port) as peer:
        received = messages(peer)
        # What is sent before a viewer has asked, spice-server throws away.
        next(body for type_, body in received if type_ == announce)
        peer.sendall(message(announce, struct.pack("<II", 0, 0x00038DE7)))
        viewer.wait_announced()
        viewer.do("offer", files={"text": str(text)})
        next(body for type_, body in received if type_ == grab)
        since = viewer.mark()
        peer.sendall(message(request, struct.pack("<B3xI", 0, 1)))
        viewer.wait("guest-request", since=since)
        # Not read from the port any more; a command of the viewer is answered all the same.
        viewer.do("mouse_mode", mode="server")
        viewer.wait("mouse-mode", predicate=lambda e: e["mode"] == "server")
        data = next(body for type_, body in received if type_ == clipboard)
        assert data[8:] == text.read_bytes()


def test_qemus_own_agent_host() -> None:
    """It says nothing before it has our announcement, and then announces what it can."""
    with LabProcess("--chardev", "qemu-vdagent") as lab, connect(lab.port) as peer:
        assert lab.uri.startswith("vnc+unix://")
        peer.sendall(
            ANNOUNCE_REQUEST + bytes.fromhex("0000000000000000 08000000 01000000 e1000000")
        )
        answer = peer.recv(4096)
        assert answer.startswith(ANNOUNCE_REQUEST)
        assert int.from_bytes(answer[28:32], "little") == 0  # asks for nothing back


def test_listens_on_loopback_tcp(viewer: ViewerProcess) -> None:
    address = f"127.0.0.1:{free_tcp_port()}"
    with LabProcess("--listen", address) as lab:
        assert lab.uri == f"spice://{address}"
        viewer.connect(lab.uri)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--listen", "0.0.0.0:5930"), "loopback"),
        (("--listen", "nowhere"), "no address"),
        (("--qemu", "/nonexistent/qemu"), "is not there"),
        (("--display-device", "nonsense"), "QEMU has ended"),
        (("--port", "/nonexistent/port"), "no port at /nonexistent/port"),
        (("--port", f"/tmp/{'x' * 200}"), "too long"),
        (("--port", __file__), "is no socket"),
    ],
)
def test_says_in_one_sentence_what_is_wrong(option: tuple[str, ...], sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vdagent.lab", *option], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ends_at_once_and_takes_qemu_along(number: signal.Signals, tmp_path: Path) -> None:
    port, log = tmp_path / "port", tmp_path / "log"
    process = spawn([sys.executable, "-m", "vdagent.lab", "--port", port], log=log)
    wait_for(port.exists, 20, "port")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 1
    started = time.monotonic()
    process.send_signal(number)
    assert process.wait(15) == 0
    assert time.monotonic() - started < 2  # a second, and as much again for a busy machine
    assert not Path(f"/proc/{children[0]}").exists()
    assert not port.exists()
