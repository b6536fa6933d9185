# SPDX-License-Identifier: MIT
"""Which MIME types carry which format on desktops that know clipboard contents by MIME type?

Text is UTF-8 under each of its names: Wayland's toolkits agree on that for STRING and TEXT too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .base import Buffer, Format

# In the order offered, and best first for reading.
MIME_TYPES: dict[Format, tuple[str, ...]] = {
    Format.TEXT: ("text/plain;charset=utf-8", "text/plain", "UTF8_STRING", "TEXT", "STRING"),
    Format.PNG: ("image/png",),
    Format.BMP: ("image/bmp", "image/x-bmp", "image/x-MS-bmp"),
    Format.TIFF: ("image/tiff",),
    Format.JPEG: ("image/jpeg", "image/jpg"),
    Format.FILES: ("text/uri-list",),
    Format.GNOME_FILES: ("x-special/gnome-copied-files", "x-special/mate-copied-files"),
    Format.KDE_CUT: ("application/x-kde-cutselection",),
}
_READ_ORDER: dict[Format, tuple[str, ...]] = MIME_TYPES | {
    Format.TEXT: ("text/plain;charset=utf-8", "utf8_string", "text/plain", "text", "string"),
}

_FORMAT_OF = {name.lower(): fmt for fmt, names in MIME_TYPES.items() for name in names}
_CERTAINLY_UTF8 = ("text/plain;charset=utf-8", "utf8_string")

# What KDE's and other password managers add to a copied password; the contents are "secret".
SECRET_HINT = "x-kde-passwordManagerHint"
SECRET = b"secret"


def format_of(mime: str) -> Format | None:
    """The format that `mime` carries, None if we know none; case does not count."""
    return _FORMAT_OF.get(mime.lower())


def choose(offered: Iterable[str]) -> dict[Format, str]:
    """For each format among `offered` the best MIME type to read, in the owner's order of formats."""
    spelling: dict[str, str] = {}
    for name in offered:
        spelling.setdefault(name.lower(), name)
    formats = dict.fromkeys(fmt for fmt in map(_FORMAT_OF.get, spelling) if fmt is not None)
    return {
        fmt: next(spelling[m.lower()] for m in _READ_ORDER[fmt] if m.lower() in spelling)
        for fmt in formats
    }


def offered_types(formats: Sequence[Format]) -> list[str]:
    """The MIME types under which `formats` are offered."""
    return [name for fmt in dict.fromkeys(formats) for name in MIME_TYPES[fmt]]


def decode(mime: str, data: bytearray) -> Buffer:
    """What an owner sent for `mime`, text as UTF-8 also where the owner was an old program."""
    if format_of(mime) is not Format.TEXT or mime.lower() in _CERTAINLY_UTF8:
        return data
    try:
        data.decode("utf-8")
        return data
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")
