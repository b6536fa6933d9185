# SPDX-License-Identifier: MIT
"""How do other programs ask the daemon how it is? (`vdagent status`, `vdagent doctor`)

A UNIX socket beside the session socket (its path with ".control" appended): one JSON object a line, each
answered by one.

    {"do": "status"}   →   {"ok": true, "status": {…}}       see docs/control.md
    anything else      →   {"ok": false, "error": "…"}

Who asks is known by its credentials: root sees everything, others what concerns their own sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from .errors import SessionError, SystemFault
from .transport.peers import Peer
from .transport.unix_socket import bind

log = logging.getLogger("control")

MAX_LINE = 64 * 1024
MAX_CLIENTS = 32
IDLE_S = 60.0

Answer = Callable[[dict[str, Any], int], dict[str, Any]]


def control_path(session_socket: str) -> str:
    """Where the control socket of a daemon with this session socket is."""
    return f"{session_socket}.control"


class ControlServer:
    """Answers questions; `answer(question, uid)` raises SessionError for those it does not take."""

    def __init__(self, path: str, answer: Answer) -> None:
        self._path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; not being able to is no reason for the daemon to end."""
        try:
            listener = bind(self._path)
        except SystemFault as error:
            log.warning("control: %s; vdagent status will not work", error)
            return
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_LINE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= MAX_CLIENTS:
            writer.close()
            return
        self._clients.add(task)
        peer = Peer(writer.get_extra_info("socket"))
        try:
            while line := await asyncio.wait_for(reader.readline(), IDLE_S):
                writer.write(json.dumps(self._reply(line, peer.uid)).encode() + b"\n")
                await asyncio.wait_for(writer.drain(), IDLE_S)
        except (OSError, ValueError, TimeoutError):
            pass  # gone, too long a line, or nothing to say
        finally:
            self._clients.discard(task)
            peer.close()
            writer.close()

    def _reply(self, line: bytes, uid: int) -> dict[str, Any]:
        try:
            question = json.loads(line)
        except (ValueError, RecursionError):  # the latter for thousands of brackets
            return {"ok": False, "error": "not JSON"}
        if not isinstance(question, dict):
            return {"ok": False, "error": "not a JSON object"}
        try:
            return {"ok": True, **self._answer(question, uid)}
        except SessionError as error:
            return {"ok": False, "error": error.message}

    def close(self) -> None:
        """Stop; questions under way are not answered."""
        for task in self._clients:
            task.cancel()
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def ask(path: str, question: dict[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
    """One question to the daemon at `path`, and its answer. Raises SessionError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(path)
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline())
        except (OSError, ValueError) as error:
            raise SessionError(f"control: no answer at {path}: {error}") from None
    if not answer.get("ok"):
        raise SessionError(f"control: {answer.get('error', 'refused')}")
    return dict(answer)
