# SPDX-License-Identifier: MIT
"""Does the doctor tell what is wrong with the machine: VM, port, who has it, its driver, the tablet?

What this machine does not have is a tree of files like the kernel's; the rest is real.
"""

from __future__ import annotations

import fcntl
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doctor.report import Report, doctor, examined
from tests.support.processes import spawn, stop, wait_control, wait_for
from tests.support.rig import Agent, Rig, program
from tests.support.tools import require
from vdagent.doctor.finding import Scope

PORT = "/dev/virtio-ports/com.redhat.spice.0"
QEMU = {"sys_vendor": "QEMU", "product_name": "Standard PC (Q35 + ICH9, 2009)"}


class Machine:
    """A machine as /sys and /proc show it, to be examined from this process."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys

    def write(self, name: str, text: str) -> None:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    def dmi(self, **values: str) -> None:
        for name, value in values.items():
            self.write(f"/sys/class/dmi/id/{name}", value)

    def examine(self, port: str = "", uinput: str = "/dev/null") -> Report:
        scope = Scope(
            port or str(self.root / "no-port"),
            str(self.root / "no-socket"),
            uinput,
            str(self.root),
            {},
        )
        return examined(scope, self._capsys)


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, capsys)


def test_no_virtual_machine(machine: Machine) -> None:
    machine.dmi(sys_vendor="LENOVO", product_name="20XW")
    machine.write("/proc/cpuinfo", "flags : fpu vme")
    machine.examine().says(
        "machine", None, "does not look like a virtual machine", "for guests of QEMU/KVM"
    )


def test_another_hypervisor(machine: Machine) -> None:
    machine.dmi(sys_vendor="VMware, Inc.", product_name="VMware7,1")
    machine.write("/proc/cpuinfo", "flags : fpu hypervisor")
    machine.examine().says("machine", False, "VMware7,1", "open-vm-tools")


def test_a_machine_without_the_channel(machine: Machine) -> None:
    machine.dmi(**QEMU, product_version="pc-q35-9.2")
    machine.write("/sys/class/virtio-ports/vport1p1/name", "org.qemu.guest_agent.0")
    report = machine.examine()
    report.says("machine", True, "QEMU Standard PC")
    report.says("versions", True, "pc-q35-9.2")
    report.says("port", False, "ports (org.qemu.guest_agent.0), none for SPICE", "Add Hardware")
    for way in ("<channel type='spicevmc'>", "-device virtserialport,chardev=vdagent", "libvirt"):
        report.says("port", False, "", way)


def test_a_port_without_its_link(machine: Machine) -> None:
    machine.write("/sys/class/virtio-ports/vport3p1/name", "com.redhat.spice.0")
    report = machine.examine()
    report.says("port", False, "the kernel has it as vport3p1", "udevadm trigger --action=add")


def test_the_driver_is_not_loaded(machine: Machine) -> None:
    machine.write("/sys/bus/pci/devices/0000:00:05.0/vendor", "0x1af4")
    machine.write("/sys/bus/pci/devices/0000:00:05.0/device", "0x1003")
    machine.examine().says("port", False, "its driver is not loaded", "modprobe virtio_console")
    (machine.root / "sys/module/virtio_console").mkdir(parents=True)
    machine.examine().says("port", False, "there is no ", "Add Hardware")


def test_an_arm_machine_says_it_elsewhere(machine: Machine) -> None:
    machine.write("/proc/device-tree/compatible", "linux,dummy-virt\0")
    machine.examine().says("machine", True, "a virtual machine")


def test_no_port_on_this_machine(tmp_path: Path) -> None:
    """The program itself, with nothing there at all."""
    report = doctor("-s", tmp_path / "port", "-S", tmp_path / "sock", "-u", tmp_path / "uinput")
    assert report.status == 1
    report.says("port", False, f"there is no {tmp_path}/port", "<channel type='spicevmc'>")
    report.says("tablet", False, f"there is no {tmp_path}/uinput", "modprobe uinput")
    report.says("daemon", False, "it does not run", "vdagent")
    report.says("session agent", False, "none of yours runs", "vdagent session")


def test_a_file_where_the_port_should_be(tmp_path: Path) -> None:
    (tmp_path / "port").touch()
    report = doctor("-s", tmp_path / "port", "-S", tmp_path / "sock")
    report.says("port", False, "neither a device nor a socket", f"rm {tmp_path}/port")


@pytest.fixture
def device() -> Iterator[tuple[str, int]]:
    """A character device nobody else has, and a descriptor that is not it."""
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    os.close(theirs)
    yield name, ours
    os.close(ours)


def test_a_busy_port_and_by_whom(device: tuple[str, int], tmp_path: Path) -> None:
    name, _ = device
    with open(name, "rb+", buffering=0) as port:
        other = spawn(["sleep", "600"], stdin=port)
    try:
        report = doctor("-s", name, "-S", tmp_path / "sock")
        report.says("port", True, name)
        report.says(
            "port in use",
            False,
            f"by sleep (pid {other.pid}), which is no agent daemon",
            f"kill {other.pid}",
        )
    finally:
        stop(other)
    if os.geteuid() == 0:
        doctor("-s", name, "-S", tmp_path / "sock").says("port in use", True, "by nobody")


def test_our_daemon_finds_the_port_busy(device: tuple[str, int], tmp_path: Path) -> None:
    """A terminal in exclusive mode cannot be opened twice, like a virtio port."""
    require("setpriv")
    name, _ = device
    with open(name, "rb+", buffering=0) as port:
        holder = spawn(["sleep", "600"], stdin=port)
        fcntl.ioctl(port, termios.TIOCEXCL)
    argv = [*_without_power("daemon"), "-x", "-X", "-f", "-s", name, "-S", str(tmp_path / "sock")]
    (tmp_path / "uinput").touch()
    daemon = spawn([*argv, "-u", tmp_path / "uinput"], log=tmp_path / "log")
    try:
        wait_control(tmp_path / "sock")
        with _served(tmp_path / "sock"):
            wait_for(lambda: "is in use" in (tmp_path / "log").read_text(), 10, "its complaint")
            report = doctor("-s", name, "-S", tmp_path / "sock", "-u", tmp_path / "uinput")
        report.says(
            "port open", False, f"in use by sleep (pid {holder.pid})", "end the other program"
        )
    finally:
        stop(daemon)
        stop(holder)


def _without_power(*words: str) -> list[str]:
    """How to run our program as a root who may not go past permissions, as in a container."""
    plain = program(words[0])
    if os.geteuid() != 0:
        return plain
    require("setpriv")
    drop = "-dac_override,-dac_read_search,-sys_admin,-fowner"
    return ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}", *plain]


@contextmanager
def _served(socket: Path) -> Iterator[None]:
    """A session agent that has reported its screen."""
    agent = Agent(socket)
    agent.report()
    yield
    agent.close()


@pytest.fixture
def closed_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A daemon that may not go past permissions."""
    monkeypatch.setattr("tests.support.rig.daemon_command", lambda kind: _without_power("daemon"))
    with Rig(tmp_path) as rig:
        wait_control(tmp_path / "agents")
        yield rig


