# SPDX-License-Identifier: MIT
"""How do we talk to a compositor on the asyncio loop, and how do we learn that it has gone?

A thin layer over pywayland for what it leaves open (seen with 0.4.19): the interpreter crashes at
exit without `disconnect`, exceptions in callbacks go to stderr, an object made by an event belongs to
whichever display has the oldest registry, and an event with a text that is not UTF-8, which any program
can cause, is a traceback on stderr and a file descriptor that stays open.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pywayland import ffi, lib
from pywayland.client.display import Display
from pywayland.protocol_core.interface import Interface
from pywayland.protocol_core.proxy import Proxy
from pywayland.scanner.argument import ArgumentType

from ...errors import DesktopError, reason

CONNECT_S = 5.0
ANSWER_S = 5.0

log = logging.getLogger("wayland")

Callback = Callable[..., None]

_UCRED = struct.Struct("iII")


class Global(NamedTuple):
    """Something the compositor announces: its number in the registry, interface and version."""

    number: int
    interface: str
    version: int


class Peer(NamedTuple):
    """The compositor's process, with the user it runs as; 0 if it is not in our namespace."""

    pid: int
    uid: int


def _peer(fd: int) -> Peer:
    with socket.socket(fileno=os.dup(fd)) as client:
        packed = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(packed)
    return Peer(pid, uid)


def _login(pid: int) -> str:
    """What tells the login session of a process: its control group; "" where that cannot be read."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


class _Event:
    """One of pywayland's events, whose texts may be any bytes."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def c_to_arguments(self, arguments: Any) -> list[Any]:
        """What the callback gets."""
        try:
            return list(self._event.c_to_arguments(arguments))
        except UnicodeDecodeError:
            kinds = [argument.argument_type for argument in self._event.arguments]
            return [_READ[kind](arguments[number]) for number, kind in enumerate(kinds)]


# The kinds of arguments that there are beside a text; no event has an object as well.
_READ: dict[ArgumentType, Callable[[Any], Any]] = {
    ArgumentType.Int: lambda argument: argument.i,
    ArgumentType.Uint: lambda argument: argument.u,
    ArgumentType.Fixed: lambda argument: lib.wl_fixed_to_double(argument.f),
    ArgumentType.FileDescriptor: lambda argument: argument.h,
    ArgumentType.String: lambda argument: (
        ffi.string(argument.s).decode("utf-8", "replace") if argument.s != ffi.NULL else None
    ),
}


