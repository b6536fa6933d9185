# SPDX-License-Identifier: MIT
"""Does each copy and paste reach the right side, and is every request answered whatever happens?"""

from __future__ import annotations

import pytest

from tests.unit.handlers.fakes import FakeHost
from tests.unit.handlers.routing import BIG, END, PART, PNG, TEXT, Setup, empty
from vdagent.handlers.clipboard_routing import ANSWER_S, MAX_PENDING, PASTE_S
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.constants import Capability
from vdagent.protocol.messages import (
    Clipboard,
    ClipboardGrab,
    ClipboardRelease,
    ClipboardRequest,
)


@pytest.fixture
def s() -> Setup:
    return Setup()


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
    s.a.take()
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    s.routing.host_data(Clipboard(0, TEXT, bytes(size)))
    assert s.a.sent == [Clipboard(0, TEXT, bytes(size)) if passes else empty(TEXT)]


def test_a_large_one_it_does_not_take(s: Setup) -> None:
    s.host.max_clipboard = 1000
    s.routing.host_request(ClipboardRequest(0, TEXT))
    s.routing.agent_begin(s.a, BIG)
    s.routing.agent_part(s.a, PART)
    s.routing.agent_end(s.a, END)
    assert s.host.sent == [empty(TEXT)]
    s.a.take()
    s.host_begins()
    s.routing.host_part(PART)
    s.routing.host_end(END)
    assert s.a.sent == [empty(TEXT)]


def test_a_client_that_takes_nothing_by_demand(s: Setup) -> None:
    s.host.client = Capabilities.of([Capability.CLIPBOARD_SELECTION])
    s.routing.agent_grab(s.a, ClipboardGrab(0, (TEXT,)))
    s.routing.agent_data(s.a, Clipboard(0, TEXT, b"x"))
    s.routing.agent_begin(s.a, BIG)
    s.routing.agent_part(s.a, PART)
    assert s.host.sent == []
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    assert s.a.take() == [empty(TEXT)]
    s.routing.host_request(ClipboardRequest(0, TEXT))
    assert s.a.sent == []
    assert s.host.sent == [empty(TEXT)]


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
