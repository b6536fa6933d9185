# SPDX-License-Identifier: MIT
"""What does `vdagent monitor` show and record? The messages on both wires, as they pass."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Generator, Iterator
from typing import IO, Any

from .capture import FORMAT, Line, Reader, is_pointer
from .control import NONSENSE, control_path, conversation
from .errors import SessionError, SystemFault
from .protocol.capabilities import Capabilities
from .protocol.constants import (
    ClipboardSelection,
    ClipboardType,
    FileXferResult,
    MessageType,
    ReplyError,
)
from .protocol.messages import FileXferStatus, Reply
from .terminal import say

MAX_WORDS = 300  # characters of what a viewer says of its file


def run(
    socket_path: str, *, pointer: bool, as_json: bool, record: str | None, read: str | None
) -> int:
    """Show messages until interrupted, or those of a capture. Raises VdagentError."""
    with contextlib.ExitStack() as stack:
        if read is not None:
            lines = _read(read)
        else:
            lines = _watch(socket_path, pointer)
            stack.callback(lines.close)
        beginning = next(lines)  # before the file: who may not watch leaves none behind
        file = None if record is None else stack.enter_context(_create(record))
        with _no_capture(beginning):
            show = _json if as_json else Text(beginning).line
        _keep(file, beginning)
        if as_json:
            say(json.dumps(beginning))
        for line in lines:
            _keep(file, line)
            with _no_capture(line):
                shown = show(line) if pointer or not is_pointer(line) else None
            if shown is not None and not say(shown):
                break
    return 0


def _watch(socket_path: str, pointer: bool) -> Generator[Line, None, None]:
    """The lines that a daemon tells. Ends with a SessionError: it has gone."""
    question = {"do": "monitor", "pointer": pointer}
    with contextlib.suppress(OSError, ValueError):  # cut in the middle of a line
        yield from conversation(control_path(socket_path), question)
    raise SessionError("control: the daemon has hung up")


def _create(path: str) -> IO[str]:
    """A new file that only its owner can read: it tells who copied what kind of thing when."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SystemFault(f"monitor: cannot record to {path}: {error.strerror}") from None
    os.fchmod(fd, 0o600)
    return os.fdopen(fd, "w", buffering=1)


def _keep(file: IO[str] | None, line: Line) -> None:
    if file is not None:
        file.write(json.dumps(line) + "\n")


def _read(path: str) -> Generator[Line, None, None]:
    """The lines of a capture."""
    try:
        with open(path, encoding="utf-8") as file:
            beginning = json.loads(file.readline())
            if not isinstance(beginning, dict) or beginning.get("capture") != FORMAT:
                raise ValueError
            yield beginning
            for line in file:
                yield json.loads(line)
    except OSError as error:
        raise SystemFault(f"monitor: cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        raise SystemFault(f"monitor: {path} is not a capture, or is cut") from None


@contextlib.contextmanager
def _no_capture(line: Line) -> Iterator[None]:
    """Whoever wrote it: what cannot be understood is no line of a capture. Raises SystemFault."""
    try:
        yield
    except NONSENSE as error:
        raise SystemFault(f"monitor: no line of a capture: {line!r:.80} ({error!r})") from None


def _json(line: Line) -> str:
    return json.dumps(line)


class Text:
    """Lines for people."""

    def __init__(self, beginning: Line) -> None:
        self._reader = Reader(beginning)
        self._began = float(beginning["time"])

    def line(self, line: Line) -> str:
        """One line of a capture."""
        at = self._began + line["t"]
        clock = time.strftime("%H:%M:%S", time.localtime(at)) + f".{at % 1 * 1000:03.0f}"
        if "dropped" in line:
            return f"{clock}  {line['dropped']} messages are missing here: this reader was too slow"
        wire = "port" if line["wire"] == "port" else f"session {line['pid']}"
        if "event" in line:
            self._reader.event(line)
            reason = f": {line['reason']}" if line.get("reason") else ""
            return f"{clock}  {wire:14} {_way(line):8} {line['event']}{reason}"
        name = self._reader.name(line)
        words = ", ".join(_words(self._reader.message(line)))
        return f"{clock}  {wire:14} {_way(line):8} {name:22} {line['size']:>9} B  {words}".rstrip()


def _way(line: Line) -> str:
    """Where it goes; nowhere for what concerns the whole connection."""
    if "from" not in line:
        return ""
    peer = "host" if line["wire"] == "port" else "agent"
    return f"{peer} →" if line["from"] == peer else f"→ {peer}"


def _words(msg: object | None) -> Iterator[str]:
    """The fields of a message, but content."""
    if msg is None or not dataclasses.is_dataclass(msg):
        yield "" if msg is None else str(msg)
        return
    for field in dataclasses.fields(msg):
        value = getattr(msg, field.name)
        if field.name in ("data", "physical") or value is None:
            continue
        yield f"{field.name} {_word(msg, field.name, value)}"


def _word(msg: Any, name: str, value: Any) -> str:
    if (names := _NAMES.get((type(msg), name)) or _NAMES.get(name)) is not None:
        return _name(names, value)
    if isinstance(value, Capabilities):
        return " ".join(value.names()).lower() or "none"
    if name == "types":
        return " ".join(_name(ClipboardType, number) for number in value) or "none"
    if name in ("monitors", "screens"):  # clients send sixteen, mostly disabled
        on = (m for m in value if m.width and m.height)
        return " ".join(f"{m.width}x{m.height}+{m.x}+{m.y}" for m in on) or "none"
    if name == "devices":
        return " ".join(f"{d.address}={d.channel_id + d.monitor_id}" for d in value) or "none"
    if isinstance(value, bytes):
        words = " ".join(value.decode("utf-8", "replace").split())
        return words if len(words) <= MAX_WORDS else f"{words[:MAX_WORDS]}…"
    return str(value)


# How numbers are called, by field, or by message and field.
_NAMES: dict[Any, Any] = {
    "selection": ClipboardSelection,
    "type": ClipboardType,
    (Reply, "type"): MessageType,
    (Reply, "error"): ReplyError,
    (FileXferStatus, "result"): FileXferResult,
}


def _name(names: Any, number: int) -> str:
    try:
        return str(names(number).name.lower())
    except ValueError:
        return str(number)
