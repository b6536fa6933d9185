# SPDX-License-Identifier: MIT
"""Does the right cookie open a display that asks for one, and is a refusal one sentence?"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest

from tests.support.xservers import xvfb
from vdagent.backends.x11 import authority
from vdagent.backends.x11.connection import XConnection
from vdagent.errors import DesktopError

LOCAL, WILD = authority.FAMILY_LOCAL, authority.FAMILY_WILD
HOST = socket.gethostname().encode()


def entry(family: int, address: bytes, number: bytes, data: bytes) -> bytes:
    fields = (address, number, authority.COOKIE, data)
    return struct.pack(">H", family) + b"".join(struct.pack(">H", len(f)) + f for f in fields)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([], b""),
        ([(LOCAL, HOST, b"7", b"right")], b"right"),
        ([(LOCAL, HOST, b"", b"any number")], b"any number"),
        ([(LOCAL, HOST, b"8", b"other number")], b""),
        ([(WILD, b"", b"", b"wild")], b"wild"),
        ([(LOCAL, b"former-name", b"7", b"old")], b"old"),
        ([(LOCAL, b"former-name", b"7", b"old"), (WILD, b"", b"7", b"wild")], b"wild"),
        ([(WILD, b"", b"7", b"wild"), (LOCAL, HOST, b"7", b"right")], b"right"),
    ],
)
def test_the_best_entry_is_found(
    entries: list[tuple[int, bytes, bytes, bytes]],
    found: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "cookies"
    file.write_bytes(b"".join(entry(*e) for e in entries) + b"\x01\x00\x00")  # and a torn one
    monkeypatch.setenv("XAUTHORITY", str(file))
    assert authority.find_cookie(7) == (authority.COOKIE if found else b"", found)


async def test_a_server_that_asks_for_a_cookie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookies = tmp_path / "cookies"
    cookies.write_bytes(entry(WILD, b"", b"", os.urandom(16)))
    with xvfb(tmp_path, "640x480", "-auth", str(cookies)) as server:
        monkeypatch.setenv("XAUTHORITY", str(cookies))
        (await XConnection.open(server.display)).close()
        wrong = tmp_path / "wrong"
        wrong.write_bytes(entry(WILD, b"", b"", b"0" * 16))
        monkeypatch.setenv("XAUTHORITY", str(wrong))
        with pytest.raises(DesktopError, match=r"does not let us in.*check XAUTHORITY"):
            await XConnection.open(server.display)


async def test_no_server_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DesktopError, match="no X display is named"):
        await XConnection.open()
    with pytest.raises(DesktopError, match="not the name of an X display"):
        await XConnection.open("nonsense")
    monkeypatch.setattr("vdagent.backends.x11.connection.SOCKET_DIRECTORY", str(tmp_path))
    with pytest.raises(DesktopError, match="no X server on :77"):
        await XConnection.open(":77")
