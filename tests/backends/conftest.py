# SPDX-License-Identifier: MIT
"""Which tests are about the compositors that are here, and which about older or newer ones?"""

from __future__ import annotations

import shutil

import pytest

from tests.support.compositors import version


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the other ones; it is counted as deselected."""
    left_out = [item for item in items if not _fits(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _fits(item: pytest.Item) -> bool:
    """A program that is not here at all is for the test itself to miss."""
    since = [mark.args for mark in item.iter_markers("since") if shutil.which(mark.args[0])]
    before = [mark.args for mark in item.iter_markers("before") if shutil.which(mark.args[0])]
    return all(version(program) >= tuple(first) for program, *first in since) and all(
        version(program) < tuple(first) for program, *first in before
    )
