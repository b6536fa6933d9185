# SPDX-License-Identifier: MIT
"""Where does a guest's root lie? In the host's own root, or on a disk of its own (disk.py)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.guest import kernel

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]


@dataclass(frozen=True)
class Root:
    """What a machine needs to reach its root: modules, kernel parameters, QEMU arguments."""

    modules: tuple[str, ...]
    words: tuple[str, ...]
    arguments: tuple[str | Path, ...]


def host_root(gpu: str) -> Root:
    """The host's root directory, read-only; what the guest writes stays in its memory.

    So it has the same Python, the same packages, and the project at the same path. It has no service
    manager: PID 1 is guest-init.sh, and all drivers are loaded before it.
    """
    # The guest's /tmp and /run are its own, except for what it is to run.
    needed = (PROJECT, Path(sys.prefix), Path(sys.base_prefix))
    keep = ":".join(str(path) for path in needed if path.parts[1] in ("tmp", "run"))
    return Root(
        (*kernel.HOST_ROOT_MODULES, *kernel.AGENT_MODULES, *kernel.GPU_MODULES[gpu]),
        (
            f"guest.root=9p guest.init={HERE}/guest-init.sh guest.keep={keep}",
            f"guest.python={sys.executable} panic=-1",
        ),
        (
            # remap: the inode numbers of several host file systems must not collide.
            *("-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"),
            *("-device", "virtio-9p-pci,fsdev=root,mount_tag=root", "-no-reboot"),
        ),
    )
