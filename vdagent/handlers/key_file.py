# SPDX-License-Identifier: MIT
"""What does a client say about a file it wants to send? GLib's key-file text, read as GLib reads it.

    [vdagent-file-xfer]
    name=report.pdf         text with the escapes \\s \\n \\t \\r \\\\
    size=1048576            bytes, u64
    file-xfer-nr=1          which of how many files of one drop; optional
    file-xfer-total=3
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import ProtocolError

GROUP = "vdagent-file-xfer"
MAX_SIZE = (1 << 64) - 1

_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
# Control characters, line and paragraph separators, and what reorders text (a name that reads
# "photo gpj.exe" backwards): all would let a name look like something else.
_DECEPTIVE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Announcement(NamedTuple):
    """A file to come: `name` is one plain path component."""

    name: str
    size: int
    number: int = 0
    total: int = 0

    @property
    def is_last(self) -> bool:
        """Whether no further file of the same drop follows; a client need not number them."""
        return self.number >= self.total


def read_announcement(metadata: bytes) -> Announcement:
    """Read the text of a FILE_XFER_START. Raises ProtocolError for all that cannot be a file."""
    try:
        values = _values(metadata.decode())
    except UnicodeDecodeError:
        raise ProtocolError("FILE_XFER_START: the text is not UTF-8") from None
    if "name" not in values or "size" not in values:
        raise ProtocolError("FILE_XFER_START: name or size is missing")
    return Announcement(
        safe_name(_unescape(values["name"])),
        _number(values["size"], MAX_SIZE),
        _number(values.get("file-xfer-nr", "0"), 0x7FFFFFFF),
        _number(values.get("file-xfer-total", "0"), 0x7FFFFFFF),
    )


def _values(text: str) -> dict[str, str]:
    """The keys of our group; of equal keys the last counts."""
    values: dict[str, str] = {}
    group = None
    for line in text.split("\n"):
        line = line.removesuffix("\r").lstrip(" \t\f\v\r")
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            group, bracket, rest = line[1:].partition("]")
            if not bracket or rest.strip():
                raise ProtocolError("FILE_XFER_START: a group's name does not end")
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip() or group is None:
            raise ProtocolError("FILE_XFER_START: a line is no key and value of a group")
        if group == GROUP:
            values[key.rstrip()] = value.lstrip()
    return values


def _unescape(value: str) -> str:
    def character(match: re.Match[str]) -> str:
        try:
            return _ESCAPES[match[1]]
        except KeyError:
            raise ProtocolError("FILE_XFER_START: the name has a bad escape") from None

    return re.sub(r"\\(.?)", character, value)


def _number(text: str, maximum: int) -> int:
    if not re.fullmatch("[0-9]{1,20}", digits := text.strip()) or int(digits) > maximum:
        raise ProtocolError("FILE_XFER_START: a number is none, or out of range")
    return int(digits)


def safe_name(name: str) -> str:
    """`name` as it may be shown and created. Raises ProtocolError for what is more than a name."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ProtocolError("FILE_XFER_START: the name is not a plain file name")
    return _DECEPTIVE.sub("_", name)
