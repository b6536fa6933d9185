# SPDX-License-Identifier: MIT
"""Which tests are about the compositors that are here: Debian 12's, or those of `make test-newest`?"""

from __future__ import annotations

import pytest

from tests.support.compositors import TREE


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the other ones; it is counted as deselected."""
    others = "debian12" if TREE else "newest"
    left_out = [item for item in items if item.get_closest_marker(others)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
