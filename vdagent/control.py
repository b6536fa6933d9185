# SPDX-License-Identifier: MIT
"""How do other programs ask the daemon how it is, and tell it what to do? (docs/control.md)

A UNIX socket beside the session socket (its path with ".control" appended): one JSON object a line, each
answered by one.

    {"do": "status"}   →   {"ok": true, "status": {…}}
    anything else      →   {"ok": false, "error": "…", "hint": "…"}

The table of questions belongs to the daemon; here are lines, limits and who asks. An answer to some
questions keeps the connection: more lines then come from the daemon, whenever it has something to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

from .errors import SessionError, SystemFault, VdagentError
from .transport.peers import Peer
from .transport.unix_socket import bind

log = logging.getLogger("control")

MAX_LINE = 64 * 1024
MAX_CLIENTS = 256  # of root as many again, which nobody else can take
MAX_PER_USER = 32
MAX_BEHIND = 1024 * 1024  # bytes that wait for somebody who does not read them
MAX_ANSWER = 4 * 1024 * 1024
IDLE_S = 60.0
# A signal that comes on the way into a system call is noticed when that returns: not never.
LOOK_UP_S = 1.0
# What comes of taking for granted what somebody else's JSON has in it.
NONSENSE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)

Line = dict[str, Any]
# The answer's fields beside "ok"; a VdagentError becomes its "error" and "hint". The table calls it
# with the whole question and who asks.
Question = Callable[[Line, "Caller"], Awaitable[Line]]


class NotThere(SessionError):
    """Nobody answers at the control socket, or not yet."""


def control_path(session_socket: str) -> str:
    """Where the control socket of a daemon with this session socket is."""
    return f"{session_socket}.control"


class Caller:
    """One connection to the control socket, and who is at its other end."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._peer = Peer(writer.get_extra_info("socket"))
        self.pid, self.uid = self._peer.pid, self._peer.uid
        self.stays = False  # lines may come at any time, so silence is no reason to hang up
        self.on_gone: list[Callable[[], None]] = []

    @property
    def is_root(self) -> bool:
        """Whether it may see and do everything; in tests, the daemon's own user."""
        return self.uid in (0, os.getuid())

    def must_be_root(self) -> None:
        """Raises SessionError for anybody else."""
        if not self.is_root:
            raise SessionError("control: only root may do that", "sudo")

    @property
    def behind(self) -> int:
        """How many bytes it has not read yet, beyond what the socket holds."""
        return self._writer.transport.get_write_buffer_size()

    def tell(self, line: Mapping[str, Any]) -> bool:
        """Send a line of our own; False if it has gone, which it has when it does not read."""
        transport = self._writer.transport
        if transport.is_closing():
            return False
        if self.behind > MAX_BEHIND:
            transport.abort()
            return False
        self._writer.write(json.dumps(line).encode() + b"\n")
        return True

    async def drain(self) -> None:
        """Wait until it has taken what was sent."""
        async with asyncio.timeout(IDLE_S):
            await self._writer.drain()

    def close(self) -> None:
        """Hang up, and tell whoever wanted to know."""
        self._writer.close()
        self._peer.close()
        for gone in self.on_gone:
            gone()
        self.on_gone.clear()


