# SPDX-License-Identifier: MIT
"""What do the tests of sessions and their agents share? A daemon with a logind, one for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.buses import require_mock_logind
from tests.support.login_rig import LoginRig
from tests.support.logs import faultless


@pytest.fixture
def rig() -> Iterator[LoginRig]:
    require_mock_logind()
    # pytest's own directories are closed to other users.
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="sessions-"))
        os.chmod(name, 0o755)
        rig = LoginRig(Path(name), stack)
        yield rig
        if rig.daemon is not None:
            assert rig.daemon.poll() is None, rig.log.read_text()
            assert faultless(rig.log.read_text()), rig.log.read_text()
