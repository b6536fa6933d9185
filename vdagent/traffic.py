# SPDX-License-Identifier: MIT
"""What has passed through the daemon, when and how much of it? Types and sizes, never contents.

`from_host` and `from_agent` see every message after its handler had it; the pointer is only counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from .errors import ProtocolError
from .handlers.file_routing import FileRouting
from .handlers.key_file import read_announcement
from .handlers.sessions import Agent
from .protocol import messages as m
from .protocol.constants import ClipboardSelection, ClipboardType, FileXferResult
from .protocol.events import Broken, Skipped
from .protocol.udscs import GuestResolution

now = time.monotonic
MAX_NAME = 255  # of a file, as it is shown; what the session agent makes is no longer either

_SELECTIONS = (ClipboardSelection.CLIPBOARD, ClipboardSelection.PRIMARY)
_TYPES = frozenset(ClipboardType)
_NAMES = {
    m.ClipboardBegin: "clipboard",
    GuestResolution: "guest_resolution",
    Skipped: "skipped",
    Broken: "broken",
}


@dataclass
class Offer:
    """What an owner of a selection offered, and how large what was asked of it turned out to be."""

    since: float
    sizes: dict[int, int] = field(default_factory=dict)


@dataclass
class Transfer:
    """A file on its way to a session agent."""

    agent: Agent
    name: str
    size: int
    since: float
    received: int = 0


class Traffic:
    """Counts, and remembers what is under way."""

    def __init__(self, files: FileRouting) -> None:
        self._files = files
        self.host_messages: Counter[type] = Counter()
        self.session_messages: Counter[type] = Counter()
        self._before_client: Counter[type] = Counter()  # host_messages when this client came
        self.client_since = 0.0
        self.pointer_events = 0
        self.clipboard_to_guest = self.clipboard_to_host = 0  # bytes
        self.files_received = self.files_failed = 0
        self._offers: dict[tuple[Agent | None, int], Offer] = {}  # None: the client's
        self._transfers: dict[int, Transfer] = {}
        self._awaited: dict[asyncio.Future[None], tuple[object, tuple[type, ...]]] = {}

    # -- what passes -----------------------------------------------------------------------------

    def from_host(self, event: object) -> None:
        self._arrived(None, event)
        self.host_messages[type(event)] += 1
        if isinstance(event, m.FileXferData):
            if (transfer := self._transfers.get(event.id)) is not None:
                transfer.received += len(event.data)
        elif isinstance(event, m.ClipboardGrab):
            self._grab(None, event)
        elif isinstance(event, m.Clipboard | m.ClipboardBegin):
            self.clipboard_to_guest += self._data(None, event)
        elif isinstance(event, m.FileXferStart):
            self._start(event)

    def from_agent(self, agent: Agent, msg: object) -> None:
        self._arrived(agent, msg)
        self.session_messages[type(msg)] += 1
        if isinstance(msg, m.ClipboardGrab):
            self._grab(agent, msg)
        elif isinstance(msg, m.Clipboard | m.ClipboardBegin):
            self.clipboard_to_host += self._data(agent, msg)
        elif isinstance(msg, m.FileXferStatus):
            if msg.result == FileXferResult.SUCCESS:
                self.files_received += 1
            elif msg.result != FileXferResult.CAN_SEND_DATA:
                self.files_failed += 1

    def _grab(self, owner: Agent | None, msg: m.ClipboardGrab) -> None:
        if msg.selection in _SELECTIONS:
            self._offers[owner, msg.selection] = Offer(now())

    def _data(self, owner: Agent | None, msg: m.Clipboard | m.ClipboardBegin) -> int:
        size = msg.size if isinstance(msg, m.ClipboardBegin) else len(msg.data)
        offer = self._offers.get((owner, msg.selection))
        if offer is not None and size and msg.type in _TYPES:
            offer.sizes[msg.type] = size
        return size

    def _start(self, msg: m.FileXferStart) -> None:
        agent = self._files.receivers.get(msg.id)
        if agent is None:
            self.files_failed += 1
            return
        try:
            file = read_announcement(msg.metadata)
        except ProtocolError:
            return  # the session agent refuses it
        self.transfers()  # lets go of those that have ended
        self._transfers[msg.id] = Transfer(agent, file.name[:MAX_NAME], file.size, now())

    async def comes(self, sender: Agent | None, *kinds: type) -> None:
        """Return when the next message of one of these kinds comes, None being the host."""
        future = asyncio.get_running_loop().create_future()
        self._awaited[future] = sender, kinds
        try:
            await future
        finally:
            del self._awaited[future]

    def _arrived(self, sender: Agent | None, msg: object) -> None:
        for future, (awaited, kinds) in self._awaited.items():
            if sender is awaited and isinstance(msg, kinds) and not future.done():
                future.set_result(None)

    @property
    def client_messages(self) -> Counter[type]:
        """The host's messages since this client came."""
        return self.host_messages - self._before_client

    # -- who comes and goes ----------------------------------------------------------------------

    def client_came(self) -> None:
        self._before_client = self.host_messages.copy()
        self.client_since = now()

    def agent_gone(self, agent: Agent) -> None:
        for key in [key for key in self._offers if key[0] is agent]:
            del self._offers[key]

    # -- what is under way -----------------------------------------------------------------------

    def offer(self, owner: Agent | None, selection: int) -> Offer:
        """What `owner` offered last."""
        return self._offers.get((owner, selection)) or Offer(now())

    def transfers(self) -> list[Transfer]:
        """The files under way."""
        receivers = self._files.receivers
        self._transfers = {i: t for i, t in self._transfers.items() if receivers.get(i) is t.agent}
        return list(self._transfers.values())


def names(counts: Counter[type]) -> dict[str, int]:
    """The counts by the C constants' names in small letters."""
    named: Counter[str] = Counter()
    for kind, count in counts.items():
        type_ = getattr(kind, "TYPE", None)
        named[type_.name.lower() if type_ is not None else _NAMES.get(kind, kind.__name__)] += count
    return dict(sorted(named.items()))
