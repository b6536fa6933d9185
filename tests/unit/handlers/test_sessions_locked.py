# SPDX-License-Identifier: MIT
"""What passes while the session at the seat is locked, or is a greeter, and what at the unlock?"""

from __future__ import annotations

from tests.unit.handlers.fakes import (
    Clock,
    FakeAgent,
    FakeHost,
    FakeLogins,
    FakeTablet,
    desktop,
    login,
)
from vdagent.protocol.constants import FileXferResult as Result
from vdagent.protocol.messages import (
    AudioVolumeSync,
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRelease,
    ClipboardRequest,
    FileXferStart,
    FileXferStatus,
    MonitorsConfig,
)
from vdagent.routing import Routing

TEXT, PNG = 1, 2


class Seat:
    """The daemon between a host and an agent whose session can be locked."""

    def __init__(self, **facts: bool) -> None:
        self.host = FakeHost()
        routing = Routing(self.host, FakeTablet, Clock().call_later, lambda a: None, lambda: None)
        self.sessions, self.clipboard = routing.sessions, routing.clipboard
        self.files, self.relay = routing.files, routing.relay
        self.logins = FakeLogins()
        self.sessions.track(self.logins)
        self.agent = FakeAgent()
        self.agent.login = self.login = login("1", **facts)
        self.sessions.add(self.agent)
        self.sessions.reported(self.agent, desktop())
        self.sit("1")

    def sit(self, key: str | None) -> None:
        self.logins.active = key
        self.sessions.decide()

    def offer_both_ways(self) -> None:
        """The guest has text in the clipboard, the client an image in the primary selection."""
        self.clipboard.agent_grab(self.agent, grab(TEXT))
        self.clipboard.host_grab(grab(PNG, selection=1))
        self.host.take()
        self.agent.take()

    def lock(self, locked: bool = True) -> None:
        self.login.locked = locked
        self.sessions.decide()


def grab(*types: int, selection: int = 0) -> ClipboardGrab:
    return ClipboardGrab(selection, types)


def test_a_lock_ends_what_waits_on_both_sides() -> None:
    seat = Seat()
    seat.clipboard.host_request(ClipboardRequest(0, PNG))
    seat.clipboard.agent_request(seat.agent, ClipboardRequest(1, TEXT))
    seat.agent.take()
    seat.host.take()
    seat.lock()
    assert seat.host.take() == [Clipboard(0, PNG, b"")]
    assert seat.agent.take() == [Clipboard(1, TEXT, b"")]
    seat.clipboard.agent_data(seat.agent, Clipboard(0, PNG, b"late"))
    seat.clipboard.host_data(Clipboard(1, TEXT, b"late"))
    assert (seat.host.take(), seat.agent.take()) == ([], [])


def test_nothing_is_asked_while_locked() -> None:
    seat = Seat()
    seat.lock()
    seat.clipboard.host_request(ClipboardRequest(0, TEXT))
    seat.clipboard.agent_request(seat.agent, ClipboardRequest(0, PNG))
    assert seat.host.take() == [Clipboard(0, TEXT, b"")]
    assert seat.agent.take() == [Clipboard(0, PNG, b"")]


def test_a_large_message_under_way_is_completed() -> None:
    """Its size is told: nobody could make head or tail of what came after half of it."""
    seat = Seat()
    seat.clipboard.host_request(ClipboardRequest(0, TEXT))
    seat.clipboard.agent_begin(seat.agent, ClipboardBegin(0, TEXT, 1 << 20))
    seat.host.take()
    seat.lock()
    part = ClipboardPart([memoryview(b"x")])
    seat.clipboard.agent_part(seat.agent, part)
    seat.clipboard.agent_end(seat.agent, ClipboardEnd())
    assert seat.host.take() == [part]
    seat.clipboard.agent_begin(seat.agent, ClipboardBegin(0, TEXT, 1 << 20))
    seat.clipboard.agent_part(seat.agent, part)
    assert seat.host.take() == []


def test_the_clients_offer_is_handed_on_at_unlock_in_its_last_form() -> None:
    seat = Seat()
    seat.lock()
    seat.clipboard.host_grab(grab(TEXT))
    seat.clipboard.host_grab(grab(PNG))
    assert seat.agent.take() == []
    seat.lock(False)
    assert seat.agent.take() == [grab(PNG)]
    assert seat.host.take() == []


def test_the_guests_offer_is_handed_on_at_unlock_also_if_it_is_the_same() -> None:
    seat = Seat()
    seat.clipboard.agent_grab(seat.agent, grab(TEXT))
    seat.host.take()
    seat.lock()
    assert seat.host.take() == []  # the client keeps what it was offered
    seat.clipboard.agent_grab(seat.agent, grab(TEXT))
    assert seat.host.take() == []
    seat.lock(False)
    assert seat.host.take() == [grab(TEXT)]
    assert seat.agent.take() == []


