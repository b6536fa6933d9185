# SPDX-License-Identifier: MIT
"""What else than a message can come out of a wire?"""

from __future__ import annotations

from .record import record


@record
class MouseStates:
    """Pointer messages that came one behind the other: (x, y, buttons, display_id) each."""

    states: list[tuple[int, int, int, int]]


@record
class Skipped:
    """A message that was left out, and why; the stream stays in step."""

    reason: str


@record
class Broken:
    """The stream is out of step; nothing more can be read from this connection."""

    reason: str
