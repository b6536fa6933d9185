# SPDX-License-Identifier: MIT
"""What may pass between viewer and guest? (session, and the daemon for what the administrator locked)"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Flag

from ..protocol.constants import MAX_CLIPBOARD, ClipboardSelection, ClipboardType

MAX_TRANSFERS = 128


class Direction(Flag):
    """Which way the content of a selection may go."""

    OFF = 0
    TO_GUEST = 1
    TO_HOST = 2
    BOTH = 3


@dataclass(frozen=True)
class ClipboardPolicy:
    """What may pass through the clipboard; everything where nothing else is said."""

    clipboard: Direction = Direction.BOTH
    primary: Direction = Direction.BOTH
    types: frozenset[int] = frozenset(ClipboardType)
    max_bytes: int = MAX_CLIPBOARD
    secrets: bool = False  # what a password manager marked may leave the guest

    def entering(self, selection: int, types: Iterable[int]) -> tuple[int, ...]:
        """Those of the viewer's `types` that the guest may have, in order."""
        return self._passing(selection, Direction.TO_GUEST, types)

    def leaving(self, selection: int, types: Iterable[int]) -> tuple[int, ...]:
        """Those of the guest's `types` that the viewer may have, in order."""
        return self._passing(selection, Direction.TO_HOST, types)

    def _passing(self, selection: int, way: Direction, types: Iterable[int]) -> tuple[int, ...]:
        allowed = self.primary if selection == ClipboardSelection.PRIMARY else self.clipboard
        return tuple(t for t in types if t in self.types) if way in allowed else ()


@dataclass(frozen=True)
class FilePolicy:
    """Which files may come from the viewer."""

    enabled: bool = True
    max_bytes: int | None = None  # of one file
    transfers: int = MAX_TRANSFERS  # at once
    notify: bool = True
