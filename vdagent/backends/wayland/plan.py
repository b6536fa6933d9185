# SPDX-License-Identifier: MIT
"""What do we ask of an output, and what must a way to ask it be able to do?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Plan(NamedTuple):
    """An output that is to be on: its mode's size, before it is turned, and its logical position."""

    width: int
    height: int
    x: int
    y: int


class OutputManagement(Protocol):
    """A compositor's way to change its outputs; scale and transform stay as they are."""

    def names(self) -> list[str]:
        """Every output, on or off."""
        ...

    def scale_of(self, name: str) -> float:
        """How many of an output's pixels are one of logical space."""
        ...

    def transform_of(self, name: str) -> int:
        """How an output is turned, as in `base.Output`."""
        ...

    def nearest(self, name: str, width: int, height: int) -> tuple[int, int]:
        """The size of a mode, before it is turned, to ask for where this one is wanted."""
        ...

    async def apply(self, plans: Mapping[str, Plan]) -> None:
        """Switch on exactly the outputs in `plans`. Raises DesktopError if that is refused."""
