# SPDX-License-Identifier: MIT
"""Does the session agent serve on, whatever programs, files and viewers do?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.of_desktop import ATTACKS, Attack, judge
from tests.support.logs import faultless


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_served_on(attack: Attack, tmp_path: Path) -> None:
    verdict = judge(attack, "ours", tmp_path)
    log = (tmp_path / "session.log").read_text()
    assert verdict.served, f"{verdict}\n{log[-3000:]}"
    assert faultless(log) and "never retrieved" not in log, log[-3000:]
