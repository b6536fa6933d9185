# SPDX-License-Identifier: MIT
"""Which kernel does the guest boot, and with which modules?

Debian's own: the package that linux-image-amd64 depends on is downloaded, never installed, and what a
guest needs of it is kept in `.cache/guest/`. Run as a module to fill the cache ahead of the tests.
"""

from __future__ import annotations

import fcntl
import io
import json
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "guest"
META_PACKAGE = "linux-image-amd64"

# For a root of the host's over 9p, and for one on a disk, where udev loads the rest.
HOST_ROOT_MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay")
DISK_ROOT_MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
AGENT_MODULES = ("virtio_console", "uinput", "evdev")
GPU_MODULES = {"VGA": ("bochs",), "virtio-vga": ("virtio_gpu",), "qxl-vga": ("qxl",)}
KEPT_MODULES = (
    *HOST_ROOT_MODULES,
    *DISK_ROOT_MODULES,
    *AGENT_MODULES,
    *(module for modules in GPU_MODULES.values() for module in modules),
)


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel and its module files in load order.

    QEMU boots the ELF `image` directly, which is faster than what the package holds, `compressed`. But it
    also puts it into memory at every reset, and a wake-up from suspend to RAM is one.
    """

    release: str
    image: Path
    compressed: Path
    modules: Path
    order: tuple[str, ...]
    requires: dict[str, list[str]]

    def load_order(self, names: Iterable[str]) -> list[Path]:
        """The files of these modules and of everything they need, each after its requirements."""
        wanted: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in wanted and name in self.requires:  # the others are built in
                wanted.add(name)
                pending += self.requires[name]
        return [self.modules / f"{name}.ko" for name in self.order if name in wanted]


@contextmanager
def one_at_a_time(cache: Path, what: str) -> Iterator[None]:
    """Who fills the cache with this meanwhile is waited for."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare(cache: Path = CACHE) -> Kernel:
    """The kernel of the package archive, from the cache if this version was unpacked before."""
    with one_at_a_time(cache, "kernel"):
        package, version = _candidate(cache)
        directory = cache / f"{package}_{version.replace(':', '_')}"
        stamp = directory / "stamp.json"
        kept = [*KEPT_MODULES, "vmlinuz"]
        if not stamp.exists() or json.loads(stamp.read_text())["kept"] != kept:
            shutil.rmtree(directory, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                unpacked = Path(scratch) / "kernel"
                _unpack(_download(package, version, Path(scratch)), unpacked)
                unpacked.rename(directory)  # complete or not there at all
    facts = json.loads(stamp.read_text())
    return Kernel(
        package.removeprefix("linux-image-"),
        directory / "vmlinux",
        directory / "vmlinuz",
        directory / "modules",
        tuple(facts["order"]),
        facts["requires"],
    )


def _candidate(cache: Path) -> tuple[str, str]:
    """Name and version of the newest kernel package; without package lists, of the one in the cache."""
    found = _ask_apt()
    if found is None and os.geteuid() == 0:
        subprocess.run(["apt-get", "-q", "update"], stdout=subprocess.DEVNULL, check=False)
        found = _ask_apt()
    if found is None:
        cached = sorted(cache.glob("*/stamp.json"), key=lambda stamp: stamp.stat().st_mtime)
        if not cached:
            raise RuntimeError(f"apt knows no {META_PACKAGE}: run 'apt-get update' as root")
        package, _, version = cached[-1].parent.name.partition("_")
        found = package, version
    return found


def _ask_apt() -> tuple[str, str] | None:
    shown = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", META_PACKAGE], capture_output=True, text=True
    ).stdout
    depends = re.search(r"^Depends: (linux-image-\S+)", shown, re.M)
    version = re.search(r"^Version: (\S+)", shown, re.M)
    return (depends[1], version[1]) if depends and version else None


def _download(package: str, version: str, directory: Path) -> Path:
    apt = subprocess.run(
        ["apt-get", "-q", "download", f"{package}={version}"],
        cwd=directory,
        capture_output=True,
        text=True,
    )
    if apt.returncode:
        raise RuntimeError(f"cannot download {package}: {apt.stderr.strip()}")
    return next(directory.glob("*.deb"))


def _unpack(deb: Path, directory: Path) -> None:
    """Write vmlinux, vmlinuz, modules/*.ko and stamp.json of the package `deb` into `directory`."""
    files = _package_files(deb)
    modules = {name: data for name, data in files.items() if name != "vmlinuz"}
    requires = {name: _requirements(data) for name, data in modules.items()}
    order: list[str] = []
    for name in KEPT_MODULES:
        _add_in_order(name, requires, order)
    (directory / "modules").mkdir(parents=True)
    (directory / "vmlinuz").write_bytes(files["vmlinuz"])
    (directory / "vmlinux").write_bytes(elf_image(files["vmlinuz"]))
    for name in order:
        (directory / "modules" / f"{name}.ko").write_bytes(modules[name])
    facts = {
        "kept": [*KEPT_MODULES, "vmlinuz"],
        "order": order,
        "requires": {name: requires[name] for name in order},
    }
    (directory / "stamp.json").write_text(json.dumps(facts, indent=1))


def _package_files(deb: Path) -> dict[str, bytes]:
    """The kernel image as "vmlinuz" and every module by its name, uncompressed."""
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True)
    found = {}
    with tarfile.open(fileobj=io.BytesIO(tar.stdout)) as archive:
        for member in archive:
            path = Path(member.name)
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is None:
                continue
            if path.name.startswith("vmlinuz-"):
                found["vmlinuz"] = stream.read()
            elif re.search(r"\.ko(\.xz)?$", path.name):
                data = stream.read()
                name = path.name.split(".ko")[0].replace("-", "_")
                found[name] = lzma.decompress(data) if path.suffix == ".xz" else data
    return found


def _requirements(module: bytes) -> list[str]:
    depends = re.search(rb"\0depends=([^\0]*)\0", module)
    names = depends[1].decode().split(",") if depends else []
    return [name.replace("-", "_") for name in names if name]


def _add_in_order(name: str, requires: dict[str, list[str]], order: list[str]) -> None:
    if name in order or name not in requires:
        return
    for required in requires[name]:
        _add_in_order(required, requires, order)
    order.append(name)


def elf_image(bzimage: bytes) -> bytes:
    """The ELF kernel inside a bzImage of boot protocol 2.08 or newer.

    QEMU boots an ELF kernel with a PVH note directly; a guest without KVM would need seconds to
    decompress it by itself. Offsets: Documentation/arch/x86/boot.rst of the kernel.
    """
    setup_sectors = (bzimage[0x1F1] or 4) + 1
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = setup_sectors * 512 + offset
    payload = bzimage[start : start + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        elf = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        elf = zlib.decompressobj(31).decompress(payload)
    else:
        program = {b"\x02\x21": "lz4", b"\x28\xb5": "zstd"}[payload[:2]]
        # The last four bytes are the size of the ELF image, not part of the compressed stream.
        elf = subprocess.run(
            [program, "-dc"], input=payload[:-4], capture_output=True, check=True
        ).stdout
    if not elf.startswith(b"\x7fELF"):
        raise RuntimeError("the kernel image holds no ELF kernel")
    return elf


if __name__ == "__main__":
    sys.stdout.write(f"{prepare().image}\n")
