# SPDX-License-Identifier: MIT
"""Who owns a selection, the viewer or the guest, and where does its content go? (daemon)

The daemon holds offers, never content: a request and its answer only pass through. It answers in place
of whoever cannot: a request of the host gets its answer whatever happens to the session, a paste in
the guest ends whatever happens to the viewer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from ..protocol.constants import Capability, ClipboardSelection, ClipboardType
from ..protocol.messages import (
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRelease,
    ClipboardRequest,
)
from .host import Host
from .policy import ClipboardPolicy
from .sessions import Agent, Sessions

log = logging.getLogger("clipboard")

SELECTIONS = (ClipboardSelection.CLIPBOARD, ClipboardSelection.PRIMARY)
MAX_PENDING = 256
# Our own session agent answers within 10 s and asks no longer than that; these catch others'. Such an
# agent may be in the middle of a slow program's answer, a viewer's first byte is seen here.
ANSWER_S = 30.0
PASTE_S = 11.0
# A session that says nothing more in the middle of a large message keeps the host from everything else.
STALL_S = 3.0


class Timer(Protocol):
    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], Timer]


class Pending:
    """Requests that wait for their answer, oldest first; each ends by `expire` at the latest."""

    def __init__(
        self, call_later: CallLater, timeout_s: float, expire: Callable[[int, int], None]
    ) -> None:
        self._call_later, self._timeout_s, self._expire = call_later, timeout_s, expire
        self._waiting: list[tuple[int, int, Timer]] = []

    def add(self, selection: int, type_: int) -> bool:
        """Wait for one more; False if too many wait already."""
        if len(self._waiting) >= MAX_PENDING:
            return False
        timer = self._call_later(self._timeout_s, lambda: self._expired(timer))
        self._waiting.append((selection, type_, timer))
        return True

    def answered(self, selection: int, type_: int) -> int | None:
        """An answer came, NONE to the oldest: the type that was asked for, or None if nobody asked."""
        for waiting in self._waiting:
            if waiting[0] == selection and type_ in (waiting[1], ClipboardType.NONE):
                self._waiting.remove(waiting)
                waiting[2].cancel()
                return waiting[1]
        return None

    def expire_all(self) -> None:
        """Nobody will answer any more."""
        waiting, self._waiting = self._waiting, []
        for selection, type_, timer in waiting:
            timer.cancel()
            self._expire(selection, type_)

    def _expired(self, timer: Timer) -> None:
        for waiting in [w for w in self._waiting if w[2] is timer]:
            self._waiting.remove(waiting)
            self._expire(*waiting[:2])


class ClipboardRouting:
    """Passes the clipboard between the host and the active session agent.

    While that is locked nothing passes; offers are kept, and handed on when it is unlocked. Data that
    nobody waits for, because it comes late, twice or unasked, goes nowhere.
    """

    def __init__(self, host: Host, sessions: Sessions, call_later: CallLater) -> None:
        self._host, self._sessions = host, sessions
        self._policy = ClipboardPolicy()
        self.client_offers: dict[int, tuple[int, ...]] = {}
        self.guest_owned: set[int] = set()  # our grabs that the client holds
        self._served: Agent | None = None  # the active one until `active_changed`; its pastes wait
        self._of_host = Pending(call_later, ANSWER_S, self._answer_host)
        self._of_guest = Pending(call_later, PASTE_S, self._answer_guest)
        # Selections that changed hands while the session was locked: does the guest's offer count?
        self._late: dict[int, bool] = {}
        self._to_agent: Agent | None = None  # takes the Clipboard message in parts from the host
        self._to_host: Agent | None = None  # gives the one to the host
        self._call_later = call_later
        self._check: Timer | None = None  # whether it goes on, while there is one
        self._goes_on = False

    def set_policy(self, policy: ClipboardPolicy) -> None:
        """What may pass from now on, whatever the session agent thinks of it."""
        if policy == self._policy:
            return
        self._policy = policy
        self._of_host.expire_all()
        self._of_guest.expire_all()
        for selection in sorted(self.guest_owned):
            self._host.send(ClipboardRelease(selection))
        self.guest_owned.clear()
        if (sharing := self._sessions.sharing) is not None:
            for selection, types in sorted(self.client_offers.items()):
                self._hand_on(sharing, selection, types)
        self.client_arrived()

    def _hand_on(self, sharing: Agent, selection: int, types: tuple[int, ...]) -> None:
        """Tell the session what the client offers, as far as it may have it."""
        if types and not (types := self._policy.entering(selection, types)):
            return sharing.send(ClipboardRelease(selection))
        sharing.send(ClipboardGrab(selection, types))

    # -- from the host ---------------------------------------------------------------------------

    def host_grab(self, msg: ClipboardGrab) -> None:
        if msg.selection not in SELECTIONS:
            return
        self.guest_owned.discard(msg.selection)
        self.client_offers[msg.selection] = msg.types
        sharing = self._sessions.sharing
        if sharing is not None:
            sharing.offers.pop(msg.selection, None)
            self._hand_on(sharing, msg.selection, msg.types)
        else:
            self._late[msg.selection] = False

    def host_request(self, msg: ClipboardRequest) -> None:
        sharing = self._sessions.sharing
        if (
            sharing is None
            or not self._may_talk(sharing, msg.selection)
            or msg.type == ClipboardType.NONE  # UTM asks for it
            or not self._policy.leaving(msg.selection, (msg.type,))
            or not self._of_host.add(msg.selection, msg.type)
        ):
            self._answer_host(msg.selection, msg.type)
        else:
            sharing.send(msg)

    def host_data(self, msg: Clipboard) -> None:
        type_ = self._of_guest.answered(msg.selection, msg.type)
        if type_ is not None and self._served is not None:
            data = msg.data if self._is_wanted(len(msg.data)) else b""
            self._served.send(Clipboard(msg.selection, type_, data))

    def host_begin(self, msg: ClipboardBegin) -> None:
        asked = self._of_guest.answered(msg.selection, msg.type) is not None
        self._to_agent = self._served if asked else None
        if self._to_agent is not None and not self._is_wanted(msg.size):
            self._to_agent.send(Clipboard(msg.selection, msg.type, b""))
            self._to_agent = None
        elif self._to_agent is not None:
            self._to_agent.send(msg)

    def host_part(self, msg: ClipboardPart) -> None:
        if self._to_agent is not None:
            self._to_agent.send(msg)

    def host_end(self, msg: ClipboardEnd) -> None:
        self._to_agent = None

    def host_release(self, msg: ClipboardRelease) -> None:
        self.client_offers.pop(msg.selection, None)
        if msg.selection not in SELECTIONS:
            return
        if self._sessions.sharing is not None:
            self._sessions.sharing.send(msg)
        else:
            self._late.setdefault(msg.selection, False)

    # -- from an agent ---------------------------------------------------------------------------

    def agent_grab(self, agent: Agent, msg: ClipboardGrab) -> None:
        if msg.selection not in SELECTIONS:
            return
        agent.offers[msg.selection] = msg.types
        if agent is self._sessions.sharing:
            self.client_offers.pop(msg.selection, None)
        elif agent is self._sessions.active:
            self._late[msg.selection] = True
        self._offer(agent, msg.selection)

    def agent_request(self, agent: Agent, msg: ClipboardRequest) -> None:
        allowed = self._policy.entering(msg.selection, (msg.type,))
        if (
            allowed
            and self._may_talk(agent, msg.selection)
            and self._of_guest.add(msg.selection, msg.type)
        ):
            self._host.send(msg)
        else:
            # The asked type, not NONE: the C agent's paste would go on waiting.
            agent.send(Clipboard(msg.selection, msg.type, b""))

    def agent_data(self, agent: Agent, msg: Clipboard) -> None:
        if not self._may_talk(agent, msg.selection):
            return
        type_ = self._of_host.answered(msg.selection, msg.type)
        if type_ is None:
            return
        data = msg.data if self._is_wanted(len(msg.data)) else b""
        self._host.send(Clipboard(msg.selection, type_, data))

    def agent_begin(self, agent: Agent, msg: ClipboardBegin) -> None:
        if not self._may_talk(agent, msg.selection):
            return
        if self._of_host.answered(msg.selection, msg.type) is None:
            return
        if self._is_wanted(msg.size) and not self._host.sending_parts:
            self._to_host = agent
            self._host.send_begin(msg)
            self._check_later()
        else:
            self._host.send(Clipboard(msg.selection, msg.type, b""))

    def agent_part(self, agent: Agent, msg: ClipboardPart) -> None:
        if agent is self._to_host:
            self._goes_on = True
            self._host.send_part(msg)

    def agent_end(self, agent: Agent, msg: ClipboardEnd) -> None:
        if agent is self._to_host:
            self._give_no_more()

    def agent_release(self, agent: Agent, msg: ClipboardRelease) -> None:
        agent.offers.pop(msg.selection, None)
        if agent is not self._sessions.active:
            return
        if self._sessions.sharing is None:
            # What the client has counts again: it never heard of a copy behind the lock screen.
            if msg.selection in self.guest_owned or msg.selection in self._late:
                self._late[msg.selection] = False
        elif msg.selection in self.guest_owned:
            self.guest_owned.discard(msg.selection)
            self._host.send(msg)

    # -- who is there ----------------------------------------------------------------------------

    def active_changed(self, active: Agent | None) -> None:
        """Another session speaks for the guest: withdraw the old one's offers, hand on the client's."""
        self._of_host.expire_all()
        self._of_guest.expire_all()
        if self._served is not None:
            for selection in sorted(self._late.keys() | self.client_offers):
                self._served.send(ClipboardRelease(selection))
        self._served = active
        for selection in sorted(self.guest_owned):
            self._host.send(ClipboardRelease(selection))
        self.guest_owned.clear()
        self._late = dict.fromkeys(self.client_offers, False)
        if active is not None:
            self.sharing_changed()

    def sharing_changed(self) -> None:
        """The active session was locked: let nothing through; or unlocked: tell what has changed."""
        sharing = self._sessions.sharing
        if sharing is None:
            self._of_host.expire_all()
            self._of_guest.expire_all()
            return
        late, self._late = self._late, {}
        for selection, guests_counts in sorted(late.items()):
            if guests_counts:
                self.client_offers.pop(selection, None)
            if selection in self.client_offers:
                sharing.offers.pop(selection, None)
                self._hand_on(sharing, selection, self.client_offers[selection])
            elif selection in sharing.offers:
                self._offer(sharing, selection)
            else:
                sharing.send(ClipboardRelease(selection))
                if selection in self.guest_owned:
                    self.guest_owned.discard(selection)
                    self._host.send(ClipboardRelease(selection))
        self.client_arrived()

    def client_arrived(self) -> None:
        """A client can be offered what the guest has."""
        active = self._sessions.active
        if active is not None:
            for selection in sorted(active.offers):
                if selection not in self.guest_owned and selection not in self.client_offers:
                    self._offer(active, selection)

    def client_gone(self) -> None:
        """The client has gone, or the host with it: nothing it offered or asked for is left."""
        self.client_offers.clear()
        self.guest_owned.clear()
        self._of_host.expire_all()
        self._of_guest.expire_all()
        if not self._host.sending_parts:
            self._give_no_more()
        # else: the host counts on the rest of that message, wanted or not.
        if self._to_agent is not None:
            agent, self._to_agent = self._to_agent, None
            # Its message cannot be completed, and whatever we wrote now would be its content.
            agent.drop("the viewer left in the middle of a large clipboard message")

    def agent_gone(self, agent: Agent) -> None:
        """An agent's connection has ended."""
        if agent is self._served:
            self._served = None
        if agent is self._to_agent:
            self._to_agent = None
        if agent is self._to_host:
            self._give_no_more()
            if self._host.sending_parts:
                self._host.reopen("a session ended in the middle of a large clipboard message")

    # -- inside ----------------------------------------------------------------------------------

    def _check_later(self) -> None:
        self._goes_on = False
        self._check = self._call_later(STALL_S, self._check_progress)

    def _check_progress(self) -> None:
        agent = self._to_host
        if agent is None:
            return
        if self._goes_on or not agent.is_heard:
            return self._check_later()
        self._check = None
        agent.drop("it stopped in the middle of a large clipboard message")

    def _give_no_more(self) -> None:
        self._to_host = None
        if self._check is not None:
            self._check.cancel()
            self._check = None

    def _may_talk(self, agent: Agent, selection: int) -> bool:
        client = self._host.client
        return (
            agent is self._sessions.sharing
            and self._host.is_open
            and client.has(Capability.CLIPBOARD_BY_DEMAND)
            and selection in SELECTIONS
            and (selection == 0 or client.has(Capability.CLIPBOARD_SELECTION))
        )

    def _is_wanted(self, size: int) -> bool:
        """Either way: a client's limit is also the most that it has a right to send."""
        largest = self._host.max_clipboard
        return size <= self._policy.max_bytes and (largest < 0 or size <= largest)

    def _offer(self, agent: Agent, selection: int) -> None:
        if not self._may_talk(agent, selection):
            return
        offered = agent.offers[selection]
        types = self._policy.leaving(selection, offered)
        if types or not offered:
            self.guest_owned.add(selection)
            self._host.grab(selection, types)
        elif selection in self.guest_owned:
            self.guest_owned.discard(selection)
            self._host.send(ClipboardRelease(selection))

    def _answer_host(self, selection: int, type_: int) -> None:
        self._host.send(Clipboard(selection, type_, b""))

    def _answer_guest(self, selection: int, type_: int) -> None:
        if self._served is not None:
            self._served.send(Clipboard(selection, type_, b""))
