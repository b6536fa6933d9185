# SPDX-License-Identifier: MIT
"""Which X11 selection targets carry which format, and how does text look in each of them?

Contents pass unchanged both ways, line ends and terminating NULs included, with two exceptions:
STRING is Latin-1 by ICCCM 2.6.2, and text that turns out not to be UTF-8 is read as Latin-1.
"""

from __future__ import annotations

from ..base import Buffer, Format
from ..names import FormatNames, utf8

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

_UNSURE = ("string", "text", "text/plain")

_names = FormatNames(TARGETS, READ_ORDER)
all_names, offered_names = _names.all, _names.offered
format_of, choose = _names.format_of, _names.choose


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
    return utf8(data)
