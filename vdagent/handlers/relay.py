# SPDX-License-Identifier: MIT
"""What does the host tell the guest's desktop that the daemon only hands on? (daemon)

Monitor layouts and device information are kept, so that a session that becomes active later gets
them as well.
"""

from __future__ import annotations

from ..protocol.constants import MessageType, ReplyError
from ..protocol.messages import (
    AudioVolumeSync,
    ClientDisconnected,
    GraphicsDeviceInfo,
    MonitorsConfig,
    Reply,
)
from .host import Host
from .sessions import Agent, Sessions


class Relay:
    """Hands monitors, devices and volume to the active session agent."""

    def __init__(self, host: Host, sessions: Sessions) -> None:
        self._host, self._sessions = host, sessions
        self._monitors: MonitorsConfig | None = None
        self._devices: GraphicsDeviceInfo | None = None

    def monitors(self, msg: MonitorsConfig) -> None:
        """Success means "taken": what became of it shows in the display itself."""
        self._monitors = msg
        if self._sessions.active is not None:
            self._sessions.active.send(msg)
        self._host.send(Reply(MessageType.MONITORS_CONFIG, ReplyError.SUCCESS))

    def devices(self, msg: GraphicsDeviceInfo) -> None:
        """Which device shows which display; an empty list tells a session nothing."""
        self._devices = msg
        if self._sessions.active is not None and msg.devices:
            self._sessions.active.send(msg)

    def volume(self, msg: AudioVolumeSync) -> None:
        """For a user's session only, not for a greeter."""
        active = self._sessions.active
        if active is not None and (active.login is None or active.login.is_user):
            active.send(msg)

    def active_changed(self, active: Agent | None) -> None:
        """A session that becomes active learns what the host said before."""
        if active is not None:
            if self._devices is not None and self._devices.devices:
                active.send(self._devices)
            if self._monitors is not None:
                active.send(self._monitors)

    def client_gone(self) -> None:
        """Every session lets go of what the client gave it."""
        for agent in self._sessions.agents:
            agent.send(ClientDisconnected())
