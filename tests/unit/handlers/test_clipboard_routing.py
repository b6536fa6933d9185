# SPDX-License-Identifier: MIT
"""Does each copy and paste reach the right side, and is every request answered whatever happens?"""

from __future__ import annotations

import pytest

from tests.unit.handlers.fakes import Clock, FakeAgent, FakeHost, desktop
from vdagent.handlers.clipboard_routing import ANSWER_S, MAX_PENDING, PASTE_S, ClipboardRouting
from vdagent.handlers.sessions import Sessions
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.constants import Capability
from vdagent.protocol.messages import (
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRelease,
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


@pytest.fixture
def s() -> Setup:
    return Setup()


def empty(type_: int, selection: int = 0) -> Clipboard:
    return Clipboard(selection, type_, b"")


# -- what passes through -------------------------------------------------------------------------


def test_the_guest_copies_and_the_client_pastes(s: Setup) -> None:
    s.routing.agent_grab(s.a, ClipboardGrab(1, (TEXT, PNG)))
    s.routing.host_request(ClipboardRequest(1, PNG))
    s.routing.agent_data(s.a, Clipboard(1, PNG, b"image"))
    s.routing.agent_release(s.a, ClipboardRelease(1))
    assert s.a.sent == [ClipboardRequest(1, PNG)]
    assert s.host.sent == [
        ClipboardGrab(1, (TEXT, PNG)),
        Clipboard(1, PNG, b"image"),
        ClipboardRelease(1),
    ]
    assert s.clock.running == 0


def test_the_client_copies_and_the_guest_pastes(s: Setup) -> None:
    s.routing.host_grab(ClipboardGrab(1, (TEXT,), 0))
    s.routing.agent_request(s.a, ClipboardRequest(1, TEXT))
    s.routing.host_data(Clipboard(1, TEXT, b"text"))
    s.routing.host_release(ClipboardRelease(1))
    assert s.host.sent == [ClipboardRequest(1, TEXT)]
    assert s.a.sent == [
        ClipboardGrab(1, (TEXT,)),
        Clipboard(1, TEXT, b"text"),
        ClipboardRelease(1),
    ]
    assert s.clock.running == 0


def test_copying_again_needs_no_release(s: Setup) -> None:
    s.routing.agent_grab(s.a, ClipboardGrab(0, (TEXT,)))
    s.routing.agent_grab(s.a, ClipboardGrab(0, (PNG,)))
    assert s.host.take() == [ClipboardGrab(0, (TEXT,)), ClipboardGrab(0, (PNG,))]
    s.client_owns(TEXT)
    s.client_owns(PNG)
    assert s.host.take() == []


def test_answers_may_come_out_of_order(s: Setup) -> None:
    for selection, type_ in ((0, TEXT), (0, PNG), (1, TEXT)):
        s.routing.host_request(ClipboardRequest(selection, type_))
    for selection, type_ in ((1, TEXT), (0, PNG), (0, TEXT)):
        s.routing.agent_data(s.a, Clipboard(selection, type_, b"x"))
    assert [(m.selection, m.type) for m in s.host.sent] == [(1, TEXT), (0, PNG), (0, TEXT)]
    assert s.clock.running == 0


def test_none_answers_with_the_type_that_was_asked_for(s: Setup) -> None:
    s.routing.host_request(ClipboardRequest(0, PNG))
    s.routing.agent_data(s.a, Clipboard(0, 0, b""))
    assert s.host.take() == [empty(PNG)]
    s.routing.agent_request(s.a, ClipboardRequest(1, PNG))
    s.host.take()
    s.routing.host_data(Clipboard(1, 0, b""))
    assert s.a.sent[-1] == empty(PNG, 1)


def test_data_that_nobody_waits_for_goes_nowhere(s: Setup) -> None:
    s.routing.agent_data(s.a, Clipboard(0, TEXT, b"unasked"))
    s.routing.agent_begin(s.a, BIG)
    s.routing.agent_part(s.a, PART)
    s.routing.agent_end(s.a, END)
    s.routing.host_data(Clipboard(0, TEXT, b"unasked"))
    s.routing.host_begin(BIG)
    s.routing.host_part(PART)
    s.routing.host_end(END)
    assert s.host.sent == s.a.sent == []
    s.routing.host_request(ClipboardRequest(0, TEXT))
    s.clock.advance(ANSWER_S)
    s.routing.agent_data(s.a, Clipboard(0, TEXT, b"late"))
    assert s.host.sent == [empty(TEXT)]


@pytest.mark.parametrize("selection", [2, 255])
def test_other_selections_are_refused_politely(s: Setup, selection: int) -> None:
    s.routing.host_grab(ClipboardGrab(selection, (TEXT,), 0))
    s.routing.host_release(ClipboardRelease(selection))
    s.routing.agent_grab(s.a, ClipboardGrab(selection, (TEXT,)))
    s.routing.agent_release(s.a, ClipboardRelease(selection))
    assert s.host.sent == s.a.sent == []
    s.routing.host_request(ClipboardRequest(selection, TEXT))
    assert s.host.sent == [empty(TEXT, selection)]
    s.routing.agent_request(s.a, ClipboardRequest(selection, TEXT))
    assert s.a.sent == [empty(TEXT, selection)]


# -- limits and capabilities ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "size", "passes"),
    [(-1, 9, True), (9, 9, True), (8, 9, False), (0, 0, True), (0, 1, False)],
)
def test_what_the_client_does_not_take(s: Setup, limit: int, size: int, passes: bool) -> None:
    s.host.max_clipboard = limit
    s.routing.host_request(ClipboardRequest(0, TEXT))
    s.routing.agent_data(s.a, Clipboard(0, TEXT, bytes(size)))
    assert s.host.sent == [Clipboard(0, TEXT, bytes(size)) if passes else empty(TEXT)]


