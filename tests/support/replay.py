# SPDX-License-Identifier: MIT
"""How does a capture of `vdagent monitor` become bytes again, for the protocol to read?

Content was left out of it and comes back as zeros. Bytes are made by tests.support.wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support import wire

Line = dict[str, Any]


def read(path: Path) -> tuple[Line, list[Line]]:
    """The beginning of a capture, and what passed."""
    beginning, *lines = (json.loads(line) for line in path.read_text().splitlines())
    return beginning, lines


def messages(lines: Iterable[Line], **fields: Any) -> list[Line]:
    """The messages among the lines that have these fields; "from" is written from_."""
    wanted = {name.rstrip("_"): value for name, value in fields.items()}
    return [
        line
        for line in lines
        if "type" in line and all(line.get(name) == value for name, value in wanted.items())
    ]


def body(line: Line) -> bytes:
    """The body as long as it was."""
    return bytes.fromhex(line["body"]).ljust(line["size"], b"\0")


def wire_bytes(line: Line) -> bytes:
    """A message as it was on its wire."""
    if line["wire"] == "session":
        arg1, arg2 = line["args"]
        return wire.frame(line["type"], arg1, arg2, body(line))
    if line["from"] == "host":
        return wire.message(line["type"], body(line), *line["args"])
    message = wire.header(line["type"], line["size"]) + body(line)
    return wire.chunk(line["args"][0], message)
