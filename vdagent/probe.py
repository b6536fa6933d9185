# SPDX-License-Identifier: MIT
"""Do viewer and session agent answer, and how fast? (`vdagent doctor --probe`; docs/control.md)

The viewer is asked for its capabilities once more. Its clipboard cannot be asked for anything without
meddling with it: there a message of its own has to come, and the person at the viewer can see to that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .control import Caller, Line
from .errors import SessionError
from .handlers.sessions import Agent
from .protocol import messages as m
from .protocol.constants import ClipboardSelection, ClipboardType

if TYPE_CHECKING:
    from .daemon import Daemon
    from .state import State

ANSWER_S = 3.0
MAX_WAIT_S = 60.0
CLIPBOARD = (m.ClipboardGrab, m.ClipboardRelease, m.ClipboardRequest, m.Clipboard, m.ClipboardBegin)


class Probe:
    """The question "probe"; one at a time."""

    def __init__(self, daemon: Daemon, state: State) -> None:
        self._daemon, self._state = daemon, state
        self._busy = False

    async def run(self, question: Line, caller: Caller) -> Line:
        """Ask and measure. Raises SessionError for who serves no session here, and while another runs."""
        if not caller.is_root and not self._state.sessions_of(caller):
            refusal = "control: only root and users with a session agent may do that"
            raise SessionError(refusal, "sudo vdagent doctor --probe")
        if self._busy:
            raise SessionError("control: a probe is under way", "try again in a moment")
        wait_s = question.get("clipboard_s", 0)
        if type(wait_s) not in (int, float) or not 0 <= wait_s <= MAX_WAIT_S:
            raise SessionError(f"control: clipboard_s is a number up to {MAX_WAIT_S:.0f}")
        self._busy = True
        try:
            active, host = self._daemon.routing.sessions.active, self._daemon.host
            # From QEMU 10 a second announcement on one connection makes it close the port.
            may_ask = host.client_connected and not host.is_qemu
            return {
                "session_asked": active is not None,
                "session_ms": None if active is None else await self._session(active),
                "viewer_asked": may_ask,
                "viewer_ms": await self._viewer() if may_ask else None,
                "clipboard_seen": await self._clipboard(wait_s),
            }
        finally:
            self._busy = False

    async def _session(self, active: Agent) -> float | None:
        """A request that every session agent answers with nothing; the daemon drops the answer."""
        answer = self._daemon.routing.traffic.comes(active, m.Clipboard)
        request = m.ClipboardRequest(ClipboardSelection.SECONDARY, ClipboardType.UTF8_TEXT)
        return await _measure(answer, lambda: active.send(request))

    async def _viewer(self) -> float | None:
        """It announces itself when it is asked to."""
        answer = self._daemon.routing.traffic.comes(None, m.AnnounceCapabilities)
        return await _measure(answer, self._daemon.host.announce)

    async def _clipboard(self, wait_s: float) -> bool:
        """Whether a message of the viewer's clipboard has come, or comes now."""
        traffic = self._daemon.routing.traffic
        if not traffic.client_messages.keys().isdisjoint(CLIPBOARD):
            return True
        if not wait_s or not self._daemon.host.client_connected:
            return False
        try:
            async with asyncio.timeout(wait_s):
                await traffic.comes(None, *CLIPBOARD)
        except TimeoutError:
            return False
        return True


async def _measure(answer: Coroutine[Any, Any, None], ask: Callable[[], None]) -> float | None:
    """Milliseconds from asking to the answer, None without one."""
    waiting = asyncio.ensure_future(answer)
    await asyncio.sleep(0)  # it listens
    start = time.monotonic()
    ask()
    done, _ = await asyncio.wait((waiting,), timeout=ANSWER_S)
    waiting.cancel()
    return round((time.monotonic() - start) * 1000, 2) if done else None
