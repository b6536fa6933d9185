# SPDX-License-Identifier: MIT
"""By which names do programs call a format? Under which it is offered, and from which it is read best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .base import Format

Names = Mapping[Format, tuple[str, ...]]


class FormatNames:
    """The names of one kind of desktop; case does not count in what others offer.

    `offered` are in the order in which they are offered; `read` are the same and what is only
    understood, best first.
    """

    def __init__(self, offered: Names, read: Names) -> None:
        self._offered, self._read = offered, read
        self._format_of = {name.lower(): fmt for fmt, names in read.items() for name in names}

    def all(self) -> list[str]:
        """Every name that is offered."""
        return [name for names in self._offered.values() for name in names]

    def offered(self, formats: Sequence[Format]) -> list[str]:
        """The names under which `formats` are offered, each format once."""
        return [name for fmt in dict.fromkeys(formats) for name in self._offered[fmt]]

    def format_of(self, name: str) -> Format | None:
        """The format that `name` carries, None if we know none."""
        return self._format_of.get(name.lower())

    def choose(self, offered: Iterable[str]) -> dict[Format, str]:
        """For each format among `offered` the best name to read, in the owner's order of formats."""
        spelling: dict[str, str] = {}
        for name in offered:
            spelling.setdefault(name.lower(), name)
        formats = dict.fromkeys(fmt for fmt in map(self.format_of, spelling) if fmt is not None)
        return {
            fmt: next(spelling[n.lower()] for n in self._read[fmt] if n.lower() in spelling)
            for fmt in formats
        }


def utf8(data: bytearray) -> bytes | bytearray:
    """Text of a program that may not know of UTF-8: then it is Latin-1."""
    try:
        data.decode("utf-8")
        return data
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")