def test_a_large_one_it_does_not_take(s: Setup) -> None:
    s.host.max_clipboard = 1000
    s.routing.host_request(ClipboardRequest(0, TEXT))
    s.routing.agent_begin(s.a, BIG)
    s.routing.agent_part(s.a, PART)
    s.routing.agent_end(s.a, END)
    assert s.host.sent == [empty(TEXT)]


def test_a_client_that_takes_nothing_by_demand(s: Setup) -> None:
    s.host.client = Capabilities.of([Capability.CLIPBOARD_SELECTION])
    s.routing.agent_grab(s.a, ClipboardGrab(0, (TEXT,)))
    s.routing.agent_data(s.a, Clipboard(0, TEXT, b"x"))
    s.routing.agent_begin(s.a, BIG)
    s.routing.agent_part(s.a, PART)
    assert s.host.sent == []
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    assert s.a.sent == [empty(TEXT)]


def test_a_client_with_one_selection(s: Setup) -> None:
    s.host.client = Capabilities.of([Capability.CLIPBOARD_BY_DEMAND])
    s.routing.agent_grab(s.a, ClipboardGrab(1, (TEXT,)))
    s.routing.agent_grab(s.a, ClipboardGrab(0, (TEXT,)))
    s.routing.agent_request(s.a, ClipboardRequest(1, TEXT))
    assert s.host.sent == [ClipboardGrab(0, (TEXT,))]
    assert s.a.sent == [empty(TEXT, 1)]


def test_a_closed_port_answers_at_once(s: Setup) -> None:
    s.host.is_open = False
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    assert s.a.sent == [empty(TEXT)]


# -- nobody waits for ever -----------------------------------------------------------------------


def test_a_session_that_never_answers(s: Setup) -> None:
    s.routing.host_request(ClipboardRequest(0, TEXT))
    s.clock.advance(ANSWER_S)
    assert s.host.sent == [empty(TEXT)]
    assert s.clock.running == 0


def test_a_client_that_never_answers(s: Setup) -> None:
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    s.clock.advance(PASTE_S)
    assert s.a.sent == [empty(TEXT)]
    assert s.clock.running == 0


