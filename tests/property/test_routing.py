# SPDX-License-Identifier: MIT
"""Does the clipboard of one viewer and several sessions stay one clipboard, in any order of events?

A model of the viewer and of each session keeps what it was told. At any time the viewer and the session
at the seat must believe the same; at the end everybody who asked must have got exactly one answer. Beside
that the pointer moves, files come, and everybody floods.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.handlers.fakes import VIEWER, Clock, FakeAgent, FakeHost, FakeTablet, desktop
from vdagent.backends.base import Login
from vdagent.handlers.clipboard_routing import ANSWER_S, MAX_PENDING, PASTE_S
from vdagent.handlers.policy import MAX_TRANSFERS
from vdagent.protocol import messages as m
from vdagent.protocol.capabilities import NO_CAPABILITIES
from vdagent.protocol.events import MouseStates
from vdagent.routing import Routing

selections = st.sampled_from([0, 1])
types = st.sampled_from([(1,), (2,), (1, 2)])
numbers = st.integers(0, 2)
PART = m.ClipboardPart([memoryview(b"all of it")])
FLOOD = MAX_PENDING + 44

Key = tuple[int, int]  # selection, type


class Party:
    """What one side believes: its own offers, the other side's, and what it waits for."""

    def __init__(self) -> None:
        self.own: dict[int, tuple[int, ...]] = {}
        self.others: dict[int, tuple[int, ...]] = {}
        self.waits: Counter[Key] = Counter()
        self.asked: list[Key] = []
        self.files: set[int] = set()  # the viewer's, that have not ended

    def copies(self, selection: int, offered: tuple[int, ...]) -> None:
        self.own[selection] = offered
        self.others.pop(selection, None)

    def hear(self, msg: Any) -> None:
        match msg:
            case m.ClipboardGrab(selection, offered):
                self.others[selection] = offered
                self.own.pop(selection, None)
            case m.ClipboardRelease(selection):
                self.others.pop(selection, None)
            case m.ClipboardRequest(selection, type_):
                self.asked.append((selection, type_))
            case m.Clipboard(selection, type_) | m.ClipboardBegin(selection, type_):
                key = selection, type_
                assert self.waits[key] > 0, f"{msg} answers nobody"
                self.waits[key] -= 1
            case m.ClientDisconnected():
                self.others.clear()
            case m.FileXferStatus(id_, result) if result:
                assert id_ in self.files, f"{msg} ends nothing"
                self.files.remove(id_)


