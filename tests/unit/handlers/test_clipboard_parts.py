# SPDX-License-Identifier: MIT
"""Do large clipboards pass in parts, and what does it cost when one of the two ends goes meanwhile?"""

from __future__ import annotations

import pytest

from tests.unit.handlers.routing import BIG, END, PART, TEXT, Setup, empty
from vdagent.handlers.clipboard_routing import STALL_S
from vdagent.protocol.messages import ClipboardRequest


@pytest.fixture
def s() -> Setup:
    return Setup()


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


def test_a_session_that_stops_while_sending_is_dropped(s: Setup) -> None:
    s.begins(s.a)
    for _ in range(5):
        s.routing.agent_part(s.a, PART)
        s.clock.advance(STALL_S)
    s.a.is_heard = False  # the host takes nothing
    s.clock.advance(60)
    assert s.a.dropped == []
    s.a.is_heard = True
    s.clock.advance(2 * STALL_S)
    assert len(s.a.dropped) == 1
    s.leave(s.a)
    assert len(s.host.reopened) == 1
    assert s.clock.running == 0


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
