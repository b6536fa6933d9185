# SPDX-License-Identifier: MIT
"""Which clipboard type of the protocol is which kind of content?"""

from __future__ import annotations

from collections.abc import Iterable

from ..backends.base import Format
from ..protocol.constants import ClipboardType
from . import file_list

_FORMATS = {
    ClipboardType.UTF8_TEXT: Format.TEXT,
    ClipboardType.IMAGE_PNG: Format.PNG,
    ClipboardType.IMAGE_BMP: Format.BMP,
    ClipboardType.IMAGE_TIFF: Format.TIFF,
    ClipboardType.IMAGE_JPG: Format.JPEG,
}
_TYPES = {fmt: type_ for type_, fmt in _FORMATS.items()}


def format_of(type_: int) -> Format | None:
    """The kind of content a clipboard type names, None for what we cannot pass on."""
    return _FORMATS.get(type_)  # type: ignore[call-overload, no-any-return]


def formats_of(types: Iterable[int]) -> tuple[Format, ...]:
    """The known ones of `types`, in order, each once."""
    formats: list[Format] = []
    for type_ in types:
        if type_ == ClipboardType.FILE_LIST:
            formats += file_list.FORMATS
        elif (fmt := format_of(type_)) is not None:
            formats.append(fmt)
    return tuple(dict.fromkeys(formats))


def type_of(fmt: Format) -> ClipboardType | None:
    """The clipboard type of a kind of content; None if the protocol has none for this direction."""
    return _TYPES.get(fmt)


def types_of(formats: Iterable[Format]) -> tuple[int, ...]:
    """The types of `formats`, in order, each once."""
    return tuple(dict.fromkeys(t for fmt in formats if (t := type_of(fmt)) is not None))
