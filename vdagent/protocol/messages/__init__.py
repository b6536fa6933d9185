# SPDX-License-Identifier: MIT
"""The vocabulary of both wires: one class per message, and the table of all of them."""

from dataclasses import replace
from typing import TypeVar

from .audio import AudioVolumeSync
from .base import Buffer, Message
from .clipboard import (
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRelease,
    ClipboardRequest,
    MaxClipboard,
)
from .display import (
    DisplayConfig,
    GraphicsDevice,
    GraphicsDeviceInfo,
    MonitorConfig,
    MonitorsConfig,
    PhysicalSize,
)
from .file_transfer import FileError, FileXferData, FileXferStart, FileXferStatus
from .mouse import MouseState
from .session import AnnounceCapabilities, ClientDisconnected, Reply

MESSAGES = {
    cls.TYPE: cls
    for cls in (
        MouseState,
        MonitorsConfig,
        Reply,
        Clipboard,
        DisplayConfig,
        AnnounceCapabilities,
        ClipboardGrab,
        ClipboardRequest,
        ClipboardRelease,
        FileXferStart,
        FileXferStatus,
        FileXferData,
        ClientDisconnected,
        MaxClipboard,
        AudioVolumeSync,
        GraphicsDeviceInfo,
    )
}

T = TypeVar("T")


def kept(msg: T) -> T:
    """`msg` with content of its own, which outlives the bytes it came in."""
    if isinstance(msg, Clipboard | FileXferData) and isinstance(msg.data, memoryview):
        return replace(msg, data=bytes(msg.data))
    return msg


__all__ = [
    "MESSAGES",
    "AnnounceCapabilities",
    "AudioVolumeSync",
    "Buffer",
    "ClientDisconnected",
    "Clipboard",
    "ClipboardBegin",
    "ClipboardEnd",
    "ClipboardGrab",
    "ClipboardPart",
    "ClipboardRelease",
    "ClipboardRequest",
    "DisplayConfig",
    "FileError",
    "FileXferData",
    "FileXferStart",
    "FileXferStatus",
    "GraphicsDevice",
    "GraphicsDeviceInfo",
    "MaxClipboard",
    "Message",
    "MonitorConfig",
    "MonitorsConfig",
    "MouseState",
    "PhysicalSize",
    "Reply",
    "kept",
]
