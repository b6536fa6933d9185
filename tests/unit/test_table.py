# SPDX-License-Identifier: MIT
"""Does every test that tests/README.md names exist?"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_every_test_of_the_table_exists() -> None:
    rows = re.findall(r"`([\w/]+\.py)::(\w+)`", (TESTS / "README.md").read_text())
    assert len(rows) > 69
    missing = [
        f"{path}::{name}"
        for path, name in rows
        if not re.search(
            rf"^(?:async )?(?:def )?{name}\b", (TESTS / path).read_text(), re.MULTILINE
        )
    ]
    assert not missing


def test_all_behaviours_are_in_it() -> None:
    numbers = re.findall(r"^\| (\d+) \|", (TESTS / "README.md").read_text(), re.MULTILINE)
    assert [int(n) for n in numbers] == list(range(1, 70))
