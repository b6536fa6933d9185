# SPDX-License-Identifier: MIT
"""Does the daemon serve on, in bounded time and memory, whatever its host and its sessions do?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile import of_host, of_session
from tests.hostile.verdict import Attack, judge
from tests.support.logs import faultless

ATTACKS = {
    f"{who}: {attack.__name__}": attack
    for who, attacks in (("host", of_host.ATTACKS), ("session", of_session.ATTACKS))
    for attack in attacks
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_served_on(attack: Attack, tmp_path: Path) -> None:
    verdict = judge(attack, "ours", tmp_path)
    log = (tmp_path / "daemon.log").read_text()
    assert verdict.served, f"{verdict}\n{log[-3000:]}"
    assert faultless(log), log[-3000:]
