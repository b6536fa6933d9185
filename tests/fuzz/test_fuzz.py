# SPDX-License-Identifier: MIT
"""Does the committed corpus still break nothing, nor eighty thousand inputs made from it?"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.__main__ import CORPUS, mutated
from tests.fuzz.targets import TARGETS

EACH = 5000
SLOW = ("daemon", "doctor")  # these read files, or play a whole daemon


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_and_what_is_made_of_it(name: str) -> None:
    seeds = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    dice = random.Random(name)
    for data in (
        *seeds,
        b"",
        *(mutated(dice, seeds) for _ in range(EACH // (5 if name in SLOW else 1))),
    ):
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{name} of {data!r}") from error


def test_every_corpus_has_its_target() -> None:
    assert {path.name for path in Path(CORPUS).iterdir()} == set(TARGETS)
