# SPDX-License-Identifier: MIT
"""Does the doctor tell what the host or the viewer keeps from the guest, as far as that can be seen?

With a real QEMU, spice-server and viewer: what they were told to switch off is off.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.report import Report, doctor, environment, examined, read_json, status
from tests.support import wire
from tests.support.lab_guest import Guest
from tests.support.processes import wait_control, wait_for
from tests.support.rig import FACTS_S, Rig, program
from tests.support.tools import require
from vdagent.control import control_path
from vdagent.doctor import host
from vdagent.doctor.finding import Scope
from vdagent.errors import SessionError

CLIPBOARD_ON = "<clipboard copypaste='yes'/>"
FILES_ON = "<filetransfer enable='yes'/>"
BY_DEMAND, FILE_XFER_DISABLED, MONITORS_CONFIG = 1 << 5, 1 << 13, 1 << 1


@contextmanager
def guest(directory: Path, *options: str) -> Iterator[Guest]:
    """A whole guest whose viewer has announced itself, and whose session agent has told its backends."""
    require("qemu-system-x86_64", "Xvfb", "xclip", "xrandr")
    with Guest(directory, *options) as guest:
        if "qemu-vdagent" not in options:
            guest.viewer.connect(guest.lab.uri)
        guest.daemon()
        guest.session()
        control = Path(control_path(str(guest.socket)))
        wait_for(control.exists, 10, "the control socket")
        wait_for(lambda: status(guest.socket)["host"]["client_connected"], 15, "the viewer")
        wait_for(lambda: status(guest.socket)["sessions"][0]["backends"], FACTS_S, "its facts")
        yield guest


def where(guest: Guest) -> tuple[str | Path, ...]:
    return ("-s", guest.lab.port, "-S", guest.socket, "-u", guest.fifo)


def ask(guest: Guest, *options: str) -> Report:
    return doctor(*where(guest), *options)


def messages(guest: Guest) -> dict[str, int]:
    """What the host has sent since the viewer came."""
    found: dict[str, int] = status(guest.socket)["host"]["messages"]
    return found


def probe(guest: Guest, meanwhile: Any) -> Report:
    """`doctor --probe`, with something happening while it waits."""
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(ask(guest, "--probe")))
    thread.start()
    meanwhile()
    thread.join()
    return reports[0]


def test_all_is_well(tmp_path: Path) -> None:
    """And what cannot be told at first can be once it was used."""
    with guest(tmp_path) as lab:
        report = ask(lab)
        report.fine("machine", "port", "daemon", "session agent", "session's turn", "viewer")
        report.says("desktop: clipboard", True, f"X11 at {lab.desktop.environment['DISPLAY']}")
        report.says("host: clipboard", None, "cannot be told yet", CLIPBOARD_ON)
        report.says("host: files", None, "cannot be told yet", FILES_ON)
        assert report.status == 0
        lab.viewer.do("offer", text="copied beside the viewer")
        lab.offered("UTF8_STRING")
        lab.viewer.do("resize", monitors=[[1100, 700, 0, 0]])
        (tmp_path / "file").write_bytes(b"content")
        lab.viewer.do("send_files", paths=[str(tmp_path / "file")])
        lab.viewer.wait("transfer-finished")
        wait_for(lambda: "monitors_config" in messages(lab), 10, "the viewer's size")
        report = ask(lab)
        report.fine("host: clipboard", "host: files", "host: resize")
        assert report.wrong() == []


def test_no_viewer(tmp_path: Path) -> None:
    require("qemu-system-x86_64", "Xvfb")
    with Guest(tmp_path) as lab:
        lab.daemon()
        lab.session()
        wait_control(lab.socket)
        wait_for(lambda: status(lab.socket)["port"]["open"], 15, "the port")
        report = ask(lab)
        report.says("viewer", None, "none has announced itself", "open the VM's window")
        report.fine("port open")
        lab.viewer.connect(lab.lab.uri)
        wait_for(lambda: status(lab.socket)["host"]["client_connected"], 15, "the viewer")
        ask(lab).says("viewer", True, "spice host")
        lab.viewer.do("disconnect")
        wait_for(lambda: not status(lab.socket)["host"]["client_connected"], 15, "its end")
        ask(lab).says("viewer", None, "none has announced itself")


def test_the_clipboard_is_disabled_on_the_host(tmp_path: Path) -> None:
    with guest(tmp_path, "--spice-options", "disable-copy-paste=on") as lab:
        # The viewer hears of it, the guest does not: spice-server changes our announcement, not its.
        capabilities = status(lab.socket)["host"]["capabilities"]
        assert "clipboard_by_demand" in capabilities and "clipboard_selection" in capabilities
        lab.viewer.wait("agent-update", predicate=lambda e: bool(e["capabilities"]))
        update = lab.viewer.saw("agent-update", lambda e: bool(e["capabilities"]))
        assert update is not None and "CLIPBOARD_BY_DEMAND" not in update["capabilities"]
        lab.viewer.do("offer", text="never arrives")
        lab.viewer.do("resize", monitors=[[1100, 700, 0, 0]])  # and this one is behind it
        wait_for(lambda: "monitors_config" in messages(lab), 10, "the viewer's size")
        assert not [kind for kind in messages(lab) if kind.startswith("clipboard")]
        report = ask(lab)
        report.says("host: clipboard", None, "nothing of the viewer's has come", CLIPBOARD_ON)
        report.says("host: clipboard", None, "", "disable-copy-paste=on")
        report = probe(lab, lambda: lab.viewer.do("offer", text="never arrives either"))
        report.says("host: clipboard", False, "nor in 10 s of waiting", CLIPBOARD_ON)
        report.says("probe", True, "viewer answers in")
        assert report.status == 1


def test_the_probe_sees_a_copy_made_meanwhile(tmp_path: Path) -> None:
    with guest(tmp_path) as lab:
        report = probe(lab, lambda: lab.viewer.do("offer", text="copied just now"))
        report.says("probe", True, "session agent answers in")
        report.says("probe", True, "viewer answers in")
        report.fine("host: clipboard")
        assert report.status == 0


def test_files_are_disabled_on_the_host(tmp_path: Path) -> None:
    with guest(tmp_path, "--spice-options", "disable-agent-file-xfer=on") as lab:
        (tmp_path / "file").write_bytes(b"content")
        lab.viewer.do("send_files", paths=[str(tmp_path / "file")])
        lab.viewer.wait("files-sent", predicate=lambda e: not e["ok"])
        assert "file_xfer_start" not in messages(lab)
        report = ask(lab)
        report.says("host: files", None, "none has come from this viewer", FILES_ON)
        report.says("host: files", None, "", "disable-agent-file-xfer=on")


def test_the_host_gives_the_size_to_the_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The GPU is QEMU's; its driver is not in this test's kernel, so what sysfs says is written here."""
    card = tmp_path / "root/sys/class/drm/card0/device"
    card.mkdir(parents=True)
    (card / "uevent").write_text("DRIVER=virtio-pci\nPCI_ID=1AF4:1050\n")
    with guest(tmp_path, "--display-device", "virtio-vga") as lab:
        lab.viewer.wait_announced()
        lab.viewer.do("resize", monitors=[[1100, 700, 0, 0]])
        lab.viewer.do("offer", text="behind it")
        lab.offered("UTF8_STRING")
        assert "monitors_config" not in messages(lab)
        scope = Scope(str(lab.lab.port), str(lab.socket), str(lab.fifo), str(tmp_path / "root"), {})
        report = examined(scope, capsys)
        detail = "gives the viewer's size to the display device (virtio-gpu), not to us"
        report.says("host: resize", True, detail)
        report.says("host: resize", True, "the session agent follows that")


