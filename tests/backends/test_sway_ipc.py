# SPDX-License-Identifier: MIT
"""Does sway take sizes over its own socket, and is it told apart from what only answers there?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.backends.test_wayland_display import HEAD, SECOND, sway_outputs
from tests.backends.wayland_desks import open_wayland_desk
from tests.support import compositors
from vdagent.backends.base import Patience
from vdagent.backends.wayland import sway
from vdagent.backends.wayland.connection import WaylandConnection
from vdagent.backends.wayland.sway import find_socket, set_custom_modes
from vdagent.errors import DesktopError


async def test_sizes_of_several_outputs(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        path = desk.compositor.environment["SWAYSOCK"]
        await set_custom_modes(path, {HEAD: (1000, 808), SECOND: (640, 480)})
        outputs = sway_outputs(desk)
        assert {name: output["mode"] for name, output in outputs.items()} == {
            HEAD: (1000, 808),
            SECOND: (640, 480),
        }


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that sway's own user may enter, too."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.mark.parametrize("after_a_crash", [False, True])
async def test_where_a_sway_is_told(public: Path, after_a_crash: bool) -> None:
    with compositors.sway(public, after_a_crash=after_a_crash) as compositor:
        names = compositor.environment
        path = f"{names['XDG_RUNTIME_DIR']}/{names['WAYLAND_DISPLAY']}"
        connection = await WaylandConnection.open(path)
        found = find_socket(connection.peer, names)
        connection.close()
        assert found and (found != names["SWAYSOCK"]) == after_a_crash
        await set_custom_modes(found, {HEAD: (1000, 808)})


@asynccontextmanager
async def answering(path: Path, answer: bytes) -> AsyncIterator[str]:
    """Something at `path` that says `answer` to everybody."""

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(answer)

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield str(path)
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n",
        struct.pack("=6sII", b"i3-ipc", 1 << 31, 0),
        struct.pack("=6sII", b"i3-ipc", 3, 0) + b"[{]",
        struct.pack("=6sII", b"i3-ipc", 30, 0) + b"cut",
    ],
)
async def test_what_is_not_sway(
    answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sway, "ANSWER_S", 0.3)
    async with answering(tmp_path / "socket", answer) as path:
        with pytest.raises(DesktopError, match="sway does not answer"):
            await set_custom_modes(path, {HEAD: (800, 600)})


async def test_a_refusal_is_told(tmp_path: Path) -> None:
    body = b'[{"success": true}, {"success": false, "error": "Invalid output"}]'
    answer = struct.pack("=6sII", b"i3-ipc", len(body), 0) + body
    async with answering(tmp_path / "socket", answer) as path:
        with pytest.raises(DesktopError, match="sway: Invalid output"):
            await set_custom_modes(path, {HEAD: (800, 600)})


async def test_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(DesktopError, match="sway does not answer"):
        await set_custom_modes(str(tmp_path / "socket"), {HEAD: (800, 600)})