class Session(Party):
    """A session and its agent."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.agent = FakeAgent(f"session {number}")
        self.agent.login = Login(f"session {number}", is_user=True)


class OneClipboard(RuleBasedStateMachine):
    """Every event there is, one at a time, each heard by everybody before the next."""

    def __init__(self) -> None:
        super().__init__()
        self.host, self.clock = FakeHost(), Clock()
        self.host.client = NO_CAPABILITIES
        self.routing = Routing(
            self.host, FakeTablet, self.clock.call_later, lambda agent: None, self._screens_changed
        )
        self.sessions = self.routing.sessions
        self.viewer: Party | None = None
        self.there: list[Session] = []
        self.made = self.started = 0

    def _screens_changed(self) -> None:
        active = self.sessions.active
        self.host.is_open = active is not None
        if active is not None and active.desktop is not None:
            self.routing.mouse.show(active.desktop)
        else:
            self.routing.mouse.hide()

    # -- inside the model ------------------------------------------------------------------------

    def everybody_hears(self) -> None:
        for msg in self.host.take():
            if self.viewer is not None:
                self.viewer.hear(msg)
        for session in self.there:
            for msg in session.agent.take():
                if not isinstance(msg, m.FileXferStatus):  # of the viewer, who has given it up
                    session.hear(msg)

    def session_of(self, agent: Any) -> Session | None:
        return next((s for s in self.there if s.agent is agent), None)

    @property
    def active(self) -> Session | None:
        return self.session_of(self.sessions.active)

    @property
    def sharing(self) -> Session | None:
        return self.session_of(self.sessions.sharing)

    def forget_questions(self) -> None:
        """Who is asked by one that has gone, or too long ago, does not answer any more."""
        for session in self.there:
            if session is not self.sharing:
                session.asked.clear()
        if self.viewer is not None and self.sharing is None:
            self.viewer.asked.clear()

    def settle(self) -> None:
        self.everybody_hears()
        self.forget_questions()

    # -- sessions --------------------------------------------------------------------------------

    @precondition(lambda self: len(self.there) < 3)
    @rule()
    def a_session_comes(self) -> None:
        old = self.sharing
        session = Session(self.made)
        self.made += 1
        self.there.append(session)
        self.sessions.add(session.agent)
        self.routing.from_agent(session.agent, [desktop(1024 + self.made, 768)])
        self.questions_of(old)
        self.settle()

    def questions_of(self, old: Session | None) -> None:
        """The viewer was asked by a session that is not the one at the seat any more."""
        if self.viewer is not None and old is not self.sharing:
            self.everybody_hears()
            self.viewer.asked.clear()

    @precondition(lambda self: self.there)
    @rule(n=numbers)
    def a_session_leaves(self, n: int) -> None:
        old = self.sharing
        session = self.there.pop(n % len(self.there))
        self.routing.agent_gone(session.agent)
        self.questions_of(old)
        self.settle()

    @precondition(lambda self: self.active)
    @rule(locked=st.booleans())
    def the_screen_is_locked_or_unlocked(self, locked: bool) -> None:
        old = self.sharing
        assert self.active is not None
        assert self.active.agent.login is not None
        self.active.agent.login.locked = locked
        self.sessions.decide()
        self.questions_of(old)
        self.settle()

    @precondition(lambda self: self.there)
    @rule(n=numbers, selection=selections, offered=types)
    def a_guest_copies(self, n: int, selection: int, offered: tuple[int, ...]) -> None:
        session = self.there[n % len(self.there)]
        session.copies(selection, offered)
        self.routing.from_agent(session.agent, [m.ClipboardGrab(selection, offered)])
        self.settle()

    @precondition(lambda self: any(s.own for s in self.there))
    @rule(n=numbers)
    def a_guests_owner_exits(self, n: int) -> None:
        owning = [s for s in self.there if s.own]
        session = owning[n % len(owning)]
        selection, _ = session.own.popitem()
        self.routing.from_agent(session.agent, [m.ClipboardRelease(selection)])
        self.settle()

    @precondition(lambda self: self.there)
    @rule(n=numbers, selection=selections, type_=st.sampled_from([1, 2]))
    def a_guest_pastes(self, n: int, selection: int, type_: int) -> None:
        session = self.there[n % len(self.there)]
        session.waits[selection, type_] += 1
        self.routing.from_agent(session.agent, [m.ClipboardRequest(selection, type_)])
        self.settle()

    @precondition(lambda self: self.sharing and self.sharing.asked)
    @rule(how=st.sampled_from(["whole", "none", "parts"]), n=numbers)
    def the_guest_answers(self, how: str, n: int) -> None:
        session = self.sharing
        assert session is not None
        selection, type_ = session.asked.pop(n % len(session.asked))
        agent = session.agent
        if how == "none" and not any(key[0] == selection for key in session.asked):
            self.routing.from_agent(agent, [m.Clipboard(selection, 0, b"")])
        elif how == "parts":
            self.routing.from_agent(agent, [m.ClipboardBegin(selection, type_, 1 << 20)])
            self.routing.from_agent(agent, [PART])
            self.host.sending_parts = False
            self.routing.from_agent(agent, [m.ClipboardEnd()])
        else:
            self.routing.from_agent(agent, [m.Clipboard(selection, type_, b"data")])
        self.settle()

    # -- the viewer ------------------------------------------------------------------------------

    @precondition(lambda self: self.active)
    @rule()
    def a_viewer_comes(self) -> None:
        self.client_gone()
        self.host.client = VIEWER
        self.viewer = Party()
        self.routing.from_host([m.AnnounceCapabilities(True, VIEWER)])
        self.settle()

    @precondition(lambda self: self.viewer)
    @rule()
    def the_viewer_leaves(self) -> None:
        self.host.client = NO_CAPABILITIES
        self.viewer = None
        self.client_gone()
        self.settle()

    def client_gone(self) -> None:
        self.routing.from_host([m.ClientDisconnected()])
        self.everybody_hears()

    @precondition(lambda self: self.viewer and self.active)
    @rule(selection=selections, offered=types)
    def the_viewer_copies(self, selection: int, offered: tuple[int, ...]) -> None:
        assert self.viewer is not None
        self.viewer.copies(selection, offered)
        self.routing.from_host([m.ClipboardGrab(selection, offered, 0)])
        self.settle()

    @precondition(lambda self: self.viewer and self.active and self.viewer.own)
    @rule()
    def the_viewers_owner_exits(self) -> None:
        assert self.viewer is not None
        selection, _ = self.viewer.own.popitem()
        self.routing.from_host([m.ClipboardRelease(selection)])
        self.settle()

    @precondition(lambda self: self.viewer and self.active)
    @rule(selection=selections, type_=st.sampled_from([1, 2]))
    def the_viewer_pastes(self, selection: int, type_: int) -> None:
        assert self.viewer is not None
        self.viewer.waits[selection, type_] += 1
        self.routing.from_host([m.ClipboardRequest(selection, type_)])
        self.settle()

    @precondition(lambda self: self.viewer and self.viewer.asked)
    @rule(how=st.sampled_from(["whole", "parts"]), n=numbers)
    def the_viewer_answers(self, how: str, n: int) -> None:
        assert self.viewer is not None
        selection, type_ = self.viewer.asked.pop(n % len(self.viewer.asked))
        if how == "parts":
            self.routing.from_host([m.ClipboardBegin(selection, type_, 1 << 20)])
            self.routing.from_host([PART])
            self.routing.from_host([m.ClipboardEnd()])
        else:
            self.routing.from_host([m.Clipboard(selection, type_, b"data")])
        self.settle()

    @precondition(lambda self: self.viewer and self.active)
    @rule(selection=selections, type_=st.sampled_from([1, 2]))
    def the_viewer_pastes_without_end(self, selection: int, type_: int) -> None:
        for _ in range(FLOOD):
            self.the_viewer_pastes(selection, type_)

    @precondition(lambda self: self.sharing)
    @rule(selection=selections, type_=st.sampled_from([1, 2]))
    def a_guest_pastes_without_end(self, selection: int, type_: int) -> None:
        assert self.sharing is not None
        for _ in range(FLOOD):
            self.a_guest_pastes(self.there.index(self.sharing), selection, type_)

    # -- pointer and files -----------------------------------------------------------------------

    @precondition(lambda self: self.active)
    @rule(x=st.integers(0, 1 << 32), y=st.integers(0, 1 << 32), buttons=st.integers(0, 255))
    def the_pointer_moves(self, x: int, y: int, buttons: int) -> None:
        self.routing.from_host([MouseStates([(x, y, buttons, 0)])])
        tablet, active = self.routing.mouse.pointer, self.sessions.active
        assert isinstance(tablet, FakeTablet) and active is not None and active.desktop is not None
        assert tablet.size == (active.desktop.width, active.desktop.height)
        assert tablet.states[-1] == (min(x, tablet.size[0] - 1), min(y, 767), buttons)

    @precondition(lambda self: self.viewer and self.active)
    @rule(count=st.sampled_from([1, 3, MAX_TRANSFERS + 10]))
    def files_are_dropped(self, count: int) -> None:
        assert self.viewer is not None
        for _ in range(count):
            self.started += 1
            self.viewer.files.add(self.started)
            start = m.FileXferStart(self.started, b"what it is")
            self.routing.from_host([start, m.FileXferData(self.started, b"the beginning")])
        self.settle()

    @precondition(lambda self: self.there and self.started)
    @rule(n=numbers, back=st.integers(0, 5), result=st.integers(0, 7))
    def a_session_speaks_of_a_file(self, n: int, back: int, result: int) -> None:
        """Of its own or of another's."""
        agent, id_ = self.there[n % len(self.there)].agent, self.started - back
        is_its = self.routing.files.receivers.get(id_) is agent
        self.routing.from_agent(agent, [m.FileXferStatus(id_, result)])
        if not is_its:
            assert not self.host.sent, "another session's word counts"
        self.settle()

    @precondition(lambda self: self.viewer and self.viewer.files)
    @rule()
    def the_viewer_gives_a_file_up(self) -> None:
        assert self.viewer is not None
        self.routing.from_host([m.FileXferStatus(self.viewer.files.pop(), 1)])
        self.settle()

    @rule()
    def time_passes(self) -> None:
        self.clock.advance(ANSWER_S + PASTE_S)
        self.everybody_hears()
        for party in (self.viewer, *self.there):
            if party is not None:
                party.asked.clear()
                assert not +party.waits, "somebody waits for ever"
        assert self.clock.running == 0

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def nobody_is_dropped(self) -> None:
        assert not self.host.reopened
        assert not any(s.agent.dropped for s in self.there)

    @invariant()
    def one_owner(self) -> None:
        assert not self.routing.clipboard.guest_owned & self.routing.clipboard.client_offers.keys()

    @invariant()
    def every_file_has_its_receiver(self) -> None:
        receivers = self.routing.files.receivers
        assert receivers.keys() == (self.viewer.files if self.viewer else set())

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.clock.running <= 2 * MAX_PENDING
        assert len(self.routing.files.receivers) <= MAX_TRANSFERS
        offers = [self.routing.clipboard.client_offers, *(s.agent.offers for s in self.there)]
        assert all(len(offered) <= 2 for offered in offers)

    @invariant()
    def viewer_and_session_agree(self) -> None:
        if self.viewer is None:
            assert not any(s.others for s in self.there), "an offer of nobody"
        elif self.sharing is not None:
            assert self.viewer.others == self.sharing.own
            assert self.sharing.others == self.viewer.own
        elif self.active is None:
            assert not self.viewer.others

    @invariant()
    def who_is_not_at_the_seat_has_nothing_of_the_viewers(self) -> None:
        for session in self.there:
            assert session is self.active or not session.others

    @invariant()
    def who_waits_waits_for_somebody(self) -> None:
        waiting = sum(sum((+s.waits).values()) for s in self.there)
        waiting += sum((+self.viewer.waits).values()) if self.viewer else 0
        assert waiting <= self.clock.running

    def teardown(self) -> None:
        self.time_passes()


TestOneClipboard = OneClipboard.TestCase
TestOneClipboard.settings = settings(max_examples=settings().max_examples, stateful_step_count=40)
