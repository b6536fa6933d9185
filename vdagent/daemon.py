# SPDX-License-Identifier: MIT
"""The system daemon: one port to the host, one tablet, any number of session agents.

Composition root: `Daemon` owns what has a descriptor or a deadline; `routing.py` has the tables of what it
does with each message. The port is open exactly while the active session has reported its screens and
the tablet for them exists: spice-server sends the pointer to an open port, whatever was announced.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import lean
from .admission import Admission
from .agent_link import FULL, AgentLink
from .backends.base import Pointer
from .errors import SystemFault
from .handlers.sessions import Agent
from .host_link import HostLink
from .locks import Locks
from .log import LastError
from .options import CONFIG, PORT, SOCKET, UINPUT
from .protocol.events import MouseStates
from .protocol.host_connection import Event
from .protocol.udscs import FromAgent, GuestResolution
from .routing import Routing
from .transport.peers import Peer
from .transport.unix_socket import allow_descriptors, serve

if TYPE_CHECKING:
    from .backends.udev import PortWatch
    from .questions import Questions

log = logging.getLogger("daemon")

# No tablet, no open port: try again this often.
TABLET_RETRY_S = 1.0
WATCH_AFTER_S = 1.0
CONTROL_AFTER_S = 0.2
# More than this waits to be written to a host that does not read: read no more of the session for it.
HOST_FULL = 1024 * 1024
# Only answers to the host's own questions get it here: read no more of the host. Not sooner, for its
# pointer has to move while a slow viewer takes a large clipboard.
HOST_FLOODS = 4 * HOST_FULL


@dataclass(frozen=True)
class Settings:
    """The daemon's command line."""

    port: str = PORT
    socket: str = SOCKET
    uinput: str = UINPUT
    fake_uinput: bool = False
    one_session: bool = False
    session_integration: bool = True
    config: str = CONFIG
    debug: int = 0


