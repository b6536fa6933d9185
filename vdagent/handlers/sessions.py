# SPDX-License-Identifier: MIT
"""Which session agent speaks for the guest? (daemon)

At most one is active. Without session tracking it is the newest that has reported its screens, and the
one before gets it back when that one leaves; a connection that reports nothing changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..protocol import udscs
from ..protocol.udscs import GuestResolution


class Agent(Protocol):
    """One connected session agent."""

    desktop: GuestResolution | None
    offers: dict[int, tuple[int, ...]]  # selection → types a guest application offers there

    def send(self, msg: udscs.Message) -> None:
        """Queue a message for it."""

    def drop(self, reason: str) -> None:
        """End its connection; it may come again."""


class Sessions:
    """All connected agents, and the active one."""

    def __init__(self, on_active: Callable[[Agent | None], None]) -> None:
        self._on_active = on_active
        self.agents: list[Agent] = []
        self.active: Agent | None = None

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
        self._decide()

    def remove(self, agent: Agent) -> None:
        """A connection has gone."""
        if agent in self.agents:
            self.agents.remove(agent)
        self._decide()

    def _decide(self) -> None:
        able = [agent for agent in self.agents if agent.desktop is not None]
        chosen = able[-1] if able else None
        if chosen is not self.active:
            self.active = chosen
            self._on_active(chosen)
