# SPDX-License-Identifier: MIT
"""How does a test get a whole Linux guest? QEMU without KVM, and a real spice-server.

A second virtio port, org.example.ctl, runs commands in the guest: see executor.py.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.support.descriptors import free_tcp_port
from tests.support.guest import initramfs, kernel
from tests.support.guest.roots import HERE, Root, host_root
from tests.support.processes import spawn, stop, wait_for
from vdagent.lab import qmp

AGENT_PORT = "/dev/virtio-ports/com.redhat.spice.0"
LOCALHOST = "127.0.0.1"
BOOT_TIMEOUT_S = 180.0
MIGRATION_TIMEOUT_S = 120.0
# The std VGA's memory bounds the modes bochs-drm accepts: 16 MiB, the default, ends at 1920x1080.
GPU_DEVICES = {
    "VGA": "VGA,vgamem_mb=64",
    "virtio-vga": "virtio-vga,max_outputs=2",
    "qxl-vga": "qxl-vga",
}
COMMAND_LINE = "console=ttyS0 quiet loglevel=4 mitigations=off audit=0 selinux=0 apparmor=0"


@dataclass(frozen=True)
class Result:
    """How a command in the guest ended, and what it printed on stdout and stderr."""

    status: int
    output: str


class Guest:
    """One running machine; `with Guest() as guest:` ends it."""

    def __init__(
        self,
        root: Root | None = None,
        gpu: str = "VGA",
        memory_mb: int = 1024,
        cpus: int = 2,
        extra: Sequence[str] = (),
        sleeps: bool = False,
        password: str | None = None,
    ) -> None:
        """Boot with `root` (default: the host's), and QEMU's `extra` arguments.

        Only a machine that `sleeps` wakes up again from suspend to RAM; it takes longer to boot. With a
        `password` viewers connect over TCP, and can follow a migration: spice-server tells them a port.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="guest-", dir="/tmp"))
        self._password = password
        self._replies: dict[int, dict[str, Any]] = {}
        self._requests = 0
        self._started: list[subprocess.Popen[bytes]] = []
        self._sending = threading.Lock()
        devices = ["-smp", str(cpus), "-m", str(memory_mb), "-device", GPU_DEVICES[gpu], *extra]
        self._argv = [*self._qemu(root or host_root(gpu), sleeps), *devices]
        try:
            self._start(self.directory)
            self.wait_boot()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_boot(self) -> None:
        """Wait until the guest takes commands, for the first time or again after a reboot."""
        wait_for(lambda: self._alive() and 0 in self._replies, BOOT_TIMEOUT_S, "the guest's boot")
        del self._replies[0]

    def run(self, command: str, *, input: str | None = None, timeout_s: float = 30.0) -> Result:
        """Run `command` in the guest's bash and wait for its end."""
        reply = self._ask({"command": command, "input": input}, timeout_s)
        return Result(reply["status"], reply["output"])

    def output(self, command: str, *, input: str | None = None, timeout_s: float = 30.0) -> str:
        """What `command` prints; RuntimeError if it fails."""
        result = self.run(command, input=input, timeout_s=timeout_s)
        if result.status:
            raise RuntimeError(f"{command!r} in the guest: {result.status} {result.output}")
        return result.output

    def start(self, command: str, log: str) -> int:
        """Start `command` in the background in a session of its own; its pid in the guest."""
        reply = self._ask({"command": f"exec {command}", "log": log}, 30.0)
        return int(reply["pid"])

    def wait_until(self, condition: str, timeout_s: float = 20.0, what: str = "") -> None:
        """Wait until the shell command `condition` succeeds in the guest."""
        loop = shlex.quote(f"until {condition}; do sleep 0.05; done")
        result = self.run(f"timeout {timeout_s} bash -c {loop}", timeout_s=timeout_s + 10)
        if result.status:
            happened = f"not within {timeout_s} s in the guest: {what or condition}"
            raise TimeoutError(f"{happened} {result.output[-500:]}")

    def put(self, path: str, content: bytes, mode: str = "644") -> None:
        """Write a file in the guest."""
        text = base64.b64encode(content).decode()
        # Not from /dev/stdin: a guest without udev has none.
        self.output(f"install -Dm{mode} /dev/null {path} && base64 -d >{path}", input=text)

    def reboot(self) -> None:
        """Have the guest's service manager reboot it, and wait until it is back."""
        self.start("systemctl reboot", "/dev/null")
        self.wait_boot()

    def start_xorg(self, display: str = ":0", vt: str = "vt2", config: str = "xorg.conf") -> int:
        """Start an X server, on the graphics card if its config says no other, and wait until it
        takes clients; its pid."""
        files = f"/run/xorg{display}"
        self.output(f"rm -f {files}.ready")
        pid = self.start(
            f"Xorg {display} {vt} -noreset -nolisten tcp -config {HERE / config}"
            f" -logfile {files}.log -displayfd 3 3>{files}.ready",
            log=f"{files}.out",
        )
        self.wait_until(f"[ -s {files}.ready ]", 60, "the X server's start")
        return pid

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Have QEMU do `command` to the machine; what it returns."""
        return asyncio.run(qmp.execute(self._sockets / "qmp", command, **arguments))

    def migrate(self, seamless: bool = False) -> None:
        """Go on in another QEMU. Viewers are left behind, but follow if it is `seamless`."""
        source, control, monitor = self._process, self._control, self._sockets / "qmp"
        target = Path(tempfile.mkdtemp(dir=self.directory))
        uri = f"unix:{target}/incoming"
        self._start(target, "-incoming", "defer")
        self.qmp("migrate-incoming", uri=uri)

        def ask(command: str, **arguments: Any) -> Any:
            return asyncio.run(qmp.execute(monitor, command, **arguments))

        if seamless:
            where = {"hostname": LOCALHOST, "port": self._spice_port}
            ask("client_migrate_info", protocol="spice", **where)
        ask("migrate", uri=uri)

        def migrated() -> bool:
            state = ask("query-migrate")
            if state["status"] == "failed":
                raise RuntimeError(f"migration failed: {state}")
            done = bool(state["status"] == "completed")
            return done and (not seamless or ask("query-spice")["migrated"])

        wait_for(migrated, MIGRATION_TIMEOUT_S, "the migration")
        source.kill()
        stop(source)
        control.close()

    def set_password(self, password: str) -> None:
        """From now on viewers need this one, and those that are connected have to go."""
        words = {"protocol": "spice", "password": password, "connected": "disconnect"}
        self.qmp("set_password", **words)
        self._password = password

    @property
    def spice_uri(self) -> str:
        """Where viewers connect."""
        if self._password is None:
            return f"spice+unix://{self._sockets}/spice"
        return f"spice://{LOCALHOST}:{self._spice_port}?password={self._password}"

    def close(self) -> None:
        """Switch the machine off, hard: nothing in it is worth keeping."""
        for process in self._started:
            process.kill()
            stop(process)
        self._control.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self, sockets: Path, *more: str) -> None:
        """Start a QEMU whose sockets are in this directory; from now on it has the executor."""
        argv = [*self._argv, *self._spice_server(), *more]
        self._process = spawn(argv, log=self.directory / "qemu.log", cwd=sockets)
        self._started.append(self._process)
        self._sockets = sockets
        self._control = socket.socket(socket.AF_UNIX)
        wait_for(self._connected, 10, "QEMU's start")
        lines = self._control.makefile("r")
        threading.Thread(target=self._read_replies, args=(lines,), daemon=True).start()

    def _qemu(self, root: Root, sleeps: bool) -> list[str | Path]:
        unpacked = kernel.prepare()
        initrd = initramfs.build(unpacked.load_order(root.modules), self.directory / "initramfs")
        return [
            *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi"),
            *("-nodefaults", "-no-user-config", "-display", "none"),
            *("-kernel", unpacked.compressed if sleeps else unpacked.image, "-initrd", initrd),
            *("-append", " ".join((COMMAND_LINE, *root.words))),
            *root.arguments,
            *("-serial", f"file:{self.directory}/serial"),
            # The sockets are in the working directory: two machines of one migration differ in that.
            *("-qmp", "unix:qmp,server=on,wait=off"),
            *("-device", "virtio-serial-pci,id=vs0"),
            *("-chardev", "socket,id=ctl,path=ctl,server=on,wait=off"),
            *("-device", "virtserialport,chardev=ctl,name=org.example.ctl"),
            *("-chardev", "spicevmc,id=vdagent,name=vdagent"),
            *("-device", "virtserialport,chardev=vdagent,name=com.redhat.spice.0,id=vdport"),
        ]

    def _spice_server(self) -> list[str]:
        if self._password is None:
            return ["-spice", "unix=on,addr=spice,disable-ticketing=on,agent-mouse=on"]
        self._spice_port = free_tcp_port()
        where = f"addr={LOCALHOST},port={self._spice_port},password-secret=ticket"
        ticket = f"secret,id=ticket,data={self._password}"
        return ["-object", ticket, "-spice", f"{where},agent-mouse=on,seamless-migration=on"]

    def _connected(self) -> bool:
        self._alive()
        try:
            self._control.connect(f"{self._sockets}/ctl")
        except OSError:
            return False
        return True

    def _alive(self) -> bool:
        if self._process.poll() is not None:
            logs = [self.directory / name for name in ("qemu.log", "serial")]
            said = [log.read_text("utf-8", "replace")[-2000:] for log in logs if log.exists()]
            raise RuntimeError(f"QEMU ended with {self._process.returncode}: {' '.join(said)}")
        return True

    def _ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        with self._sending:
            self._requests += 1
            number = self._requests
            line = json.dumps({"id": number, **request}) + "\n"
            self._control.sendall(line.encode())
        wait_for(
            lambda: self._alive() and number in self._replies,
            timeout_s,
            f"{request['command']!r} in the guest",
        )
        return self._replies.pop(number)

    def _read_replies(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                reply = json.loads(line)
                self._replies[reply["id"]] = reply
