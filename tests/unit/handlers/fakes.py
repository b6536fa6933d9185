# SPDX-License-Identifier: MIT
"""What stands at the handlers' edges in tests: a host, agents, a clock, a tablet, all in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vdagent.backends.base import Login
from vdagent.errors import SystemFault
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.constants import Capability
from vdagent.protocol.messages import ClipboardBegin, ClipboardGrab, ClipboardPart, Message
from vdagent.protocol.udscs import GuestResolution, Screen

VIEWER = Capabilities.of(
    [
        Capability.CLIPBOARD_BY_DEMAND,
        Capability.CLIPBOARD_SELECTION,
        Capability.CLIPBOARD_GRAB_SERIAL,
        Capability.FILE_XFER_DETAILED_ERRORS,
    ]
)


class FakeHost:
    """Implements handlers.host.Host; `sent` is everything said, grabs and parts included."""

    def __init__(self) -> None:
        self.is_open = True
        self.client = VIEWER
        self.max_clipboard = -1
        self.sending_parts = False
        self.sent: list[Any] = []
        self.reopened: list[str] = []

    def send(self, msg: Message) -> None:
        if self.is_open:
            self.sent.append(msg)

    def grab(self, selection: int, types: tuple[int, ...]) -> None:
        self.send(ClipboardGrab(selection, types))

    def send_begin(self, begin: ClipboardBegin) -> None:
        self.sending_parts = True
        self.sent.append(begin)

    def send_part(self, part: ClipboardPart) -> None:
        self.sent.append(part)

    def reopen(self, reason: str) -> None:
        self.sending_parts = False
        self.reopened.append(reason)

    def take(self) -> list[Any]:
        """What was said since the last time."""
        sent, self.sent = self.sent, []
        return sent


class FakeAgent:
    """Implements handlers.sessions.Agent."""

    def __init__(self, name: str = "agent") -> None:
        self.name = name
        self.desktop: GuestResolution | None = None
        self.pointer_scales: dict[int, float] = {}
        self.pointer_transforms: dict[int, int] = {}
        self.offers: dict[int, tuple[int, ...]] = {}
        self.login: Login | None = None
        self.is_heard = True
        self.sent: list[Any] = []
        self.dropped: list[str] = []

    def send(self, msg: Any) -> None:
        self.sent.append(msg)

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)

    def take(self) -> list[Any]:
        """What it was told since the last time."""
        sent, self.sent = self.sent, []
        return sent

    def __repr__(self) -> str:
        return self.name


class Clock:
    """Implements `call_later`; time passes in `advance` only."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[_Timer] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(self.now + delay_s, callback)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass and the timers go off, in order."""
        end = self.now + seconds
        while due := [t for t in self._timers if t.due <= end]:
            timer = min(due, key=lambda t: t.due)
            self._timers.remove(timer)
            self.now = timer.due
            if not timer.cancelled:
                timer.callback()
        self.now = end

    @property
    def running(self) -> int:
        """How many timers could still go off."""
        return sum(not t.cancelled for t in self._timers)


class _Timer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due, self.callback, self.cancelled = due, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeTablet:
    """Implements backends.base.Pointer."""

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self.states: list[tuple[int, int, int]] = []
        self.backlog = 0
        self.closed = self.broken = False

    def play(self, states: Sequence[tuple[int, int, int]]) -> None:
        if self.broken:
            raise SystemFault("tablet: gone")
        self.states += states

    def close(self) -> None:
        self.closed = True


def desktop(width: int = 1024, height: int = 768, *screens: Screen) -> GuestResolution:
    """A report; without screens of one that is as large as the desktop."""
    return GuestResolution(width, height, screens or (Screen(width, height, 0, 0, 0),))


class FakeLogins:
    """Implements backends.base.Logins."""

    active: str | None = None


def login(key: str, **facts: bool) -> Login:
    return Login(key, key, 1000, **{"is_user": True, **facts})
