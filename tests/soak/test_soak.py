# SPDX-License-Identifier: MIT
"""Do memory and descriptors stay flat for half a minute of everything at once? (half of it outside CI)"""

from __future__ import annotations

import os
from pathlib import Path

from tests.soak.__main__ import soak

SECONDS = 30 if os.environ.get("CI") == "true" else 15


def test_a_short_day(tmp_path: Path) -> None:
    result = soak(SECONDS, 1, tmp_path)
    assert not result.problems, result
    assert all(result.done.values()), result.done
