# SPDX-License-Identifier: MIT
"""Which MIME types carry which format on desktops that know clipboard contents by MIME type?

Text is UTF-8 under each of its names: Wayland's toolkits agree on that for STRING and TEXT too.
"""

from __future__ import annotations

from .base import Buffer, Format, Patience
from .names import FormatNames, utf8

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

_CERTAINLY_UTF8 = ("text/plain;charset=utf-8", "utf8_string")

# What KDE's and other password managers add to a copied password; the contents are "secret".
SECRET_HINT = "x-kde-passwordManagerHint"
SECRET = b"secret"
HINT_PATIENCE = Patience(first_s=1.0, progress_s=1.0, max_bytes=64)

_names = FormatNames(MIME_TYPES, _READ_ORDER)
format_of, choose, offered_types = _names.format_of, _names.choose, _names.offered


def decode(mime: str, data: bytearray) -> Buffer:
    """What an owner sent for `mime`, text as UTF-8 also where the owner was an old program."""
    if format_of(mime) is not Format.TEXT or mime.lower() in _CERTAINLY_UTF8:
        return data
    return utf8(data)
