# SPDX-License-Identifier: MIT
"""Which numbers do the two wires use? (spice/vd_agent.h and vd_agent's vdagentd-proto.h)

Members carry the C constant's spelling without its prefix, which each class names.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class ChunkPort(IntEnum):
    """VDP_*_PORT: who sent a chunk, or whom it is for."""

    CLIENT_PORT = 1
    SERVER_PORT = 2


class MessageType(IntEnum):
    """VD_AGENT_*: the messages on the port."""

    MOUSE_STATE = 1
    MONITORS_CONFIG = 2
    REPLY = 3
    CLIPBOARD = 4
    DISPLAY_CONFIG = 5
    ANNOUNCE_CAPABILITIES = 6
    CLIPBOARD_GRAB = 7
    CLIPBOARD_REQUEST = 8
    CLIPBOARD_RELEASE = 9
    FILE_XFER_START = 10
    FILE_XFER_STATUS = 11
    FILE_XFER_DATA = 12
    CLIENT_DISCONNECTED = 13
    MAX_CLIPBOARD = 14
    AUDIO_VOLUME_SYNC = 15
    GRAPHICS_DEVICE_INFO = 16


class Capability(IntEnum):
    """VD_AGENT_CAP_*: bit numbers of the capability words."""

    MOUSE_STATE = 0
    MONITORS_CONFIG = 1
    REPLY = 2
    CLIPBOARD = 3
    DISPLAY_CONFIG = 4
    CLIPBOARD_BY_DEMAND = 5
    CLIPBOARD_SELECTION = 6
    SPARSE_MONITORS_CONFIG = 7
    GUEST_LINEEND_LF = 8
    GUEST_LINEEND_CRLF = 9
    MAX_CLIPBOARD = 10
    AUDIO_VOLUME_SYNC = 11
    MONITORS_CONFIG_POSITION = 12
    FILE_XFER_DISABLED = 13
    FILE_XFER_DETAILED_ERRORS = 14
    GRAPHICS_DEVICE_INFO = 15
    CLIPBOARD_NO_RELEASE_ON_REGRAB = 16
    CLIPBOARD_GRAB_SERIAL = 17


class ClipboardSelection(IntEnum):
    """VD_AGENT_CLIPBOARD_SELECTION_*."""

    CLIPBOARD = 0
    PRIMARY = 1
    SECONDARY = 2


class ClipboardType(IntEnum):
    """VD_AGENT_CLIPBOARD_*."""

    NONE = 0
    UTF8_TEXT = 1
    IMAGE_PNG = 2
    IMAGE_BMP = 3
    IMAGE_TIFF = 4
    IMAGE_JPG = 5
    FILE_LIST = 6


class MouseButton(IntFlag):
    """VD_AGENT_*BUTTON_MASK: held buttons; a wheel step is a press of UP or DOWN."""

    LEFT = 1 << 1
    MIDDLE = 1 << 2
    RIGHT = 1 << 3
    UP = 1 << 4
    DOWN = 1 << 5
    SIDE = 1 << 6
    EXTRA = 1 << 7


class MonitorsFlag(IntFlag):
    """VD_AGENT_CONFIG_MONITORS_FLAG_*."""

    USE_POS = 1 << 0
    PHYSICAL_SIZE = 1 << 1


class ReplyError(IntEnum):
    """VD_AGENT_SUCCESS, VD_AGENT_ERROR."""

    SUCCESS = 1
    ERROR = 2


class FileXferResult(IntEnum):
    """VD_AGENT_FILE_XFER_STATUS_*."""

    CAN_SEND_DATA = 0
    CANCELLED = 1
    ERROR = 2
    SUCCESS = 3
    NOT_ENOUGH_SPACE = 4
    SESSION_LOCKED = 5
    VDAGENT_NOT_CONNECTED = 6
    DISABLED = 7


class UdscsType(IntEnum):
    """VDAGENTD_*: the messages on the session socket."""

    GUEST_XORG_RESOLUTION = 0
    MONITORS_CONFIG = 1
    CLIPBOARD_GRAB = 2
    CLIPBOARD_REQUEST = 3
    CLIPBOARD_DATA = 4
    CLIPBOARD_RELEASE = 5
    VERSION = 6
    AUDIO_VOLUME_SYNC = 7
    FILE_XFER_START = 8
    FILE_XFER_STATUS = 9
    FILE_XFER_DATA = 10
    FILE_XFER_DISABLE = 11
    CLIENT_DISCONNECTED = 12
    GRAPHICS_DEVICE_INFO = 13


# Clipboard data above this is passed on in parts while it arrives, so that no layer holds what it
# only forwards; smaller messages are collected, so that a peer lost midway costs nobody anything.
WHOLE_CLIPBOARD = 256 * 1024
# spice-gtk sends at most 100 MiB by default. A paste ends in memory of the session agent, so the
# limit protects that user's memory; 4 GiB claims end here before anything is allocated.
MAX_CLIPBOARD = 256 * 1024 * 1024
# spice-gtk sends files in pieces of 64 KiB; other clients' pieces may be larger.
MAX_FILE_DATA = 4 * 1024 * 1024
# Everything else is small: 16 monitors are 400 bytes, a file name at most 4 KiB.
MAX_SMALL = 64 * 1024
