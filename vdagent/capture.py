# SPDX-License-Identifier: MIT
"""What is a line of a capture, and which message does it stand for?

A capture is JSON lines. The first tells of the beginning, each other one of something that passed, with
the seconds since then. Content is left out: `body` (hexadecimal) ends where it begins, `size` does not.

    {"capture": 1, "version": …, "time": …, "port": {"path": …, "open": …, "client": bits}, "sessions": […]}
    {"t": 0.01, "wire": "port", "from": "host", "type": 4, "args": [1], "size": 12, "body": "00…"}
    {"t": 0.02, "wire": "session", "pid": 42, "from": "daemon", "type": 2, "args": [0, 1], …}
    {"t": 0.03, "wire": "port", "event": "opened" | "closed" | "complete" | "broken", "reason": …}
    {"dropped": 12}                          so many lines are missing here: the reader was too slow
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ProtocolError
from .protocol.capabilities import NO_CAPABILITIES, Capabilities
from .protocol.constants import MessageType, UdscsType
from .protocol.events import Broken
from .protocol.messages import (
    MESSAGES,
    AnnounceCapabilities,
    ClientDisconnected,
    FileXferData,
)
from .protocol.messages.base import at_least
from .protocol.trace import Completed, Item
from .protocol.udscs import decode_from_agent, decode_from_daemon

FORMAT = 1

Line = dict[str, Any]


def line(where: Mapping[str, Any], item: Item) -> Line:
    """The line of something that passed."""
    if isinstance(item, Broken):
        return {**where, "event": "broken", "reason": item.reason}
    if isinstance(item, Completed):
        return {**where, "event": "complete"}
    type_, args, size, shown = item
    return {**where, "type": type_, "args": list(args), "size": size, "body": shown.hex()}


def is_pointer(line: Mapping[str, Any]) -> bool:
    """Whether it is one of the many pointer messages."""
    return line.get("type") == MessageType.MOUSE_STATE and line.get("wire") == "port"


class Reader:
    """Makes messages of lines, in order: how the next one is read may depend on the one before."""

    def __init__(self, beginning: Mapping[str, Any]) -> None:
        self.client = Capabilities(beginning["port"]["client"])

    def name(self, line: Mapping[str, Any]) -> str:
        """What the message of a line is called."""
        types = MessageType if line["wire"] == "port" else UdscsType
        try:
            return types(line["type"]).name
        except ValueError:
            return f"type {line['type']}"

    def message(self, line: Mapping[str, Any]) -> object | None:
        """The message of a line, without its content; None if it is not one we know."""
        shown = bytes.fromhex(line["body"])
        try:
            if line["wire"] == "port":
                return self._of_port(line, shown)
            if line["type"] == UdscsType.FILE_XFER_DATA:
                return _file_data(shown)
            decode = decode_from_agent if line["from"] == "agent" else decode_from_daemon
            arg1, arg2 = line["args"]
            return decode(line["type"], arg1, arg2, shown)
        except ProtocolError:
            return None

    def _of_port(self, line: Mapping[str, Any], shown: bytes) -> object | None:
        if line["type"] == MessageType.FILE_XFER_DATA:
            return _file_data(shown)
        cls = MESSAGES.get(line["type"])
        if cls is None:
            return None
        msg = cls.decode(shown, self.client)
        if line["from"] == "host":
            if isinstance(msg, AnnounceCapabilities):
                self.client = msg.capabilities
            elif isinstance(msg, ClientDisconnected):
                self.client = NO_CAPABILITIES
        return msg

    def event(self, line: Mapping[str, Any]) -> None:
        """An event of the port may end what was agreed."""
        if line["wire"] == "port" and line["event"] in ("opened", "closed"):
            self.client = NO_CAPABILITIES


def _file_data(shown: bytes) -> FileXferData:
    at_least(shown, FileXferData.HEAD.size, "FILE_XFER_DATA")
    return FileXferData(FileXferData.HEAD.unpack_from(shown)[0], b"")
