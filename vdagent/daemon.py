# SPDX-License-Identifier: MIT
"""The system daemon: one port to the host, one tablet, any number of session agents.

Composition root: `_FROM_HOST` and `_FROM_AGENT` are the whole of what it does with each message. The
port is open exactly while the active session has reported its screens and the tablet for them exists:
spice-server sends the pointer to an open port, whatever was announced.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import lean
from .admission import Admission
from .agent_link import FULL, AgentLink
from .errors import SystemFault
from .handlers.clipboard_routing import ClipboardRouting
from .handlers.file_routing import FileRouting
from .handlers.mouse import Mouse
from .handlers.relay import Relay
from .handlers.sessions import Agent, Sessions
from .host_link import HostLink
from .locks import Locks
from .log import LastError
from .protocol import messages as m
from .protocol import udscs
from .protocol.capabilities import Capabilities
from .protocol.events import Broken, MouseStates, Skipped
from .protocol.host_connection import Event
from .traffic import Traffic
from .transport.peers import Peer
from .transport.unix_socket import serve

if TYPE_CHECKING:
    from .questions import Questions

log = logging.getLogger("daemon")

# No tablet, no open port: try again this often.
TABLET_RETRY_S = 2.0
WATCH_AFTER_S = 1.0
CONTROL_AFTER_S = 0.2
# More than this waits to be written to a host that does not read: read no more of the session for it.
HOST_FULL = 1024 * 1024
# Only answers to the host's own questions get it here: read no more of the host. Not sooner, for its
# pointer has to move while a slow viewer takes a large clipboard.
HOST_FLOODS = 4 * HOST_FULL
# So many skipped messages of a connection are worth a warning each.
SKIPPED_SAID = 20
# What is counted elsewhere, or is a part of what is.
_UNCOUNTED = {MouseStates, m.ClipboardPart, m.ClipboardEnd}


@dataclass(frozen=True)
class Settings:
    """The daemon's command line."""

    port: str = "/dev/virtio-ports/com.redhat.spice.0"
    socket: str = "/run/spice-vdagentd/spice-vdagent-sock"
    uinput: str = "/dev/uinput"
    fake_uinput: bool = False
    one_session: bool = False
    session_integration: bool = True
    config: str = "/etc/vdagent/config.toml"
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
        self.sessions = Sessions(self._active_changed, self._sharing_changed)
        self.mouse = Mouse(self._make_tablet)
        self.clipboard = ClipboardRouting(self.host, self.sessions, self._loop.call_later)
        self.files = FileRouting(self.host, self.sessions)
        self.relay = Relay(self.host, self.sessions)
        self.traffic = Traffic(self.files)
        self.admission = Admission(self.sessions, settings.session_integration)
        self.locks = Locks(
            settings.config, self.sessions, self.clipboard, self.files, self.admission
        )
        self.locks.load()
        self._client_known = False
        self._client_can: Capabilities | None = None
        self._host_waits = False
        self._full: set[AgentLink] = set()  # was so when it was last written to
        self._skipped = 0  # messages left out, on this connection to the host
        self._paused: AgentLink | None = None  # the session that filled the host's queue
        self._tablet_timer: asyncio.TimerHandle | None = None
        self.tablet_complaint = ""
        self._port_watch: Any = None
        self._questions: Questions | None = None
        self._FROM_HOST: dict[type, Callable[[Any], None]] = {
            MouseStates: self._on_mouse,
            m.MouseState: self._on_mouse_state,
            m.MonitorsConfig: self.relay.monitors,
            m.GraphicsDeviceInfo: self.relay.devices,
            m.AudioVolumeSync: self.relay.volume,
            m.ClipboardGrab: self.clipboard.host_grab,
            m.ClipboardRequest: self.clipboard.host_request,
            m.Clipboard: self.clipboard.host_data,
            m.ClipboardBegin: self.clipboard.host_begin,
            m.ClipboardPart: self.clipboard.host_part,
            m.ClipboardEnd: self.clipboard.host_end,
            m.ClipboardRelease: self.clipboard.host_release,
            m.FileXferStart: self.files.host_start,
            m.FileXferData: self.files.host_data,
            m.FileXferStatus: self.files.host_status,
            m.AnnounceCapabilities: self._on_announce,
            m.ClientDisconnected: self._on_client_disconnected,
            m.MaxClipboard: _nothing,  # kept by the connection
            m.DisplayConfig: _nothing,  # wallpaper and fonts: a Windows matter
            m.Reply: _nothing,
            Skipped: lambda event: self._on_skipped(event, ""),
            Broken: self._on_broken,
        }
        self._FROM_AGENT: dict[type, Callable[[Agent, Any], None]] = {
            udscs.GuestResolution: self._on_resolution,
            m.ClipboardGrab: self.clipboard.agent_grab,
            m.ClipboardRequest: self.clipboard.agent_request,
            m.Clipboard: self.clipboard.agent_data,
            m.ClipboardBegin: self.clipboard.agent_begin,
            m.ClipboardPart: self.clipboard.agent_part,
            m.ClipboardEnd: self.clipboard.agent_end,
            m.ClipboardRelease: self.clipboard.agent_release,
            m.FileXferStatus: self.files.agent_status,
            Skipped: lambda agent, event: self._on_skipped(event, f" of the {agent}"),
        }

    # -- the host --------------------------------------------------------------------------------

    def _from_host(self, events: list[Event]) -> None:
        if self.settings.debug:
            self._log_events(events)
        for event in events:
            kind = type(event)
            self._FROM_HOST[kind](event)
            if kind not in _UNCOUNTED:
                self.traffic.from_host(event)
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
        self._skipped = 0
        self.host.announce()

    def _host_lost(self) -> None:
        self._forget_client()
        self._back_pressure()

    def _on_announce(self, msg: m.AnnounceCapabilities) -> None:
        if msg.request:
            self._forget_client()
        level = logging.DEBUG if msg.capabilities == self._client_can else logging.INFO
        self._client_can = msg.capabilities
        can = ", ".join(msg.capabilities.names()).lower() or "nothing"
        log.log(level, "host: a client can %s", can)  # most say so twice
        if not self._client_known:
            self._client_known = True
            self.traffic.client_came()
        self.clipboard.client_arrived()

    def _on_client_disconnected(self, msg: m.ClientDisconnected) -> None:
        log.info("host: the client left")
        self._forget_client()

    def _forget_client(self) -> None:
        self.mouse.forget()
        self.clipboard.client_gone()
        self.files.client_gone()
        self._client_can = None
        if self._client_known:
            self._client_known = False
            self.relay.client_gone()

    def _on_broken(self, event: Broken) -> None:
        self.host.reopen(event.reason)

    def _on_skipped(self, event: Skipped, whose: str) -> None:
        """Say it, unless it is said all the time: a peer must not fill the log."""
        self._skipped += 1
        level = logging.WARNING if self._skipped <= SKIPPED_SAID else logging.DEBUG
        log.log(level, "%s: skipped %s%s", "session" if whose else "host", event.reason, whose)

    def _on_mouse(self, event: MouseStates) -> None:
        self.traffic.pointer_events += len(event.states)
        if not self.mouse.handle(event.states):
            self._settle()

    def _on_mouse_state(self, msg: m.MouseState) -> None:
        self._on_mouse(MouseStates([(msg.x, msg.y, msg.buttons, msg.display_id)]))

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

    def _from_agent(self, agent: AgentLink, messages: list[udscs.FromAgent]) -> None:
        was_active, before = self.sessions.active, self.host.queued
        for msg in messages:
            kind = type(msg)
            self._FROM_AGENT[kind](agent, msg)
            if kind not in _UNCOUNTED:
                self.traffic.from_agent(agent, msg)
        if agent is was_active and self.host.queued > max(before, HOST_FULL):
            self._pause(agent)
        if agent.link.queued > (2 * FULL if agent is self.sessions.active else HOST_FULL):
            agent.hold()  # these are our answers: it asks on and reads none
        self._back_pressure()

    def _on_resolution(self, agent: Agent, msg: udscs.GuestResolution) -> None:
        log.debug("session: the %s reports %s", agent, msg)
        self.admission.reported(agent)
        self.sessions.reported(agent, msg)
        self._settle()

    def _agent_gone(self, agent: AgentLink) -> None:
        self.admission.gone(agent)
        self.clipboard.agent_gone(agent)
        self.files.agent_gone(agent)
        self.traffic.agent_gone(agent)
        self.sessions.remove(agent)
        self._back_pressure()

    def _active_changed(self, active: Agent | None) -> None:
        log.info("session: active is %s", f"the {active}" if active else "none")
        self.clipboard.active_changed(active)
        self.relay.active_changed(active)
        self._settle()
        self._back_pressure()

    def _sharing_changed(self) -> None:
        shares = self.sessions.sharing is not None
        log.info("session: clipboard and files %s", "are back" if shares else "wait for the unlock")
        self.clipboard.sharing_changed()

    def scales_changed(self, agent: Agent) -> None:
        """An agent's screens count differently now."""
        if agent is self.sessions.active:
            self._settle()

    # -- tablet and port -------------------------------------------------------------------------

    def _settle(self) -> None:
        """Make tablet and port what the active session's screens ask for."""
        if self._tablet_timer is not None:
            self._tablet_timer.cancel()
            self._tablet_timer = None
        active = self.sessions.active
        if active is None or active.desktop is None:
            if self.settings.one_session and self.host.is_wanted and not self.stopped.done():
                self.stopped.set_result(0)
            self.host.close()
            self._forget_client()
            self.mouse.hide()
            return
        try:
            self.mouse.show(active.desktop, active.pointer_scales)
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
        self._forget_client()
        self._tablet_timer = self._loop.call_later(TABLET_RETRY_S, self._settle)

    def _make_tablet(self, width: int, height: int) -> Any:
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

        self._questions = Questions(self)

    # -- back-pressure ---------------------------------------------------------------------------

    def _back_pressure(self) -> None:
        """Read the host only while its receivers have room, and the session while the host has."""
        if self._full:
            self._full -= {link for link in self._full if not link.is_full}
        pointer, queued = self.mouse.pointer, self.host.queued
        host_waits = (
            queued > HOST_FLOODS
            or (pointer is not None and pointer.backlog > 0)
            or bool(self._full)
        )
        if host_waits != self._host_waits:
            self._host_waits = host_waits
            self.host.pause(host_waits)
        if self._paused is not None and (
            queued <= HOST_FULL or self._paused is not self.sessions.active
        ):
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
        """Withdraw the guest's offers as far as that goes without waiting, and let go of everything."""
        logging.getLogger().removeHandler(self.last_error)
        self.clipboard.active_changed(None)
        self.host.close()
        self.mouse.hide()
        if self._port_watch is not None:
            self._port_watch.close()
        if self._questions is not None:
            self._questions.close()
        self.admission.close()


def _nothing(msg: object) -> None:
    """A message that is understood and means nothing here."""


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