class ControlServer:
    """Answers the questions of a table, by what they "do"."""

    def __init__(self, path: str, questions: Mapping[str, Question]) -> None:
        self._path = path
        self._questions = questions
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], Caller] = {}

    async def start(self) -> None:
        """Listen; not being able to is no reason for the daemon to end."""
        try:
            listener = bind(self._path, f"{self._path[:-1]}~")  # as long: there is a limit
        except SystemFault as error:
            log.warning("control: %s; `vdagent` cannot ask this program", error)
            return
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_LINE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, caller = asyncio.current_task(), Caller(writer)
        if task is None or not self._has_room(caller):
            caller.tell({"ok": False, "error": "control: too many are connected"})
            caller.close()
            return
        self._clients[task] = caller
        try:
            while line := await _next_line(reader, caller):
                caller.tell(await self.reply(line, caller))
                await caller.drain()
        except (OSError, ValueError, TimeoutError):
            pass  # gone, too long a line, or nothing to say
        finally:
            del self._clients[task]
            caller.close()

    def _has_room(self, caller: Caller) -> bool:
        alike = [other for other in self._clients.values() if other.is_root is caller.is_root]
        mine = sum(other.uid == caller.uid for other in alike)
        return len(alike) < MAX_CLIENTS and (caller.is_root or mine < MAX_PER_USER)

    async def reply(self, line: bytes, caller: Caller) -> Line:
        """The answer to one line."""
        try:
            question = json.loads(line)
        except (ValueError, RecursionError):  # the latter for thousands of brackets
            return {"ok": False, "error": "not JSON"}
        if not isinstance(question, dict):
            return {"ok": False, "error": "not a JSON object"}
        do = question.get("do")
        ask = self._questions.get(do) if isinstance(do, str) else None
        if ask is None:
            return {"ok": False, "error": f"control: cannot do {str(do)[:40]!r}"}
        try:
            return {"ok": True, **await ask(question, caller)}
        except VdagentError as error:
            hint = {"hint": error.hint} if error.hint else {}
            return {"ok": False, "error": error.message, **hint}

    def close(self) -> None:
        """Stop; questions under way are not answered."""
        for task in self._clients:
            task.cancel()
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                os.unlink(self._path)


async def _next_line(reader: asyncio.StreamReader, caller: Caller) -> bytes:
    async with asyncio.timeout(None if caller.stays else IDLE_S):
        return await reader.readline()


def ask(path: str, question: Mapping[str, Any], timeout_s: float = 5.0) -> Line:
    """One question to the daemon at `path`, and its answer. Raises SessionError."""
    with contextlib.closing(conversation(path, question, timeout_s)) as lines:
        return next(lines)


def ask_status(path: str) -> Line:
    """The daemon's status; of another version's daemon only its "version" is sure. Raises SessionError."""
    status = ask(path, {"do": "status"}).get("status")
    if not isinstance(status, dict) or not isinstance(status.get("version"), str):
        raise SessionError(f"control: no answer at {path}: it talks nonsense")
    return status


def conversation(
    path: str, question: Mapping[str, Any], timeout_s: float = 5.0
) -> Generator[Line, None, None]:
    """The answer to a question, then what else comes, for as long as the daemon keeps talking.

    Only the answer has a deadline. Raises SessionError instead of it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        came = bytearray()
        try:
            connection.connect(path)
            # Refused: the answer is there already.
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(json.dumps(question).encode() + b"\n")
            answer = json.loads(_line_of(connection, came))
            if not isinstance(answer, dict):
                raise ValueError
        except OSError as error:
            raise NotThere(f"control: no answer at {path}: {error.strerror or error}") from None
        except (ValueError, RecursionError):  # the latter for thousands of brackets
            raise SessionError(f"control: no answer at {path}: it talks nonsense") from None
        if not answer.get("ok"):
            hint = str(answer.get("hint", ""))
            raise SessionError(str(answer.get("error", "control: refused")), hint)
        yield dict(answer)
        connection.settimeout(LOOK_UP_S)
        while True:
            try:
                line = _line_of(connection, came)
            except TimeoutError:
                continue
            if not line:
                return
            yield json.loads(line)


def _line_of(connection: socket.socket, came: bytearray) -> bytes:
    """The next line, b"" at the end; `came` is what has been read beyond the one before."""
    while (end := came.find(b"\n")) < 0:
        if len(came) > MAX_ANSWER:
            raise ValueError("a line without end")
        if not (data := connection.recv(MAX_LINE)):
            return b""
        came += data
    line = bytes(came[:end])
    del came[: end + 1]
    return line
