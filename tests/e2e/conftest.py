# SPDX-License-Identifier: MIT
"""Which machines do the end-to-end tests run on? One fresh lab each, and nothing that was there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab_guest import C_DAEMON, C_PEER, C_SESSION, Guest
from tests.support.tools import require
from vdagent.lab.lab_process import LabProcess
from vdagent.lab.viewer_process import ViewerProcess

TRACE = ("--trace", "virtio_serial_*")

not_with_the_c_peer = pytest.mark.unless(C_PEER)  # neither half of it does this
not_with_the_c_daemon = pytest.mark.unless(C_DAEMON)
not_with_the_c_session = pytest.mark.unless(C_SESSION)


@pytest.fixture
def lab() -> Iterator[LabProcess]:
    require("qemu-system-x86_64")
    with LabProcess(*TRACE) as lab:
        yield lab


@pytest.fixture
def viewer() -> Iterator[ViewerProcess]:
    with ViewerProcess() as viewer:
        yield viewer


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    """Lab, viewer and desktop; daemon and session are still to be started."""
    require("qemu-system-x86_64", "Xvfb", "xclip", "xrandr")
    with Guest(tmp_path, *TRACE) as guest:
        yield guest


@pytest.fixture
def running(guest: Guest) -> Guest:
    """The same with everything running and announced."""
    return guest.start()
