# SPDX-License-Identifier: MIT
"""Which session agent speaks for the guest, and may it share clipboard and files? (daemon)

At most one is active: the one of the login session at the seat, where logins are tracked. Elsewhere
it is the newest that has reported its screens, and the one before gets it back when that one leaves.
A connection that reports nothing changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from ..backends.base import Login, Logins
from ..protocol import udscs
from ..protocol.udscs import GuestResolution


class Agent(Protocol):
    """One connected session agent."""

    desktop: GuestResolution | None
    offers: dict[int, tuple[int, ...]]  # selection → types a guest application offers there
    login: Login | None  # whose session it is in, where that is known

    @property
    def pointer_scales(self) -> Mapping[int, float]:
        """Of its displays; 1 for those that are not in it."""

    @property
    def pointer_transforms(self) -> Mapping[int, int]:
        """Of its displays; 0 for those that are not in it."""

    @property
    def is_heard(self) -> bool:
        """Whether what it says is read at present: not where the host has no room for it."""
        ...

    def send(self, msg: udscs.Message) -> None:
        """Queue a message for it."""

    def drop(self, reason: str) -> None:
        """End its connection; it may come again."""


class Sessions:
    """All agents that may speak, the active one, and whether that may share.

    `on_active(agent)` is called when another one is active, `on_sharing()` when the active one was
    locked or unlocked. A greeter never shares: whoever sits before it is not known.
    """

    _while_locked = False

    def __init__(
        self,
        on_active: Callable[[Agent | None], None],
        on_sharing: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_active, self._on_sharing = on_active, on_sharing
        self._logins: Logins | None = None
        self.agents: list[Agent] = []
        self.active: Agent | None = None
        self.sharing: Agent | None = None  # the active one while it may use the clipboard

    def track(self, logins: Logins) -> None:
        """Serve the seat's session from now on, no other."""
        self._logins = logins
        self.decide()

    def share_while_locked(self, shares: bool) -> None:
        """Whether a user's session goes on sharing behind its lock screen."""
        if shares != self._while_locked:
            self._while_locked = shares
            self.decide()

    def add(self, agent: Agent) -> None:
        """A new connection; it has no say until it reports its screens."""
        self.agents.append(agent)

    def reported(self, agent: Agent, desktop: GuestResolution) -> None:
        """An agent told its desktop; one without screens counts as none."""
        first = agent.desktop is None
        agent.desktop = desktop if desktop.screens and desktop.width and desktop.height else None
        if first and agent in self.agents:
            self.agents.remove(agent)  # newest report last
            self.agents.append(agent)
        self.decide()

    def remove(self, agent: Agent) -> None:
        """A connection has gone."""
        if agent in self.agents:
            self.agents.remove(agent)
        self.decide()

    def has_agent(self, login: Login, besides: Collection[Agent] = ()) -> bool:
        """Whether that session has its agent already; it needs no second one."""
        return any(agent.login is login for agent in self.agents if agent not in besides)

    def give_way(self, agent: Agent) -> None:
        """Of its session's agents this one is served last."""
        if agent in self.agents:
            self.agents.remove(agent)
            self.agents.insert(0, agent)

    def decide(self) -> None:
        """Something about agents or logins may have changed."""
        was_active, was_sharing = self.active, self.sharing
        self.active = self._choose()
        login = self.active.login if self.active else None
        may_share = login is None or login.may_share or (login.is_user and self._while_locked)
        self.sharing = self.active if may_share else None
        if self.active is not was_active:
            self._on_active(self.active)
        elif self.sharing is not was_sharing:
            self._on_sharing()

    def _choose(self) -> Agent | None:
        able = [agent for agent in self.agents if agent.desktop is not None]
        if self._logins is not None:
            seat = self._logins.active
            able = [agent for agent in able if agent.login is not None and agent.login.key == seat]
        return able[-1] if able else None