def test_a_session_that_does_not_follow_the_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "root/sys/class/drm/card0/device"
    card.mkdir(parents=True)
    (card / "uevent").write_text("DRIVER=qxl\n")
    with Rig(tmp_path) as rig:
        rig.agent()
        rig.host.greet()
        wait_control(rig.socket)
        scope = Scope(
            str(tmp_path / "port"), str(rig.socket), str(rig.uinput), str(tmp_path / "root"), {}
        )
        report = examined(scope, capsys)
    report.says("host: resize", None, "display device (QXL)", "no --no-follow")


def with_viewer(tmp_path: Path, caps: int) -> Report:
    """A viewer that announces these."""
    with Rig(tmp_path) as rig:
        rig.ready(caps)
        wait_control(rig.socket)
        return doctor("-s", tmp_path / "port", "-S", rig.socket, "-u", rig.uinput)


def test_a_viewer_without_a_clipboard(tmp_path: Path) -> None:
    report = with_viewer(tmp_path, wire.VIEWER_CAPS & ~BY_DEMAND)
    report.says("host: clipboard", False, "host or viewer has it switched off", CLIPBOARD_ON)
    assert report.status == 1


def test_a_viewer_that_says_files_are_off(tmp_path: Path) -> None:
    report = with_viewer(tmp_path, wire.VIEWER_CAPS | FILE_XFER_DISABLED)
    report.says("host: files", False, "host or viewer has them switched off", FILES_ON)


