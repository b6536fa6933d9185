# SPDX-License-Identifier: MIT
"""Do memory and descriptors stay flat for a quarter of a minute of everything at once?"""

from __future__ import annotations

from pathlib import Path

from tests.soak.__main__ import soak

SECONDS = 15


def test_a_short_day(tmp_path: Path) -> None:
    result = soak(SECONDS, 1, tmp_path)
    assert not result.problems, result
    assert all(result.done.values()), result.done
