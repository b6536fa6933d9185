# SPDX-License-Identifier: MIT
"""How does the daemon learn that the pixels of an output count more than one of the desktop's?

Beside an output of higher scale they do (`backends.base.Output.pointer_scale`), and udscs has no word for
it. The session agent says it on the control socket, where the daemon knows it by its pid:

    {"do": "pointer-scales", "scales": {"0": 2.0}}    display id → scale; displays not named have 1
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any

from .errors import SessionError

log = logging.getLogger("resolution")

MAX_DISPLAYS = 256
MAX_SCALE = 64.0
# The control socket appears a moment after the session's, and not at all beside a C daemon.
WAITS_S = (0.3, 0.5, 1.0, 2.0)
ANSWER_S = 1.0

_ID = re.compile("[0-9]{1,3}", re.ASCII)


def read_scales(question: Mapping[str, Any]) -> dict[int, float]:
    """The scales in such a question. Raises SessionError if they are none."""
    scales = question.get("scales")
    if not isinstance(scales, dict) or len(scales) > MAX_DISPLAYS:
        raise SessionError("control: scales must be an object of at most 256 displays")
    found = {}
    for display, scale in scales.items():
        number = int(display) if _ID.fullmatch(display) else MAX_DISPLAYS
        if number >= MAX_DISPLAYS or type(scale) not in (int, float) or not 0 < scale <= MAX_SCALE:
            raise SessionError("control: a scale is a display id and a number up to 64")
        found[number] = float(scale)
    return found


class PointerScales:
    """Tells the daemon the scales of this session's displays."""

    def __init__(self, session_socket: str) -> None:
        self._socket = session_socket
        self._told: Mapping[int, float] = {}
        self._work: asyncio.Task[None] | None = None
        self._complained = False

    def connected(self) -> None:
        """A daemon that knows nothing of us is there."""
        self.close()
        self._told = {}

    def tell(self, scales: Mapping[int, float]) -> None:
        """Let the daemon know, if that is new to it."""
        if scales != self._told:
            self.close()
            self._told = scales
            self._work = asyncio.ensure_future(self._tell(scales))

    async def _tell(self, scales: Mapping[int, float]) -> None:
        from .control import ask, control_path  # few sessions ever need it

        path = control_path(self._socket)
        question = {"do": "pointer-scales", "scales": {str(n): s for n, s in scales.items()}}
        for wait_s in (*WAITS_S, None):
            try:
                await asyncio.to_thread(ask, path, question, ANSWER_S)
                return
            except SessionError as error:
                if wait_s is not None:
                    await asyncio.sleep(wait_s)
                elif not self._complained:
                    self._complained = True
                    log.warning(
                        "resolution: the outputs' scales differ and the daemon cannot be told (%s), so the"
                        " pointer is off on the coarser ones; use vdagent's daemon, or one scale",
                        error.message,
                    )

    def close(self) -> None:
        """Say no more."""
        if self._work is not None:
            self._work.cancel()
            self._work = None
