# SPDX-License-Identifier: MIT
"""Does every test exist that the tables name, and does every row name one?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
README, BEHAVIOURS = TESTS.parent / "README.md", TESTS / "README.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("document", [README, BEHAVIOURS], ids=["README", "tests/README"])
def test_every_test_of_the_table_exists(document: Path) -> None:
    named = NAMED.findall(document.read_text())
    assert len(named) > 20
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(
            rf"^(?:(?:async )?def )?{name}\b", (TESTS / path).read_text(), re.MULTILINE
        )
    ]
    assert not missing


def test_all_behaviours_are_in_it() -> None:
    rows = [row for row in _rows(BEHAVIOURS) if row[0].isdigit()]
    assert [int(row[0]) for row in rows] == list(range(1, 70))
    assert all(NAMED.search(row[-1]) for row in rows)


def test_every_feature_has_its_test_and_no_empty_cell() -> None:
    head, _, *rows = [row for row in _rows(README) if len(row) == 4]
    assert head[1:] == ["spice-vdagent 0.23", "vdagent", "shown by"]
    assert len(rows) > 20
    for row in rows:
        assert all(row), row
        assert row[2] not in ("no", "–"), row
        assert NAMED.fullmatch(row[3]), row


def _rows(document: Path) -> list[list[str]]:
    """The cells of all lines of tables."""
    lines = [line for line in document.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
