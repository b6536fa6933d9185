# SPDX-License-Identifier: MIT
"""What is one row of the table?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.survive.recovery import Served

SERVED_S = 5.0


def _nothing(at: Served) -> None:
    """Clipboard and pointer say it all."""


@dataclass(frozen=True)
class Row:
    """Something to survive, and how soon after it the agent has to serve again.

    `happen` returns when it is over: from then on the time counts. `then` looks at what clipboard and
    pointer do not show, and raises RuntimeError or TimeoutError. `why` the limit is not the usual one.
    """

    what: str
    happen: Callable[[Served], None]
    limit_s: float = SERVED_S
    # Xorg gives up all its input devices, the keyboard too, when logind leaves the bus.
    x_reads_input: bool = True
    then: Callable[[Served], None] = _nothing
    why: str = ""
