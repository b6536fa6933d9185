# SPDX-License-Identifier: MIT
"""Which guests do the tests of this folder share? Those whose graphics card takes sizes from the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guest.machine import Guest
from tests.support.tools import require
from vdagent.lab.viewer_process import ViewerProcess

# Boots of their own, which `make test` has no time for: `make test-guest-full` asks for them.
collect_ignore_glob = [] if "VDAGENT_TEST_GUEST_FULL" in os.environ else ["test_*.py"]


@pytest.fixture(scope="package", params=["virtio-vga", "qxl-vga"])
def guest(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A booted guest with this graphics card; outputs but the first are connected when a viewer wants them."""
    require("qemu-system-x86_64", "busybox", "apt-get", "dpkg-deb", "Xorg", "twm", "sway", "xrandr")
    with Guest(gpu=request.param) as machine:
        yield machine


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[ViewerProcess]:
    """A viewer that has not connected yet."""
    with (tmp_path / "viewer.log").open("wb") as log, ViewerProcess(log) as process:
        yield process
