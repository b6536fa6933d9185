# SPDX-License-Identifier: MIT
"""Which guest do the tests of this folder share? One whose graphics card takes sizes from the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guest.machine import Guest
from tests.support.tools import require
from vdagent.lab.viewer_process import ViewerProcess

# A boot of its own, which `make test` has no time for: `make test-guest-full` asks for it.
collect_ignore_glob = [] if "VDAGENT_TEST_GUEST_FULL" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def guest() -> Iterator[Guest]:
    """A booted guest with a virtio-gpu of two outputs; the second is connected when a viewer wants it."""
    require("qemu-system-x86_64", "busybox", "apt-get", "dpkg-deb", "Xorg", "twm", "sway", "xrandr")
    with Guest(gpu="virtio-vga") as machine:
        yield machine


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[ViewerProcess]:
    """A viewer that has not connected yet."""
    with (tmp_path / "viewer.log").open("wb") as log, ViewerProcess(log) as process:
        yield process
