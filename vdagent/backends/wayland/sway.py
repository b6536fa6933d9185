# SPDX-License-Identifier: MIT
"""How is sway told of a size that an output does not list?

By its own socket (sway-ipc(7)). For such a size its `zwlr_output_management_v1` takes the preferred mode
instead, and says that it succeeded (seen with 1.7; sway's issue 7868, open in 2026).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
from collections.abc import Mapping

from ...errors import DesktopError, reason
from .connection import Peer

ANSWER_S = 5.0
MAX_ANSWER = 64 * 1024
MAGIC, RUN_COMMAND = b"i3-ipc", 0

_HEADER = struct.Struct("=6sII")  # magic, length of the body, type
_NAME = re.compile(r"[\w-]+", re.ASCII)


def find_socket(compositor: Peer, environment: Mapping[str, str]) -> str | None:
    """Where sway listens, if `compositor` is one.

    By the name it gives it, which no unit has to import and which is right after a restart, too.
    """
    directory = environment.get("XDG_RUNTIME_DIR", "/tmp")
    path = os.path.join(directory, f"sway-ipc.{compositor.uid}.{compositor.pid}.sock")
    return path if os.path.exists(path) else environment.get("SWAYSOCK")


async def set_custom_modes(path: str, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Have outputs show these sizes at 60 Hz. Raises DesktopError."""
    commands = [
        f"output {name} enable mode --custom {width}x{height}@60Hz"
        for name, (width, height) in sizes.items()
        if _NAME.fullmatch(name)
    ]
    try:
        async with asyncio.timeout(ANSWER_S):
            results = await _run(path, "; ".join(commands))
    except (OSError, ValueError, EOFError, TimeoutError) as error:
        raise DesktopError(f"sway does not answer at {path}: {reason(error)}") from error
    for result in results if isinstance(results, list) else []:
        if isinstance(result, dict) and not result.get("success"):
            raise DesktopError(f"sway: {result.get('error', 'refused')}")


async def _run(path: str, command: str) -> object:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        body = command.encode()
        writer.write(_HEADER.pack(MAGIC, len(body), RUN_COMMAND) + body)
        magic, length, _ = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if magic != MAGIC or length > MAX_ANSWER:
            raise ValueError("that is not sway's IPC")
        return json.loads(await reader.readexactly(length))
    finally:
        writer.close()
