# SPDX-License-Identifier: MIT
"""How long may a run take?"""

from __future__ import annotations

import enum
from typing import TypeVar

T = TypeVar("T")


class Length(enum.Enum):
    QUICK = 1
    NORMAL = 3
    FULL = 5

    @property
    def repetitions(self) -> int:
        """How often each figure is measured; the table shows the median."""
        return self.value

    def pick(self, quick: T, normal: T, full: T) -> T:
        return {Length.QUICK: quick, Length.NORMAL: normal, Length.FULL: full}[self]