class Daemon:
    """Everything the daemon owns, wired."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.since = time.monotonic()
        self.last_error = LastError()
        logging.getLogger().addHandler(self.last_error)
        self._loop = asyncio.get_running_loop()
        self.stopped = self._loop.create_future()
        self.host = HostLink(
            settings.port, self._from_host, self._host_opened, self._host_lost, self._back_pressure
        )
        self.routing = Routing(
            self.host, self._make_tablet, self._loop.call_later, self._reported, self._settle
        )
        self.admission = Admission(self.routing.sessions, settings.session_integration)
        self.locks = Locks(settings.config, self.routing, self.admission)
        self.locks.load()
        self._host_waits = False
        self._full: set[AgentLink] = set()  # was so when it was last written to
        self._paused: AgentLink | None = None  # the session that filled the host's queue
        self._tablet_timer: asyncio.TimerHandle | None = None
        self.tablet_complaint = ""
        self._port_watch: PortWatch | None = None
        self._questions: Questions | None = None

    # -- the host --------------------------------------------------------------------------------

    def _from_host(self, events: list[Event]) -> None:
        if self.settings.debug:
            self._log_events(events)
        self.routing.from_host(events)
        self._back_pressure()

    def _log_events(self, events: list[Event]) -> None:
        for event in events:
            if not isinstance(event, MouseStates):
                log.debug("host → %s", event)
            elif self.settings.debug > 1:
                for x, y, buttons, display in event.states:
                    log.debug("host → pointer %d, %d on %d, buttons %#x", x, y, display, buttons)

    def _host_opened(self) -> None:
        self._host_waits = False
        self.routing.host_opened()
        self.host.announce()

    def _host_lost(self) -> None:
        self.routing.client_gone()
        self._back_pressure()

    # -- session agents --------------------------------------------------------------------------

    def accept(self, connection: socket.socket, peer: Peer) -> None:
        """A session agent connected."""
        if self.admission.has_room(peer):
            link = AgentLink(
                connection,
                peer,
                self._from_agent,
                self._agent_gone,
                self._back_pressure,
                self._full.add,
            )
            if self._questions is not None:
                self._questions.came(link)
            self.admission.consider(link)
        else:
            connection.close()
            peer.close()

    def _from_agent(self, agent: AgentLink, messages: list[FromAgent]) -> None:
        was_active, before = self._active, self.host.queued
        self.host.collect()
        try:
            self.routing.from_agent(agent, messages)
        finally:
            self.host.flush()
        if agent is was_active and self.host.queued > max(before, HOST_FULL):
            self._pause(agent)
        if agent.link.queued > (2 * FULL if agent is self._active else HOST_FULL):
            agent.hold()  # these are our answers: it asks on and reads none
        self._back_pressure()

    def _reported(self, agent: Agent) -> None:
        self.admission.reported(agent)

    def _agent_gone(self, agent: AgentLink) -> None:
        self.admission.gone(agent)
        self.routing.agent_gone(agent)
        self._back_pressure()

    @property
    def _active(self) -> Agent | None:
        return self.routing.sessions.active

    def pointing_changed(self, agent: Agent) -> None:
        """An agent's screens count differently now, or are turned."""
        if agent is self._active:
            self._settle()

    # -- tablet and port -------------------------------------------------------------------------

    def _settle(self) -> None:
        """Make tablet and port what the active session's screens ask for."""
        if self._tablet_timer is not None:
            self._tablet_timer.cancel()
            self._tablet_timer = None
        if self._active is None or self._active.desktop is None:
            self._rest()
        else:
            self._serve(self._active, self._active.desktop)
        self._back_pressure()

    def _rest(self) -> None:
        """There is no session to serve."""
        if self.settings.one_session and self.host.is_wanted and not self.stopped.done():
            self.stopped.set_result(0)
        self.host.close()
        self.routing.client_gone()
        self.routing.mouse.hide()

    def _serve(self, agent: Agent, desktop: GuestResolution) -> None:
        try:
            self.routing.mouse.show(desktop, agent.pointer_scales, agent.pointer_transforms)
        except SystemFault as error:
            self._no_tablet(error)
        else:
            self.tablet_complaint = ""
            self.host.open()

    def _no_tablet(self, error: SystemFault) -> None:
        """Without a tablet an open port would swallow the viewer's pointer: stay closed."""
        if str(error) != self.tablet_complaint:
            self.tablet_complaint = str(error)
            log.error("%s; the port stays closed, the pointer would be dead otherwise", error)
        self.host.close()
        self.routing.client_gone()
        self._tablet_timer = self._loop.call_later(TABLET_RETRY_S, self._settle)

    def _make_tablet(self, width: int, height: int) -> Pointer:
        from .backends.uinput import Tablet

        tablet = Tablet(self.settings.uinput, width, height, fake=self.settings.fake_uinput)
        tablet.on_drained = self._back_pressure
        return tablet

    def watch_port(self) -> None:
        """Let udev tell when the port comes back, if it is a device and udev runs."""
        lean.give_back_large_blocks()
        if self.settings.port.startswith("/dev/"):
            from .backends.udev import watch_ports

            self._port_watch = watch_ports(self.host.port.node_appeared)
            self.host.port.is_watched = self._port_watch is not None

    def open_control(self) -> None:
        """Answer the questions of the other commands."""
        from .questions import Questions

        allow_descriptors()
        self._questions = Questions(self)

    # -- back-pressure ---------------------------------------------------------------------------

    def _back_pressure(self) -> None:
        """Read the host only while its receivers have room, and the session while the host has."""
        if self._full:
            self._full -= {link for link in self._full if not link.is_full}
        pointer, queued = self.routing.mouse.pointer, self.host.queued
        host_waits = (
            queued > HOST_FLOODS
            or (pointer is not None and pointer.backlog > 0)
            or bool(self._full)
        )
        if host_waits != self._host_waits:
            self._host_waits = host_waits
            self.host.pause(host_waits)
        if self._paused is not None and (queued <= HOST_FULL or self._paused is not self._active):
            self._pause(None)

    def _pause(self, link: AgentLink | None) -> None:
        """Leave the bytes of this session where they are, and of no other: it feeds the host."""
        if link is self._paused:
            return
        if self._paused is not None:
            self._paused.pause(False)
        self._paused = link
        if link is not None:
            link.pause(True)

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of everything."""
        logging.getLogger().removeHandler(self.last_error)
        self.routing.close()
        self.host.close()
        self.routing.mouse.hide()
        if self._port_watch is not None:
            self._port_watch.close()
        if self._questions is not None:
            self._questions.close()
        self.admission.close()


async def run(settings: Settings, listener: socket.socket, stop: asyncio.Event) -> int:
    """Serve until `stop` is set; the exit status."""
    daemon = Daemon(settings)
    stop_serving = serve(listener, daemon.accept)
    # Behind the first announce: pyudev is a tenth of the start-up time.
    loop = asyncio.get_running_loop()
    loop.call_later(WATCH_AFTER_S, daemon.watch_port)
    loop.call_later(CONTROL_AFTER_S, daemon.open_control)
    lean.after_start()
    stopping = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait((stopping, daemon.stopped), return_when=asyncio.FIRST_COMPLETED)
    stop_serving()
    daemon.close()
    return daemon.stopped.result() if daemon.stopped in done else 0
