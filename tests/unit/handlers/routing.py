# SPDX-License-Identifier: MIT
"""What do the tests of the clipboard's way through the daemon start with?"""

from __future__ import annotations

from tests.unit.handlers.fakes import Clock, FakeAgent, FakeHost, desktop
from vdagent.handlers.clipboard_routing import ClipboardRouting
from vdagent.handlers.sessions import Sessions
from vdagent.protocol.messages import (
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRequest,
)

TEXT, PNG = 1, 2
BIG = ClipboardBegin(0, TEXT, 1 << 20)
PART = ClipboardPart([memoryview(b"part")])
END = ClipboardEnd()


class Setup:
    """A host with a client, an active agent `a`, and the routing between them."""

    def __init__(self) -> None:
        self.host, self.clock = FakeHost(), Clock()
        self.sessions = Sessions(lambda agent: self.routing.active_changed(agent))
        self.routing = ClipboardRouting(self.host, self.sessions, self.clock.call_later)
        self.a = self.join("a")

    def join(self, name: str) -> FakeAgent:
        agent = FakeAgent(name)
        self.sessions.add(agent)
        self.sessions.reported(agent, desktop())
        return agent

    def leave(self, agent: FakeAgent) -> None:
        """As the daemon does it when a connection has ended."""
        self.routing.agent_gone(agent)
        self.sessions.remove(agent)

    def guest_owns(self, *types: int, selection: int = 0) -> None:
        self.routing.agent_grab(self.a, ClipboardGrab(selection, types))
        self.host.take()

    def begins(self, agent: FakeAgent) -> None:
        """A large answer to the host begins."""
        self.routing.host_request(ClipboardRequest(0, TEXT))
        agent.take()
        self.routing.agent_begin(agent, BIG)

    def host_begins(self) -> None:
        """A large answer to the session begins."""
        self.routing.agent_request(self.a, ClipboardRequest(0, TEXT))
        self.host.take()
        self.routing.host_begin(BIG)

    def client_owns(self, *types: int, selection: int = 0) -> None:
        self.routing.host_grab(ClipboardGrab(selection, types, 0))
        self.a.take()


def empty(type_: int, selection: int = 0) -> Clipboard:
    """The answer of one who has nothing."""
    return Clipboard(selection, type_, b"")