def test_no_access_to_the_port(closed_rig: Rig) -> None:
    rig = closed_rig
    port = rig.directory / "port"
    port.chmod(0)
    rig.agent()
    wait_for(lambda: "cannot open" in rig.log.read_text(), 10, "the daemon's complaint")
    report = doctor("-s", port, "-S", rig.socket, "-u", rig.uinput)
    report.says("port open", False, f"cannot open {port}: Permission denied", "udevadm trigger")
    port.chmod(0o600)
    rig.host.expect(6)
    doctor("-s", port, "-S", rig.socket, "-u", rig.uinput).fine("port open", "daemon")


def test_no_access_to_the_tablet(closed_rig: Rig) -> None:
    rig = closed_rig
    rig.uinput.chmod(0)
    rig.agent()
    wait_for(lambda: "stays closed" in rig.log.read_text(), 10, "the daemon's complaint")
    report = doctor("-s", rig.directory / "port", "-S", rig.socket, "-u", rig.uinput)
    report.says("tablet", False, "Permission denied", f"ls -lL {rig.uinput}")
    report.says("port open", False, "there is no tablet", "comes first")


def test_no_tablet_where_the_daemon_wants_one(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.ready()
        wait_control(tmp_path / "agents")
        rig.uinput.unlink()
        rig.agents[0].report(800, 600)  # a tablet of another size has to be made
        wait_for(lambda: "stays closed" in rig.log.read_text(), 10, "the daemon's complaint")
        report = doctor("-s", tmp_path / "port", "-S", rig.socket)
        report.says("tablet", False, f"there is no {rig.uinput}", "modprobe uinput")
        report.says("port open", False, "closed")
        rig.uinput.touch()
        wait_for(lambda: rig.host.is_knocking, 10, "the port is opened again")


def test_a_root_that_may_not_use_the_port(tmp_path: Path, device: tuple[str, int]) -> None:
    """As in a container. Of an ordinary user nobody expects that it may."""
    name, _ = device
    os.chmod(name, 0)
    report = doctor("-s", name, "-S", tmp_path / "sock", command=_without_power("doctor"))
    if os.geteuid() == 0:
        report.says("port", False, f"{name} cannot be read and written", "as in a container")
    else:
        report.says("port", True, name)