def test_nothing_is_said_at_unlock_if_nothing_happened() -> None:
    seat = Seat()
    seat.offer_both_ways()
    seat.lock()
    seat.lock(False)
    assert (seat.host.take(), seat.agent.take()) == ([], [])


def test_of_two_offers_while_locked_the_later_counts() -> None:
    seat = Seat()
    seat.lock()
    seat.clipboard.host_grab(grab(TEXT))
    seat.clipboard.agent_grab(seat.agent, grab(PNG))
    seat.clipboard.agent_grab(seat.agent, grab(PNG, selection=1))
    seat.clipboard.host_grab(grab(TEXT, selection=1))
    seat.lock(False)
    assert seat.host.take() == [grab(PNG)]
    assert seat.agent.take() == [grab(TEXT, selection=1)]


def test_releases_while_locked_are_told_at_unlock() -> None:
    seat = Seat()
    seat.offer_both_ways()
    seat.lock()
    seat.clipboard.agent_release(seat.agent, ClipboardRelease(0))
    seat.clipboard.host_release(ClipboardRelease(1))
    assert (seat.host.take(), seat.agent.take()) == ([], [])
    seat.lock(False)
    assert seat.host.take() == [ClipboardRelease(0)]
    assert ClipboardRelease(1) in seat.agent.take()


def test_a_clients_offer_that_came_and_went_leaves_the_guests() -> None:
    """The guest's application never heard of it and still owns the selection."""
    seat = Seat()
    seat.clipboard.agent_grab(seat.agent, grab(TEXT))
    seat.lock()
    seat.clipboard.host_grab(grab(PNG))
    seat.clipboard.host_release(ClipboardRelease(0))
    seat.host.take()
    seat.lock(False)
    assert seat.host.take() == [grab(TEXT)]
    assert seat.agent.take() == []


def test_a_guests_offer_that_came_and_went_leaves_the_clients() -> None:
    """The viewer never heard of it and still owns the selection, but the desktop has nothing of it now."""
    seat = Seat()
    seat.clipboard.host_grab(grab(TEXT))
    seat.lock()
    seat.clipboard.agent_grab(seat.agent, grab(PNG))
    seat.clipboard.agent_release(seat.agent, ClipboardRelease(0))
    seat.agent.take()
    seat.lock(False)
    assert seat.agent.take() == [grab(TEXT)]
    assert seat.host.take() == []


def test_a_client_that_comes_while_locked_is_offered_the_guests_at_unlock() -> None:
    seat = Seat()
    seat.clipboard.agent_grab(seat.agent, grab(TEXT))
    seat.lock()
    seat.clipboard.client_gone()
    seat.host.take()
    seat.clipboard.client_arrived()
    assert seat.host.take() == []
    seat.lock(False)
    assert seat.host.take() == [grab(TEXT)]


def test_a_session_that_becomes_active_locked_hears_the_offer_at_unlock() -> None:
    seat = Seat()
    seat.sit(None)
    seat.clipboard.host_grab(grab(TEXT))
    seat.lock()
    seat.sit("1")
    assert seat.agent.take() == []
    seat.lock(False)
    assert seat.agent.take() == [grab(TEXT)]


def test_a_switch_away_from_a_locked_session_withdraws_its_offer() -> None:
    seat = Seat()
    seat.clipboard.agent_grab(seat.agent, grab(TEXT))
    seat.lock()
    seat.host.take()
    seat.sit(None)
    assert seat.host.take() == [ClipboardRelease(0)]


def test_new_files_are_refused_while_locked_and_running_ones_go_on() -> None:
    seat = Seat()
    seat.files.host_start(FileXferStart(1, b"a"))
    seat.lock()
    seat.files.host_start(FileXferStart(2, b"b"))
    seat.files.agent_status(seat.agent, FileXferStatus(1, Result.SUCCESS))
    assert seat.host.take() == [
        FileXferStatus(2, Result.SESSION_LOCKED),
        FileXferStatus(1, Result.SUCCESS),
    ]


def test_a_greeter_gets_monitors_and_nothing_else() -> None:
    seat = Seat(is_user=False)
    assert seat.sessions.active is seat.agent
    seat.clipboard.host_grab(grab(TEXT))
    seat.clipboard.agent_grab(seat.agent, grab(TEXT))
    seat.relay.volume(AudioVolumeSync(True, False, (1,)))
    seat.files.host_start(FileXferStart(1, b"a"))
    assert seat.host.take() == [FileXferStatus(1, Result.DISABLED)]
    config = MonitorsConfig(())
    seat.relay.monitors(config)
    assert seat.agent.take() == [config]


def test_a_locked_user_keeps_the_volume() -> None:
    seat = Seat()
    seat.lock()
    seat.relay.volume(AudioVolumeSync(True, False, (1,)))
    assert len(seat.agent.take()) == 1
