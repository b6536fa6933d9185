# SPDX-License-Identifier: MIT
"""Which handler gets which message of the host and of the session agents? (daemon)

`_host_rows` and `_agent_rows` are the whole of what the daemon does with each message. There is no port,
socket or clock in here: `daemon.py` gives it the real ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from .backends.base import PointerFactory
from .handlers.clipboard_routing import CallLater, ClipboardRouting
from .handlers.file_routing import FileRouting
from .handlers.host import Host
from .handlers.mouse import Mouse
from .handlers.relay import Relay
from .handlers.sessions import Agent, Sessions
from .protocol import messages as m
from .protocol import udscs
from .protocol.capabilities import Capabilities
from .protocol.events import Broken, MouseStates, Skipped
from .protocol.host_connection import Event
from .traffic import Traffic

log = logging.getLogger("daemon")

# So many skipped messages of a connection are worth a warning each.
SKIPPED_SAID = 20
# What is counted elsewhere, or is a part of what is.
_UNCOUNTED = {MouseStates, m.ClipboardPart, m.ClipboardEnd}


class Routing:
    """The daemon's handlers, wired.

    `on_report(agent)` is called when an agent reports its desktop, `on_screens()` when the active one's
    screens, or the tablet for them, may not be what they were.
    """

    def __init__(
        self,
        host: Host,
        make_pointer: PointerFactory,
        call_later: CallLater,
        on_report: Callable[[Agent], None],
        on_screens: Callable[[], None],
    ) -> None:
        self._host = host
        self._on_report, self._on_screens = on_report, on_screens
        self.sessions = Sessions(self._active_changed, self._sharing_changed)
        self.mouse = Mouse(make_pointer)
        self.clipboard = ClipboardRouting(host, self.sessions, call_later)
        self.files = FileRouting(host, self.sessions)
        self.relay = Relay(host, self.sessions)
        self.traffic = Traffic(self.files)
        self._client_known = False
        self._client_can: Capabilities | None = None
        self._skipped = 0  # messages left out, on this connection to the host
        self._FROM_HOST = self._host_rows()
        self._FROM_AGENT = self._agent_rows()

    def _host_rows(self) -> dict[type, Callable[[Any], None]]:
        return {
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
            Skipped: lambda event: self._on_skipped("host", event, ""),
            Broken: lambda event: self._host.reopen(event.reason),
        }

    def _agent_rows(self) -> dict[type, Callable[[Agent, Any], None]]:
        return {
            udscs.GuestResolution: self._on_resolution,
            m.ClipboardGrab: self.clipboard.agent_grab,
            m.ClipboardRequest: self.clipboard.agent_request,
            m.Clipboard: self.clipboard.agent_data,
            m.ClipboardBegin: self.clipboard.agent_begin,
            m.ClipboardPart: self.clipboard.agent_part,
            m.ClipboardEnd: self.clipboard.agent_end,
            m.ClipboardRelease: self.clipboard.agent_release,
            m.FileXferStatus: self.files.agent_status,
            Skipped: lambda agent, event: self._on_skipped("session", event, f" of the {agent}"),
        }

    # -- the host --------------------------------------------------------------------------------

    def from_host(self, events: Iterable[Event]) -> None:
        """The host said this."""
        for event in events:
            kind = type(event)
            self._FROM_HOST[kind](event)
            if kind not in _UNCOUNTED:
                self.traffic.from_host(event)

    def host_opened(self) -> None:
        """There is a connection to the host, a new one."""
        self._skipped = 0

    def client_gone(self) -> None:
        """The viewer, the connection to it or the session it was for has gone."""
        self.mouse.forget()
        self.clipboard.client_gone()
        self.files.client_gone()
        self._client_can = None
        if self._client_known:
            self._client_known = False
            self.relay.client_gone()

    def _on_announce(self, msg: m.AnnounceCapabilities) -> None:
        if msg.request:
            self.client_gone()
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
        self.client_gone()

    def _on_skipped(self, layer: str, event: Skipped, whose: str) -> None:
        """Say it, unless it is said all the time: a peer must not fill the log."""
        self._skipped += 1
        level = logging.WARNING if self._skipped <= SKIPPED_SAID else logging.DEBUG
        log.log(level, "%s: skipped %s%s", layer, event.reason, whose)

    def _on_mouse(self, event: MouseStates) -> None:
        if not self.mouse.handle(event.states):
            self._on_screens()
        self.traffic.pointer_events += len(event.states)

    def _on_mouse_state(self, msg: m.MouseState) -> None:
        self._on_mouse(MouseStates([(msg.x, msg.y, msg.buttons, msg.display_id)]))

    # -- session agents --------------------------------------------------------------------------

    def from_agent(self, agent: Agent, messages: Iterable[udscs.FromAgent]) -> None:
        """A session agent said this."""
        for msg in messages:
            kind = type(msg)
            self._FROM_AGENT[kind](agent, msg)
            if kind not in _UNCOUNTED:
                self.traffic.from_agent(agent, msg)

    def agent_gone(self, agent: Agent) -> None:
        """A session agent's connection has ended."""
        self.clipboard.agent_gone(agent)
        self.files.agent_gone(agent)
        self.traffic.agent_gone(agent)
        self.sessions.remove(agent)

    def _on_resolution(self, agent: Agent, msg: udscs.GuestResolution) -> None:
        log.debug("session: the %s reports %s", agent, msg)
        self._on_report(agent)
        self.sessions.reported(agent, msg)
        self._on_screens()

    def _active_changed(self, active: Agent | None) -> None:
        log.info("session: active is %s", f"the {active}" if active else "none")
        self.clipboard.active_changed(active)
        self.relay.active_changed(active)
        self._on_screens()

    def _sharing_changed(self) -> None:
        shares = self.sessions.sharing is not None
        log.info("session: clipboard and files %s", "are back" if shares else "wait for the unlock")
        self.clipboard.sharing_changed()

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Withdraw the guest's offers, as far as that goes without waiting."""
        self.clipboard.active_changed(None)


def _nothing(msg: object) -> None:
    """A message that is understood and means nothing here."""
