# SPDX-License-Identifier: MIT
"""Which handler gets which message, of those that do not concern the daemon itself? (daemon)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import messages as m
from .clipboard_routing import ClipboardRouting
from .file_routing import FileRouting
from .relay import Relay
from .sessions import Agent


def from_host(
    clipboard: ClipboardRouting, files: FileRouting, relay: Relay
) -> dict[type, Callable[[Any], None]]:
    """What becomes of the host's messages but those that concern the daemon itself."""
    return {
        m.MonitorsConfig: relay.monitors,
        m.GraphicsDeviceInfo: relay.devices,
        m.AudioVolumeSync: relay.volume,
        m.ClipboardGrab: clipboard.host_grab,
        m.ClipboardRequest: clipboard.host_request,
        m.Clipboard: clipboard.host_data,
        m.ClipboardBegin: clipboard.host_begin,
        m.ClipboardPart: clipboard.host_part,
        m.ClipboardEnd: clipboard.host_end,
        m.ClipboardRelease: clipboard.host_release,
        m.FileXferStart: files.host_start,
        m.FileXferData: files.host_data,
        m.FileXferStatus: files.host_status,
        m.MaxClipboard: _nothing,  # kept by the connection
        m.DisplayConfig: _nothing,  # wallpaper and fonts: a Windows matter
        m.Reply: _nothing,
    }


def from_agent(
    clipboard: ClipboardRouting, files: FileRouting
) -> dict[type, Callable[[Agent, Any], None]]:
    """What becomes of a session agent's messages but those that concern the daemon itself."""
    return {
        m.ClipboardGrab: clipboard.agent_grab,
        m.ClipboardRequest: clipboard.agent_request,
        m.Clipboard: clipboard.agent_data,
        m.ClipboardBegin: clipboard.agent_begin,
        m.ClipboardPart: clipboard.agent_part,
        m.ClipboardEnd: clipboard.agent_end,
        m.ClipboardRelease: clipboard.agent_release,
        m.FileXferStatus: files.agent_status,
    }


def _nothing(msg: object) -> None:
    """A message that is understood and means nothing here."""
