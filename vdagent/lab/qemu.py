# SPDX-License-Identifier: MIT
"""Which QEMU does the lab run, and how does it start and end?"""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import HostError, VdagentError
from ..options import PORT_NAME
from . import qtest
from .children import die_with_parent

PORT_SLOT: Final = 4

START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 0.5


class LabOptions(NamedTuple):
    """What a lab can be asked for; the defaults are what most VMs have."""

    port: Path | None = None  # where to offer the agent port; in the lab's directory by default
    listen: str | None = None  # loopback HOST:PORT for the viewer; a socket there by default
    chardev: str = "spicevmc"
    chardev_options: str = "clipboard=on,mouse=on"  # of the qemu-vdagent chardev
    display_device: str = "VGA"
    more_displays: int = 0  # further graphics cards, each with one output
    trace: tuple[str, ...] = ()
    qemu: str = "qemu-system-x86_64"
    spice_options: str = ""
    vnc: Path | None = None  # socket, with the qemu-vdagent chardev
    dbus: str | None = None  # address of the bus for a D-Bus display, with the same


class Paths(NamedTuple):
    """The files of one running lab."""

    directory: Path

    @property
    def rom(self) -> Path:
        return self.directory / "halt.rom"

    @property
    def qtest(self) -> Path:
        return self.directory / "qtest"

    @property
    def qmp(self) -> Path:
        return self.directory / "qmp"

    @property
    def log(self) -> Path:
        """What QEMU and spice-server print, and QEMU's trace."""
        return self.directory / "qemu.log"

    @property
    def spice(self) -> Path:
        return self.directory / "spice"

    @property
    def vnc(self) -> Path:
        return self.directory / "vnc"

    @property
    def port(self) -> Path:
        return self.directory / "port"


def halt_rom() -> bytes:
    """A 64 KiB BIOS that halts; QEMU's machine has to be running for spice-server, not to do
    anything, and Debian builds QEMU without the accelerator that runs nothing."""
    rom = bytearray(b"\xf4" * 0x10000)  # hlt
    rom[-16:-12] = b"\xfa\xf4\xeb\xfd"  # reset vector: cli; hlt; jmp to the hlt
    return bytes(rom)


def _tcp_address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    try:
        address, number = ipaddress.ip_address(host.strip("[]") or "127.0.0.1"), int(port)
    except ValueError as error:
        raise VdagentError(f"{listen} is no address", "give it as 127.0.0.1:5930") from error
    if not address.is_loopback:
        # There is neither a password nor encryption.
        raise VdagentError(
            f"the lab listens on loopback addresses only, not on {host}",
            "forward a port by ssh to reach it from elsewhere",
        )
    return str(address), number


def uri(options: LabOptions, paths: Paths) -> str:
    """What to give to remote-viewer (or to a VNC viewer)."""
    if options.chardev == "qemu-vdagent":
        return f"vnc+unix://{options.vnc or paths.vnc}"
    if options.listen is None:
        return f"spice+unix://{paths.spice}"
    host, port = _tcp_address(options.listen)
    return f"spice://{f'[{host}]' if ':' in host else host}:{port}"


def _display(options: LabOptions, paths: Paths) -> list[str]:
    if options.chardev == "qemu-vdagent":
        bus = [] if options.dbus is None else ["-display", f"dbus,addr={_quoted(options.dbus)}"]
        return ["-vnc", f"unix:{options.vnc or paths.vnc}", *bus]
    where = f"unix=on,addr={paths.spice}"
    if options.listen is not None:
        host, port = _tcp_address(options.listen)
        where = f"addr={host},port={port}"
    extra = f",{options.spice_options}" if options.spice_options else ""
    return ["-spice", f"{where},disable-ticketing=on{extra}"]


def _quoted(value: str) -> str:
    """A value in one of QEMU's lists of options."""
    return value.replace(",", ",,")


def command_line(options: LabOptions, paths: Paths) -> list[str]:
    """QEMU's arguments."""
    chardev = f"{options.chardev},id=vdagent,name=vdagent"
    if options.chardev == "qemu-vdagent":
        chardev += f",{options.chardev_options}"
    gpu = [] if options.display_device == "none" else ["-device", options.display_device]
    gpu += ["-device", "secondary-vga"] * options.more_displays
    traces = [word for pattern in options.trace for word in ("-trace", pattern)]
    return [
        options.qemu,
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-M", "pc", "-accel", "tcg", "-m", "16", "-bios", str(paths.rom)),
        *("-qtest", f"unix:{paths.qtest}", "-qtest-log", "/dev/null"),
        *("-qmp", f"unix:{paths.qmp},server=on,wait=off"),
        *_display(options, paths),
        *("-device", f"virtio-serial-pci,id=vs0,addr={PORT_SLOT},max_ports=4,disable-legacy=on"),
        *("-chardev", chardev),
        *("-device", f"virtserialport,chardev=vdagent,name={PORT_NAME},id=vdport,nr=1"),
        *gpu,
        *traces,
    ]


class Qemu:
    """A running QEMU, reached through `qtest`."""

    def __init__(
        self, process: asyncio.subprocess.Process, connection: qtest.Qtest, log: Path
    ) -> None:
        self._process = process
        self._log = log
        self.qtest = connection

    @classmethod
    async def start(cls, options: LabOptions, paths: Paths) -> Qemu:
        """Start QEMU and wait until its qtest socket is connected."""
        if shutil.which(options.qemu) is None:
            raise HostError(
                f"{options.qemu} is not there", "on Debian: apt install qemu-system-x86"
            )
        paths.rom.write_bytes(halt_rom())
        server, connection = await qtest.listen(paths.qtest)
        try:
            with paths.log.open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *command_line(options, paths),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent,
                )
            self = cls(process, connection, paths.log)
            try:
                await self._wait_connected()
            except BaseException:
                await self.stop()
                raise
        finally:
            server.close()
        return self

    async def _wait_connected(self) -> None:
        ended = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait(
                (self.qtest.connected, ended),
                timeout=START_TIMEOUT_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            ended.cancel()
        if not self.qtest.connected.done():
            raise await self.ended() or HostError("QEMU does not start")

    async def ended(self) -> HostError | None:
        """Why QEMU has ended, if it has; it may be just about to."""
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            return None
        said = self._log.read_text(errors="replace").strip().splitlines()
        return HostError("QEMU has ended", said[-1] if said else "it says nothing")

    async def run(self) -> None:
        """Returns never: raises HostError when QEMU ends."""
        await self._process.wait()
        raise await self.ended() or HostError("QEMU has ended")

    async def stop(self) -> None:
        """End QEMU, by force if need be."""
        self.qtest.close()
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