class WaylandConnection:
    """A connection to one compositor; `on_lost(reason)` is called once if it goes by itself.

    Requests are sent by `flush`, which runs by itself after events have been handled.
    """

    def __init__(self, display: Display) -> None:
        self.on_lost: Callable[[str], None] = lambda reason: None
        self.on_global: list[Callable[[Global], None]] = []
        self.on_global_removed: list[Callable[[Global], None]] = []
        self.globals: dict[int, Global] = {}
        self._display = display
        self._fd = display.get_fd()
        self.peer = _peer(self._fd)
        self.login = _login(self.peer.pid)
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        self._fences: set[Proxy[Any]] = set()
        self._registry: Any = display.get_registry()
        self.listen(self._registry, {"global": self._added, "global_remove": self._removed})
        self._loop.add_reader(self._fd, self._readable)

    @classmethod
    async def open(cls, path: str) -> WaylandConnection:
        """Connect and learn all globals. Raises DesktopError."""
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(client, path)
        except (OSError, TimeoutError) as error:
            client.close()
            raise DesktopError(f"no compositor answers at {path}: {reason(error)}") from error
        display = Display(client.detach())
        display.connect()
        connection = cls(display)
        try:
            await connection.roundtrip()
        except BaseException:
            connection.close()
            raise
        return connection

    # Objects.

    def find(self, interface: type[Interface]) -> list[Global]:
        """The globals of this interface, in the order announced."""
        return [g for g in self.globals.values() if g.interface == interface.name]

    def bind(self, number: int, interface: type[Interface], version: int | None = None) -> Any:
        """The global `number` as an object, in its own version, ours or `version` if that is lower."""
        known = min(self.globals[number].version, interface.version)
        return self._registry.bind(number, interface, min(known, version or known))

    def listen(self, proxy: Proxy[Any], callbacks: Mapping[str, Callback]) -> None:
        """Call `callbacks` at the events of `proxy`, with the event's arguments."""
        dispatcher: Any = proxy.dispatcher
        dispatcher.messages = [_Event(event) for event in proxy.interface.events]
        for event, callback in callbacks.items():
            dispatcher[event] = self._guarded(event, callback)

    def _guarded(self, event: str, callback: Callback) -> Callable[..., None]:
        def call(proxy: Proxy[Any], *arguments: Any) -> None:
            for argument in arguments:
                if isinstance(argument, Proxy):
                    self._adopt(argument)
            try:
                callback(*arguments)
            except Exception:
                log.exception("wayland: %s of %s", event, proxy.interface.name)

        return call

    def _adopt(self, proxy: Proxy[Any]) -> None:
        """Have our display destroy this object, which would crash after its disconnection."""
        if proxy._display is not self._display:
            proxy._display = self._display
            self._display._children.add(proxy)

    def fence(self, reached: Callable[[], None]) -> None:
        """Call `reached` once the compositor has handled every request so far."""
        fence = self._display.sync()
        self._fences.add(fence)

        def done(serial: int) -> None:
            self._fences.discard(fence)
            reached()

        self.listen(fence, {"done": done})

    async def roundtrip(self) -> None:
        """Wait until all requests are handled and their events have been told."""
        reached: asyncio.Future[None] = self._loop.create_future()
        self.fence(lambda: None if reached.done() else reached.set_result(None))
        await self.wait(reached)

    async def wait(self, answer: asyncio.Future[Any], timeout_s: float = ANSWER_S) -> None:
        """Wait for an answer of the compositor. Raises DesktopError if it is late or gone."""
        self.flush()
        await asyncio.wait(
            (answer, self._lost), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if answer.done():
            return
        if self._lost.done():
            raise DesktopError(f"the compositor has gone: {self._lost.result()}")
        raise DesktopError(f"the compositor did not answer within {timeout_s:g} s")

    def _added(self, number: int, interface: str, version: int) -> None:
        new = self.globals[number] = Global(number, interface, version)
        for told in self.on_global:
            told(new)

    def _removed(self, number: int) -> None:
        if (old := self.globals.pop(number, None)) is not None:
            for told in self.on_global_removed:
                told(old)

    # Bytes.

    def _readable(self) -> None:
        try:
            self._display.read()
            self._display.dispatch(block=False)
        except RuntimeError as error:
            return self._lose(str(error))
        self.flush()

    def flush(self) -> None:
        """Send what was requested; what the socket does not take now follows when it can."""
        if self._lost.done():
            return
        if self._display.flush() >= 0:
            self._loop.remove_writer(self._fd)
            return
        number: int = ffi.errno  # type: ignore[attr-defined]  # not in pywayland's stubs
        if number == errno.EAGAIN:
            self._loop.add_writer(self._fd, self.flush)
        elif number != errno.EPIPE:  # what was said before the end is still to be read
            self._lose(os.strerror(number))

    def _lose(self, reason: str) -> None:
        if not self._lost.done():
            self._stop()
            self._lost.set_result(reason)
            self._loop.call_soon(self.on_lost, reason)

    def _stop(self) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)

    def close(self) -> None:
        """Disconnect; every object of this connection is invalid from now on."""
        self.on_lost = lambda reason: None
        if not self._lost.done():
            self._stop()
            self._lost.set_result("closed")
        self._fences.clear()
        self._registry = None
        self._display.disconnect()
