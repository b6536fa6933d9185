# SPDX-License-Identifier: MIT
"""Does a list of the viewer's files reach file managers in their own words?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vdagent.backends import webdav
from vdagent.backends.base import Format, Selection
from vdagent.backends.memory import MemoryClipboard
from vdagent.handlers import file_list
from vdagent.handlers.clipboard import ClipboardHandler
from vdagent.protocol import messages as m
from vdagent.protocol.constants import ClipboardType
from vdagent.protocol.udscs import Message

LIST = b"cut\0/one file\0/dir/\xc3\xa4\0/../etc/passwd\0relative\0"


def test_paths_that_lead_elsewhere_are_left_out() -> None:
    assert file_list.FileList.decode(LIST) == (True, ("/one file", "/dir/ä"))
    assert file_list.FileList.decode(b"") == (False, ())


@pytest.mark.parametrize(
    ("fmt", "content"),
    [
        (Format.FILES, b"file:///mnt/one%20file\r\nfile:///mnt/dir/%C3%A4\r\n"),
        (Format.GNOME_FILES, b"cut\nfile:///mnt/one%20file\nfile:///mnt/dir/%C3%A4"),
        (Format.KDE_CUT, b"1"),
    ],
)
def test_each_file_manager_gets_its_own_form(fmt: Format, content: bytes) -> None:
    assert file_list.encode(fmt, file_list.FileList.decode(LIST), "/mnt") == content


def test_mounts_of_davfs_and_gvfs_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("proc /proc proc rw 0 0\n")
    monkeypatch.setattr(webdav, "MOUNTS", str(mounts))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert webdav.find_mount() is None
    gvfs = tmp_path / "gvfs" / "dav:host=localhost,port=9843,ssl=false"
    gvfs.mkdir(parents=True)
    assert webdav.find_mount() == str(gvfs)
    mounts.write_text("http://localhost:9843/ /media/the\\040viewer fuse.davfs rw 0 0\n")
    assert webdav.find_mount() == "/media/the viewer"


def test_files_are_offered_and_pasted_only_where_the_channel_is_mounted() -> None:
    async def scenario(mount: str | None) -> tuple[tuple[Format, ...], bytes]:
        sent: list[Message] = []
        handler = ClipboardHandler(sent.append, lambda: mount)
        desktop = MemoryClipboard(handler)
        handler.attach(desktop)
        handler.connected()
        handler.grab(m.ClipboardGrab(0, (ClipboardType.FILE_LIST,)))
        offered = tuple(desktop.offered(Selection.CLIPBOARD) or ())
        if not offered:
            return offered, b""
        paste = asyncio.ensure_future(handler.paste(Selection.CLIPBOARD, Format.KDE_CUT))
        await asyncio.sleep(0)
        assert sent == [m.ClipboardRequest(0, ClipboardType.FILE_LIST)]
        handler.data(m.Clipboard(0, ClipboardType.FILE_LIST, b"copy\0/a\0"))
        return offered, bytes(await paste)

    assert asyncio.run(scenario(None)) == ((), b"")
    assert asyncio.run(scenario("/mnt")) == (file_list.FORMATS, b"0")
