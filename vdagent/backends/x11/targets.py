# SPDX-License-Identifier: MIT
"""Which X11 selection targets carry which format, and how does text look in each of them?

Contents pass unchanged both ways, line ends and terminating NULs included, with two exceptions:
STRING is Latin-1 by ICCCM 2.6.2, and text that turns out not to be UTF-8 is read as Latin-1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vdagent.backends.base import Buffer, Format

# In the order offered to guest applications; the first is also the type of what is sent.
TARGETS: dict[Format, tuple[str, ...]] = {
    Format.TEXT: ("UTF8_STRING", "text/plain;charset=utf-8", "STRING", "TEXT", "text/plain"),
    Format.PNG: ("image/png",),
    Format.BMP: ("image/bmp", "image/x-bmp", "image/x-MS-bmp", "image/x-win-bitmap"),
    Format.TIFF: ("image/tiff",),
    Format.JPEG: ("image/jpeg",),
    Format.FILES: ("text/uri-list",),
    Format.GNOME_FILES: ("x-special/gnome-copied-files", "x-special/mate-copied-files"),
    Format.KDE_CUT: ("application/x-kde-cutselection",),
}

# Best first: what is certainly UTF-8, what is UTF-8 with every toolkit of today, what may be lossy.
READ_ORDER: dict[Format, tuple[str, ...]] = TARGETS | {
    Format.TEXT: ("UTF8_STRING", "text/plain;charset=utf-8", "text/plain", "STRING", "TEXT"),
    Format.JPEG: ("image/jpeg", "image/jpg"),
}

_FORMAT_OF = {name.lower(): fmt for fmt, names in READ_ORDER.items() for name in names}
_UNSURE = ("string", "text", "text/plain")


def all_names() -> list[str]:
    """Every target name of the table."""
    return [name for names in TARGETS.values() for name in names]


def format_of(target: str) -> Format | None:
    """The format that `target` carries, None if we know none; case does not count."""
    return _FORMAT_OF.get(target.lower())


def choose(offered: Iterable[str]) -> dict[Format, str]:
    """For each format among `offered` the best target to read, in the owner's order of formats."""
    spelling: dict[str, str] = {}
    for name in offered:
        spelling.setdefault(name.lower(), name)
    formats = dict.fromkeys(fmt for fmt in map(_FORMAT_OF.get, spelling) if fmt is not None)
    return {
        fmt: next(spelling[t.lower()] for t in READ_ORDER[fmt] if t.lower() in spelling)
        for fmt in formats
    }


def offered_names(formats: Sequence[Format]) -> list[str]:
    """The targets under which `formats` are offered, in table order within each format."""
    return [name for fmt in dict.fromkeys(formats) for name in TARGETS[fmt]]


def encode(target: str, data: Buffer) -> tuple[str, Buffer]:
    """The type and bytes that answer a request for `target` with what the viewer sent."""
    if target == "STRING":
        raw = bytes(data)
        if not raw.isascii():
            raw = raw.decode("utf-8", "replace").encode("latin-1", "replace")
        return "STRING", raw
    if target == "TEXT":
        return "UTF8_STRING", data
    return target, data


def decode(target: str, data: bytearray) -> Buffer:
    """What an owner sent for `target`, text as UTF-8."""
    if target.lower() not in _UNSURE:
        return data
    try:
        data.decode("utf-8")
        return data
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")
