# SPDX-License-Identifier: MIT
"""What does a file of settings say, and what in it is a mistake?

A mistake is told with its file and line, and costs nothing but itself: the rest of the file counts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .keys import BY_NAME, KEYS

MAX_FILE = 64 * 1024
LOCKED = "locked"


class Origin(NamedTuple):
    """Where a value stands."""

    path: str
    line: int | None = None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


class Mistake(NamedTuple):
    """What is wrong, and where."""

    origin: Origin
    problem: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.problem}"


@dataclass
class Layer:
    """What one file, or the command line, says."""

    values: dict[str, tuple[Any, Origin]] = field(default_factory=dict)
    locked: dict[str, Origin] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


class Unreadable(Exception):
    """A file that is there and says nothing; `mistake` is why."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


def read(path: str, *, system: bool) -> Layer:
    """What the file says; nothing if there is none. Raises Unreadable."""
    text = _text(path)
    if text is None:
        return Layer()
    import tomllib

    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the latter for thousands of brackets
        raise Unreadable(Mistake(_place(path, text, str(error)), _reason(error))) from None
    return _Reader(path, text, system).layer(document)


def _text(path: str) -> str | None:
    try:
        # Not blocked by a FIFO of that name.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise Unreadable(Mistake(Origin(path), "is not a file"))
            data = os.read(fd, MAX_FILE + 1)
        finally:
            os.close(fd)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(Mistake(Origin(path), f"cannot be read: {error.strerror}")) from None
    if len(data) > MAX_FILE:
        raise Unreadable(Mistake(Origin(path), f"is larger than {MAX_FILE} bytes"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(Mistake(Origin(path, line), "is not UTF-8")) from None


def _place(path: str, text: str, error: str) -> Origin:
    """tomllib names the line in its message only."""
    _, found, rest = error.rpartition("(at line ")
    number = rest.partition(",")[0]
    if found and number.isdigit():
        return Origin(path, int(number))
    return Origin(path, text.count("\n") + 1 if "(at end of document)" in error else None)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "too many brackets"
    return f"is not TOML: {str(error).rpartition(' (at ')[0] or error}"


class _Reader:
    """Takes one document apart."""

    def __init__(self, path: str, text: str, system: bool) -> None:
        self._path, self._lines, self._system = path, text.splitlines(), system
        self._layer = Layer()

    def layer(self, document: Mapping[str, Any]) -> Layer:
        for name, value in document.items():
            if name == LOCKED:
                self._lock(value)
            elif isinstance(value, dict) and name in _TABLES:
                for key, raw in value.items():
                    self._take(f"{name}.{key}", raw)
            elif name in _TABLES:
                self._wrong(name, f"{name} is a table: [{name}]")
            else:
                self._wrong(name, _unknown(name, [*_TABLES, LOCKED]))
        return self._layer

    def _take(self, name: str, raw: object) -> None:
        key = BY_NAME.get(name)
        if key is None:
            self._wrong(name, _unknown(name, list(BY_NAME)))
        elif key.system and not self._system:
            self._wrong(name, f"{name} can be set in the system's file only")
        else:
            try:
                self._layer.values[name] = key.kind.read(raw), self._origin(name)
            except ValueError:
                self._wrong(name, f"{name} has to be {key.kind.wanted}")

    def _lock(self, names: object) -> None:
        if not self._system:
            self._wrong(LOCKED, "only the system's file can lock settings")
        elif not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._wrong(LOCKED, 'locked has to be a list of settings: ["clipboard.direction"]')
        else:
            for name in names:
                if name in BY_NAME:
                    self._layer.locked[name] = self._origin(LOCKED)
                else:
                    self._wrong(LOCKED, _unknown(name, list(BY_NAME)))

    def _wrong(self, name: str, problem: str) -> None:
        self._layer.mistakes.append(Mistake(self._origin(name), problem))

    def _origin(self, name: str) -> Origin:
        """The line where `name` is set: tomllib does not tell, and the usual ways are few."""
        table, _, _ = name.partition(".")
        here, line_of_table = "", None
        for number, line in enumerate(self._lines, 1):
            words = line.strip()
            if words.startswith("["):
                here = _bare(words.partition("]")[0].strip("["))
                said = here
            else:
                said = _bare(words.partition("=")[0])
                said = f"{here}.{said}" if here else said
            if said == name:
                return Origin(self._path, number)
            if said == table and line_of_table is None:
                line_of_table = number
        return Origin(self._path, line_of_table)


_TABLES = tuple(dict.fromkeys(key.name.partition(".")[0] for key in KEYS))


def _bare(name: str) -> str:
    return "".join(character for character in name if character not in " \t\"'")


def _unknown(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    key = name.rpartition(".")[2]
    # The right key in the wrong table is nearer than any other one in that table.
    near = [other for other in known if other.endswith(f".{key}")]
    near = near or get_close_matches(name, known, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no setting {name[:80]!r}{hint}"
