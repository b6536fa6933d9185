# SPDX-License-Identifier: MIT
"""Is the announcement of a file read as GLib would, and refused where it is more than a file name?"""

from __future__ import annotations

import pytest

from vdagent.errors import ProtocolError
from vdagent.handlers.key_file import Announcement, read_announcement


def key_file(name: str | bytes, size: object = 1, *more: str) -> bytes:
    """What spice-gtk writes."""
    raw = name if isinstance(name, bytes) else name.encode()
    lines = [b"[vdagent-file-xfer]", b"name=" + raw, f"size={size}".encode()]
    return b"\n".join([*lines, *(line.encode() for line in more)]) + b"\n"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.txt", "a.txt"),
        (r"\sleading and\\back", " leading and\\back"),
        ("trailing ", "trailing "),
        ("Grüße 你好.pdf", "Grüße 你好.pdf"),
        (r"line\nbreak\ttab\rreturn", "line_break_tab_return"),
        ("bell\x07 escape\x1b[2J delete\x7f next\x85", "bell_ escape_[2J delete_ next_"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
        ("-rf", "-rf"),
        ("...", "..."),
        (".profile", ".profile"),
        ("a=b", "a=b"),
        ("[x]", "[x]"),
        ("$(touch x) `id`;&", "$(touch x) `id`;&"),
    ],
)
def test_names(name: str, read: str) -> None:
    assert read_announcement(key_file(name)).name == read


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/etc/passwd", "a/b", "a/../b", "~/", r"bad\escape", "cut\\", b"\xff"],
)
def test_names_that_are_refused(name: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        read_announcement(key_file(name))


@pytest.mark.parametrize("size", [0, 1, 4 << 30, (1 << 64) - 1])
def test_sizes(size: int) -> None:
    assert read_announcement(key_file("a", size)).size == size


@pytest.mark.parametrize("size", [-1, 1 << 64, "", "1.5", "0x10", "1 2", "ten", "9" * 30, "١"])
def test_sizes_that_are_none(size: object) -> None:
    with pytest.raises(ProtocolError):
        read_announcement(key_file("a", size))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[vdagent-file-xfer]",
        b"[vdagent-file-xfer]\nname=a\n",
        b"[vdagent-file-xfer]\nsize=1\n",
        b"[other]\nname=a\nsize=1\n",
        b"name=a\nsize=1\n",
        b"[vdagent-file-xfer\nname=a\nsize=1\n",
        b"[vdagent-file-xfer]\nname=a\nsize=1\nnoise\n",
        b"[vdagent-file-xfer]\nname=a\nsize=1\n=value\n",
    ],
)
def test_texts_that_are_no_announcement(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_announcement(text)


def test_comments_other_groups_blanks_and_repetition() -> None:
    text = (
        b"# a comment\r\n\r\n[other]\r\nname=no\r\n[vdagent-file-xfer]\r\n name = a b\r\n"
        b"size=1\r\nsize= 2 \r\nunknown=x\r\n"
    )
    assert read_announcement(text) == Announcement("a b", 2)


def test_numbers_of_a_drop() -> None:
    first = read_announcement(key_file("a", 1, "file-xfer-nr=1", "file-xfer-total=2"))
    last = read_announcement(key_file("b", 1, "file-xfer-nr=2", "file-xfer-total=2"))
    alone = read_announcement(key_file("c"))
    assert [f.is_last for f in (first, last, alone)] == [False, True, True]