def test_a_viewer_that_tells_no_size(tmp_path: Path) -> None:
    report = with_viewer(tmp_path, wire.VIEWER_CAPS & ~MONITORS_CONFIG)
    report.says("host: resize", None, "does not tell the agent the size", "has to follow")


def test_qemus_own_host(tmp_path: Path) -> None:
    with guest(tmp_path, "--chardev", "qemu-vdagent") as lab:
        report = ask(lab)
        report.says("viewer", True, "qemu-vdagent host")
        report.says("host: files", None, "this host passes no files", "virtiofs")
        report.says("host: resize", None, "does not tell the agent", "has to follow")


def test_qemus_own_host_without_the_clipboard(tmp_path: Path) -> None:
    options = ("--chardev", "qemu-vdagent", "--chardev-options", "clipboard=off,mouse=on")
    with guest(tmp_path, *options) as lab:
        report = ask(lab, "--probe")
        report.says("host: clipboard", False, "switched off", "qemu-vdagent,clipboard=on")
        report.says("probe", None, "no viewer that can be asked", "SPICE")


def test_a_session_agent_that_hangs(tmp_path: Path) -> None:
    """It is connected, and answers nothing; neither does this viewer."""
    with Rig(tmp_path) as rig:
        rig.agent()
        rig.host.greet()
        wait_control(rig.socket)
        argv = [*program("doctor"), "-S", str(rig.socket), "--json", "--probe"]
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        rig.host.until(wire.Port.ANNOUNCE)
        rig.host.send(wire.grab(0, wire.TEXT))  # or it would wait for one
        out, err = process.communicate(timeout=60)
        report = read_json(out, process.returncode)
    assert "copy something" in err
    report.says("probe", False, "session agent does not answer", "restart vdagent")


def test_a_frozen_viewer(tmp_path: Path) -> None:
    with guest(tmp_path) as lab:
        lab.viewer.do("offer", text="seen before")
        lab.offered("UTF8_STRING")
        with lab.viewer.stopped():
            report = ask(lab, "--probe")
        report.says("probe", False, "viewer does not answer", "close it and open it again")
        report.fine("host: clipboard")


@pytest.mark.parametrize("hint", ["sudo vdagent doctor --probe", ""])
def test_the_hint_is_the_daemons(hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says to whom is in `interop/test_status.py`."""

    def refuse(*_: object) -> None:
        raise SessionError("control: no", hint)

    monkeypatch.setattr(host, "ask", refuse)
    status: dict[str, Any] = {"host": {"messages": {}, "capabilities": []}}
    _, finding = host.run_probe(Scope("port", "socket"), status)
    assert (finding.ok, finding.hint) == (None, hint or "try again in a moment")