def test_a_flood_of_requests_is_answered_too(s: Setup) -> None:
    for _ in range(MAX_PENDING + 5):
        s.routing.host_request(ClipboardRequest(0, TEXT))
        s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    requests = [ClipboardRequest(0, TEXT)] * MAX_PENDING
    refused = [empty(TEXT)] * 5
    assert [m for m in s.host.sent if isinstance(m, ClipboardRequest)] == requests
    assert [m for m in s.host.sent if isinstance(m, Clipboard)] == refused
    assert [m for m in s.a.sent if isinstance(m, ClipboardRequest)] == requests
    assert [m for m in s.a.sent if isinstance(m, Clipboard)] == refused


def test_nobody_to_ask_and_nothing_to_ask_for(s: Setup) -> None:
    s.routing.host_request(ClipboardRequest(0, 0))
    assert s.host.take() == [empty(0)]
    s.leave(s.a)
    s.routing.host_request(ClipboardRequest(0, TEXT))
    assert s.host.take() == [empty(TEXT)]


def test_a_session_that_dies_with_a_request(s: Setup) -> None:
    s.routing.host_request(ClipboardRequest(0, TEXT))
    s.leave(s.a)
    assert s.host.sent == [empty(TEXT)]
    assert s.clock.running == 0


def test_a_client_that_leaves_with_a_paste(s: Setup) -> None:
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    s.routing.client_gone()
    assert s.a.sent == [empty(TEXT)]
    assert s.clock.running == 0


def test_a_paste_of_a_session_that_is_replaced_ends_there(s: Setup) -> None:
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    s.routing.host_request(ClipboardRequest(1, PNG))
    b = s.join("b")
    assert s.a.sent == [ClipboardRequest(1, PNG), empty(TEXT)]
    assert b.sent == []
    assert s.host.sent == [ClipboardRequest(0, TEXT), empty(PNG, 1)]


# -- who owns what -------------------------------------------------------------------------------


def test_the_guests_offer_waits_for_a_client(s: Setup) -> None:
    s.host.client = Capabilities(0)
    s.routing.agent_grab(s.a, ClipboardGrab(0, (TEXT,)))
    s.routing.agent_grab(s.a, ClipboardGrab(1, (PNG,)))
    assert s.host.take() == []
    s.host.client = FakeHost().client
    s.routing.client_arrived()
    s.routing.client_arrived()
    assert s.host.take() == [ClipboardGrab(0, (TEXT,)), ClipboardGrab(1, (PNG,))]


def test_and_for_the_next_one(s: Setup) -> None:
    s.guest_owns(TEXT)
    s.routing.client_gone()
    s.routing.client_arrived()
    assert s.host.sent == [ClipboardGrab(0, (TEXT,))]


def test_what_the_client_copied_over_is_not_offered_again(s: Setup) -> None:
    s.guest_owns(TEXT)
    s.client_owns(TEXT)
    s.routing.client_gone()
    s.routing.client_arrived()
    assert s.host.sent == []


def test_only_what_was_offered_is_released(s: Setup) -> None:
    s.routing.agent_release(s.a, ClipboardRelease(0))
    s.guest_owns(TEXT)
    s.client_owns(TEXT)
    s.routing.agent_release(s.a, ClipboardRelease(0))
    assert s.host.sent == []


def test_a_session_that_is_replaced_withdraws_its_offers(s: Setup) -> None:
    s.guest_owns(TEXT)
    s.guest_owns(TEXT, selection=1)
    s.client_owns(PNG, selection=1)
    b = s.join("b")
    assert s.host.take() == [ClipboardRelease(0)]
    assert b.take() == [ClipboardGrab(1, (PNG,))]
    assert s.a.take() == [ClipboardRelease(1)]
    s.leave(b)
    assert s.host.take() == [ClipboardGrab(0, (TEXT,))]
    assert s.a.take() == [ClipboardGrab(1, (PNG,))]


