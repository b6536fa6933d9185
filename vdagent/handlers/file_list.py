# SPDX-License-Identifier: MIT
"""How do files that the viewer copied reach a file manager in the guest? (session)

The clipboard carries only their paths on the viewer's WebDAV channel; the guest sees them where that
channel is mounted. Without a mount there is nothing to paste, and files are not offered at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..backends.base import Format

# The content of a FILE_LIST for file managers: the URIs, GNOME's and KDE's "was it cut?"
FORMATS = (Format.FILES, Format.GNOME_FILES, Format.KDE_CUT)
FindMount = Callable[[], str | None]


class FileList(NamedTuple):
    """FILE_LIST: "copy" or "cut", then absolute paths on the channel, each ended by NUL."""

    cut: bool
    paths: tuple[str, ...]

    @classmethod
    def decode(cls, data: bytes) -> FileList:
        """Paths that are not absolute, or lead upwards, are left out."""
        action, *items = data.split(b"\0")
        paths = (os.fsdecode(item) for item in items if item)
        return cls(
            action == b"cut",
            tuple(p for p in paths if p.startswith("/") and ".." not in p.split("/")),
        )


def encode(fmt: Format, files: FileList, mount: str) -> bytes:
    """The content of one of FORMATS."""
    if fmt is Format.KDE_CUT:
        return b"1" if files.cut else b"0"
    from urllib.parse import quote  # and all it needs: few sessions ever see a file list

    uris = [f"file://{quote(os.fsencode(mount + path))}" for path in files.paths]
    if fmt is Format.GNOME_FILES:
        return "\n".join(["cut" if files.cut else "copy", *uris]).encode()
    return "".join(f"{uri}\r\n" for uri in uris).encode()


def offerable(formats: Sequence[Format], mount: str | None) -> tuple[Format, ...]:
    """`formats` without those that need the mount, if there is none."""
    return tuple(fmt for fmt in formats if mount is not None or fmt not in FORMATS)
