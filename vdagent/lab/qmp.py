# SPDX-License-Identifier: MIT
"""How do we ask QEMU itself to do something? (the QEMU Machine Protocol, commands only)"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from ..errors import HostError

TIMEOUT_S: Final = 10.0


async def execute(socket: Path, command: str, **arguments: Any) -> Any:
    """Run one QMP command on the monitor at `socket` and give its return value."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _execute(socket, command, arguments)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise HostError(f"QEMU's monitor does not answer to {command}") from error


async def _execute(socket: Path, command: str, arguments: dict[str, Any]) -> Any:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        await reader.readline()  # the greeting
        await _call(reader, writer, {"execute": "qmp_capabilities"})
        return await _call(reader, writer, {"execute": command, "arguments": arguments})
    finally:
        writer.close()


async def _call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: dict[str, Any]
) -> Any:
    writer.write(json.dumps(request).encode() + b"\n")
    while True:
        reply = json.loads(await reader.readline())
        if "error" in reply:
            raise HostError(f"QEMU refused {request['execute']}: {reply['error']['desc']}")
        if "return" in reply:
            return reply["return"]
