# SPDX-License-Identifier: MIT
"""How does the session agent tell the daemon what udscs has no word for? (session)

It keeps a connection to the control socket for as long as there is one to the daemon, says there who it
is and what it knows (`session_facts.py`), and hears there what the daemon wants of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger("session")

# The control socket appears a moment after the session's, and not at all beside a C daemon.
WAITS_S = (0.3, 0.5, 1.0, 2.0, 4.0)

# What is lost where nobody wants to know the fact.
MISSED = {
    "pointer_scales": "the outputs' scales differ and the daemon cannot be told, so the pointer is off on"
    " the coarser ones; use vdagent's daemon, or one scale",
    "pointer_transforms": "an output is turned and the daemon cannot be told, so the pointer is off there;"
    " use vdagent's daemon, or turn none",
}

Line = Mapping[str, Any]


class ControlLink:
    """Tells facts, now and whenever they change; `on_line` gets what the daemon says by itself."""

    def __init__(self, session_socket: str, on_line: Callable[[Line], None]) -> None:
        self._socket = session_socket
        self._on_line = on_line
        self._facts: dict[str, Any] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._work: asyncio.Task[None] | None = None
        self._unheard = False
        self._missed: set[str] = set()

    def connected(self) -> None:
        """A daemon that knows nothing of us is there."""
        self.disconnected()
        self._unheard = False
        self._work = asyncio.ensure_future(self._run())

    def disconnected(self) -> None:
        """The daemon has gone, or we go."""
        if self._work is not None:
            self._work.cancel()
            self._work = None

    def tell(self, **facts: Any) -> None:
        """Let the daemon know these, instead of what was told under the same names."""
        new = {name: fact for name, fact in facts.items() if self._facts.get(name) != fact}
        self._facts |= new
        if new and self._writer is not None:
            self._send(new)
        if self._unheard:
            self._complain()

    async def _run(self) -> None:
        from .control import MAX_LINE, control_path  # behind the first report

        path = control_path(self._socket)
        for wait_s in WAITS_S:
            await asyncio.sleep(wait_s)
            try:
                reader, writer = await asyncio.open_unix_connection(path, limit=MAX_LINE)
            except OSError as error:
                log.debug("control: no connection to %s: %s", path, error)
                continue
            try:
                if await self._talk(reader, writer):
                    return
            except (OSError, ValueError, RecursionError) as error:
                log.debug("control: %s: %s", path, error)
            finally:
                self._writer = None
                writer.close()
        self._unheard = True
        self._complain()

    def _complain(self) -> None:
        """Nobody there knows our facts; say once what comes of it."""
        for name, missed in MISSED.items():
            if self._facts.get(name) and name not in self._missed:
                self._missed.add(name)
                log.warning("session: %s", missed)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Until the daemon hangs up; False if it does not want to know us yet."""
        import json

        self._writer = writer
        self._send(self._facts)
        while line := await reader.readline():
            said = json.loads(line)
            if not isinstance(said, dict):
                raise ValueError("not an object")
            if "ok" not in said:
                self._on_line(said)
            elif not said["ok"]:
                log.debug("control: the daemon says: %s", said.get("error"))
                return False
        return True

    def _send(self, facts: Line) -> None:
        import json

        if self._writer is not None:
            self._writer.write(json.dumps({"do": "session", **facts}).encode() + b"\n")
