# SPDX-License-Identifier: MIT
"""What values can a setting have, and which of two is the stricter one?

A kind reads a value of TOML (ValueError says what is wanted instead), writes it as TOML, and tells
whether a value is within another one: a setting that is locked may be made stricter, never looser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..handlers.policy import Direction

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class Kind(Protocol):
    """One kind of value."""

    wanted: str  # for people: "true or false"

    def read(self, raw: object) -> Any:
        """The value that TOML's `raw` stands for. Raises ValueError."""
        ...

    def write(self, value: Any) -> str:
        """TOML for `value`."""
        ...

    def is_within(self, value: Any, limit: Any) -> bool:
        """Whether `value` allows nothing that `limit` does not."""
        ...


class Way:
    """A Direction."""

    NAMES: Mapping[str, Direction] = {
        "both": Direction.BOTH,
        "to-guest": Direction.TO_GUEST,
        "to-host": Direction.TO_HOST,
        "off": Direction.OFF,
    }
    wanted = '"both", "to-guest", "to-host" or "off"'

    def read(self, raw: object) -> Direction:
        if not isinstance(raw, str) or raw not in self.NAMES:
            raise ValueError
        return self.NAMES[raw]

    def write(self, value: Direction) -> str:
        return f'"{self.name(value)}"'

    def name(self, value: Direction) -> str:
        """The word for it."""
        return next(name for name, direction in self.NAMES.items() if direction == value)

    def is_within(self, value: Direction, limit: Direction) -> bool:
        return value & limit == value


class Switch:
    """true or false; `strict` is the stricter one, None if neither is."""

    wanted = "true or false"

    def __init__(self, strict: bool | None = None) -> None:
        self._strict = strict

    def read(self, raw: object) -> bool:
        if not isinstance(raw, bool):
            raise ValueError
        return raw

    def write(self, value: bool) -> str:
        return "true" if value else "false"

    def is_within(self, value: bool, limit: bool) -> bool:
        return value == limit or value == self._strict


class Size:
    """Bytes, as a number or a text with its unit; None is "unlimited", where there is no `most`."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        end = f', at most "{self.text(most)}"' if most else ' or "unlimited"'
        self.wanted = f'a size such as "16 MiB" or a number of bytes{end}'

    def read(self, raw: object) -> int | None:
        if raw == "unlimited" and self._most is None:
            return None
        if isinstance(raw, str):
            number, _, unit = raw.strip().partition(" ")
            if not (number.isascii() and number.isdigit() and len(number) < 20):
                raise ValueError
            if unit.strip() not in UNITS:
                raise ValueError
            raw = int(number) * UNITS[unit.strip()]
        if not isinstance(raw, int) or isinstance(raw, bool) or raw < 0:
            raise ValueError
        if self._most is not None and raw > self._most:
            raise ValueError
        return raw

    def write(self, value: int | None) -> str:
        return '"unlimited"' if value is None else f'"{self.text(value)}"'

    @staticmethod
    def text(size: int) -> str:
        """The size in the largest unit that needs no fraction."""
        for unit, factor in reversed(UNITS.items()):
            if size >= factor and size % factor == 0:
                return f"{size // factor} {unit}"
        return f"{size} B"

    def is_within(self, value: int | None, limit: int | None) -> bool:
        return limit is None or (value is not None and value <= limit)


class Count:
    """A number from `least` to `most`; the smaller one is stricter."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self.wanted = f"a number from {least} to {most}"

    def read(self, raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise ValueError
        if not self._least <= raw <= self._most:
            raise ValueError
        return raw

    def write(self, value: int) -> str:
        return str(value)

    def is_within(self, value: int, limit: int) -> bool:
        return value <= limit


class Some:
    """Any of some words; fewer are stricter."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.wanted = f"a list with any of {', '.join(map(self._quote, words))}"

    @staticmethod
    def _quote(word: str) -> str:
        return f'"{word}"'

    def read(self, raw: object) -> frozenset[str]:
        if not isinstance(raw, list) or not all(word in self.words for word in raw):
            raise ValueError
        return frozenset(raw)

    def write(self, value: frozenset[str]) -> str:
        return f"[{', '.join(self._quote(word) for word in self.words if word in value)}]"

    def is_within(self, value: frozenset[str], limit: frozenset[str]) -> bool:
        return value <= limit


class Place:
    """Where files go: a path, or one of the names that the file store knows."""

    wanted = '"auto", "xdg-desktop", "xdg-download" or a path that begins with / or ~/'

    def read(self, raw: object) -> str:
        if not isinstance(raw, str) or "\0" in raw:
            raise ValueError
        if raw not in ("auto", "xdg-desktop", "xdg-download") and not raw.startswith(("/", "~/")):
            raise ValueError
        return raw

    def write(self, value: str) -> str:
        import json

        text = json.dumps(value, ensure_ascii=False)  # TOML's basic strings are JSON's
        # But DEL has to be escaped there, and what acts on a terminal had better be.
        return "".join(
            f"\\u{ord(c):04x}" if ord(c) < 1 << 16 and not c.isprintable() else c for c in text
        )

    def is_within(self, value: str, limit: str) -> bool:
        return value == limit
