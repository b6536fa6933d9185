# SPDX-License-Identifier: MIT
"""What does the whole daemon make of any bytes, with two session agents and a host in memory?

Real wires, real handlers, the real table; only files and sockets are missing. The input is cut into steps:
who speaks (host, one of the agents, the clock) and what.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.wires import check
from tests.unit.handlers.fakes import Clock, FakeTablet, desktop
from vdagent.backends.base import Login
from vdagent.errors import FramingError
from vdagent.protocol import messages as m
from vdagent.protocol import udscs
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.chunks import HEADERS, MESSAGE, headers
from vdagent.protocol.events import MouseStates, Skipped
from vdagent.protocol.host_connection import HostConnection
from vdagent.protocol.udscs_connection import UdscsConnection
from vdagent.routing import Routing

LARGE = 300_000  # passed on in parts


class Host:
    """Implements handlers.host.Host over the real connection; reads what is sent as a host does."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self.connection: HostConnection | None = None
        self.received = bytearray()

    is_open = property(lambda self: self.connection is not None)
    sending_parts = property(lambda self: bool(self.connection and self.connection.sending_parts))

    @property
    def client(self) -> Capabilities:
        return self.connection.client if self.connection else Capabilities(0)

    @property
    def max_clipboard(self) -> int:
        return self.connection.max_clipboard if self.connection else -1

    def send(self, msg: m.Message) -> None:
        if self.connection:
            self.connection.send(msg)

    def grab(self, selection: int, types: tuple[int, ...]) -> None:
        if self.connection:
            self.connection.grab(selection, types)

    def send_begin(self, begin: m.ClipboardBegin) -> None:
        if self.connection:
            self.connection.send_begin(begin)

    def send_part(self, part: m.ClipboardPart) -> None:
        if self.connection:
            self.connection.send_part(part)

    def open(self) -> None:
        if self.connection is None:
            self.connection = HostConnection()
            self.received.clear()

    def reopen(self, reason: str) -> None:
        if self.connection is not None:
            self.connection = None
            self._on_lost()
            self.open()

    def hear(self) -> None:
        """Every message has to be whole in its chunk, as spice-server wants it."""
        if self.connection:
            self.received += b"".join(self.connection.data_to_send())
        while len(self.received) >= HEADERS.size:
            port, chunk, protocol, type_, opaque, size = HEADERS.unpack_from(self.received)
            right = port == 1 and protocol == 1 and not opaque and chunk == size + MESSAGE.size
            check(right and type_ in m.MESSAGES, f"the host gets {port, chunk, type_, size}")
            if len(self.received) < HEADERS.size + size:
                break
            del self.received[: HEADERS.size + size]
        check(not self.received or self.sending_parts, "half a message to the host")


class Agent:
    """Implements handlers.sessions.Agent over the real connection; reads as our session does."""

    def __init__(self, number: int) -> None:
        self.desktop: udscs.GuestResolution | None = None
        self.pointer_scales: dict[int, float] = {}
        self.pointer_transforms: dict[int, int] = {}
        self.offers: dict[int, tuple[int, ...]] = {}
        self.login: Login | None = Login(str(number), is_user=True)
        self.ours, self.theirs = UdscsConnection.for_daemon(), UdscsConnection.for_agent()
        self.dropped = False
        self.is_heard = True

    def send(self, msg: udscs.Message) -> None:
        self.ours.send(msg)

    def drop(self, reason: str) -> None:
        self.dropped = True

    def hear(self) -> None:
        data = b"".join(self.ours.data_to_send())
        if not self.dropped:
            for msg in self.theirs.receive_data(memoryview(data)):
                check(not isinstance(msg, Skipped), f"the agent does not understand: {msg}")