def test_a_session_in_the_background_says_nothing(s: Setup) -> None:
    b = s.join("b")
    s.routing.agent_grab(s.a, ClipboardGrab(0, (TEXT,)))
    s.routing.agent_data(s.a, Clipboard(0, TEXT, b"secret"))
    s.routing.agent_begin(s.a, BIG)
    s.routing.agent_part(s.a, PART)
    s.routing.agent_release(s.a, ClipboardRelease(0))
    assert s.host.sent == b.sent == []
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    assert s.a.sent == [empty(TEXT)]
    s.routing.agent_grab(s.a, ClipboardGrab(0, (TEXT,)))
    s.leave(b)
    assert s.host.sent == [ClipboardGrab(0, (TEXT,))]


def test_it_hears_nothing_either(s: Setup) -> None:
    b = s.join("b")
    s.a.take()
    s.routing.host_grab(ClipboardGrab(0, (TEXT,), 0))
    s.routing.host_request(ClipboardRequest(0, TEXT))
    s.routing.host_release(ClipboardRelease(0))
    assert s.a.sent == []
    assert len(b.sent) == 3


# -- large ones ----------------------------------------------------------------------------------


def test_large_ones_pass_in_parts_both_ways(s: Setup) -> None:
    s.routing.host_request(ClipboardRequest(0, TEXT))
    s.routing.agent_begin(s.a, BIG)
    s.routing.agent_part(s.a, PART)
    s.routing.agent_end(s.a, END)
    s.routing.agent_part(s.a, PART)
    assert s.host.take() == [BIG, PART]
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    s.a.take()
    s.routing.host_begin(BIG)
    s.routing.host_part(PART)
    s.routing.host_end(END)
    s.routing.host_part(PART)
    assert s.a.take() == [BIG, PART]
    assert s.clock.running == 0


def test_only_one_at_a_time_to_the_host(s: Setup) -> None:
    """Two sessions can get here: the one before is still sending when the next becomes active."""
    s.begins(s.a)
    b = s.join("b")
    s.begins(b)
    s.routing.agent_part(b, PART)
    s.routing.agent_part(s.a, PART)
    s.routing.agent_end(b, END)
    s.routing.agent_part(s.a, PART)
    assert s.host.sent == [BIG, empty(TEXT), PART, PART]


def test_the_rest_goes_to_who_got_the_beginning(s: Setup) -> None:
    s.host_begins()
    b = s.join("b")
    s.routing.host_part(PART)
    s.routing.host_end(END)
    assert s.a.sent == [BIG, PART]
    assert b.sent == []


def test_a_session_that_dies_while_sending_costs_the_port(s: Setup) -> None:
    s.begins(s.a)
    s.leave(s.a)
    assert len(s.host.reopened) == 1


def test_a_session_that_dies_while_receiving_costs_nothing(s: Setup) -> None:
    s.host_begins()
    s.leave(s.a)
    s.routing.host_part(PART)
    s.routing.host_end(END)
    assert s.host.reopened == []
    assert s.a.sent == [BIG]


def test_a_client_that_leaves_while_sending_costs_the_session(s: Setup) -> None:
    s.host_begins()
    s.routing.client_gone()
    s.routing.host_part(PART)
    assert len(s.a.dropped) == 1
    assert s.a.sent == [BIG]


def test_a_client_that_leaves_while_receiving_costs_nothing(s: Setup) -> None:
    """The host counts the message's bytes on: without the rest nothing else could ever be said."""
    s.begins(s.a)
    s.routing.client_gone()
    s.routing.agent_part(s.a, PART)
    s.host.sending_parts = False
    s.routing.agent_end(s.a, END)
    assert s.host.sent == [BIG, PART]
    assert s.host.reopened == []


def test_a_lost_host_forgets_the_message_it_was_getting(s: Setup) -> None:
    s.begins(s.a)
    s.host.sending_parts = False  # as on a new connection
    s.routing.client_gone()
    s.routing.agent_part(s.a, PART)
    assert s.host.sent == [BIG]