class Machine:
    """The daemon, without its process."""

    def __init__(self) -> None:
        self.host, self.clock = Host(lambda: self.routing.client_gone()), Clock()
        self.routing = Routing(
            self.host, FakeTablet, self.clock.call_later, lambda agent: None, self.show
        )
        self.agents = [self.come(0), self.come(1)]

    def come(self, number: int) -> Agent:
        agent = Agent(number)
        self.routing.sessions.add(agent)
        self.routing.from_agent(agent, [desktop()])
        return agent

    def show(self) -> None:
        """The port is open while there is a session to serve."""
        active = self.routing.sessions.active
        if active is not None and active.desktop is not None:
            self.routing.mouse.show(active.desktop)
            self.host.open()
        else:
            self.host.connection = None
            self.routing.client_gone()
            self.routing.mouse.hide()

    # -- steps -----------------------------------------------------------------------------------

    def host_says(self, data: bytes) -> None:
        if self.host.connection is not None:
            for event in self.host.connection.receive_data(memoryview(data)):
                if isinstance(event, MouseStates):
                    self.moved(event)
                else:
                    self.routing.from_host([event])
        self.settle()

    def moved(self, event: MouseStates) -> None:
        """Each state of a display that there is comes to the tablet, and none beside the desktop."""
        tablet, active = self.routing.mouse.pointer, self.routing.sessions.active
        before = len(tablet.states) if isinstance(tablet, FakeTablet) else 0
        self.routing.from_host([event])
        if isinstance(tablet, FakeTablet) and active is not None and active.desktop is not None:
            there = {s.display_id for s in active.desktop.screens if s.width > 0 and s.height > 0}
            meant = sum(display in there for *_, display in event.states)
            played = tablet.states[before:]
            check(len(played) == meant, "a pointer event is lost")
            width, height = tablet.size
            check(all(0 <= x < width and 0 <= y < height for x, y, _ in played), "beside it")

    def agent_says(self, number: int, data: bytes) -> None:
        agent = self.agents[number]
        try:
            self.routing.from_agent(agent, agent.ours.receive_data(memoryview(data)))
        except FramingError:
            agent.dropped = True
        self.settle()

    def settle(self) -> None:
        self.host.hear()
        for number, agent in enumerate(self.agents):
            agent.hear()
            if agent.dropped:
                self.routing.agent_gone(agent)
                self.agents[number] = self.come(number)
        clipboard = self.routing.clipboard
        files = len(self.routing.files.receivers)
        check(self.clock.running <= 512 and files <= 128, "questions without end")
        check(not clipboard.guest_owned & clipboard.client_offers.keys(), "two owners")
        for offers in (clipboard.client_offers, *(agent.offers for agent in self.agents)):
            check(len(offers) <= 2 and all(len(o) <= 256 for o in offers.values()), "memory")


def daemon(data: bytes) -> None:
    """Host, agents and time take turns; what leaves the daemon is always right."""
    machine = Machine()
    while data:
        who, size, data = data[0] % 8, (data[1:2] or b"\0")[0], data[2:]
        said, data = data[:size], data[size:]
        type_, body = (said[:1] or b"\0")[0] % 18, said[1:]
        if who < 3:
            machine.host_says(headers(type_, len(body), 1 + who % 2) + body)
        elif who == 3:  # a large paste, whole or not
            body += bytes(LARGE)
            chunks = [body[i : i + 2048] for i in range(0, len(body), 2048)]
            stream = b"".join(b"\1\0\0\0" + len(c).to_bytes(4, "little") + c for c in chunks)
            start = b"\1\0\0\0\x14\0\0\0" + MESSAGE.pack(1, 4, 0, len(body))
            machine.host_says(start + stream[: len(stream) >> type_ % 3])
        elif who < 6:
            head = udscs.HEADER.pack(type_ % 12, *(body[:2] + b"\0\0")[:2], len(body[2:]))
            machine.agent_says(who % 2, head + body[2:])
        elif who == 6:
            head = udscs.HEADER.pack(4, *(body[:2] + b"\0\0")[:2], LARGE)
            machine.agent_says(type_ % 2, head + bytes(LARGE >> type_ % 3))
        else:
            machine.clock.advance(type_)
            machine.settle()
    machine.clock.advance(60)
    machine.settle()
    check(machine.clock.running == 0, "somebody waits for ever")
