# SPDX-License-Identifier: MIT
"""How does a backend talk D-Bus: connect, call, be told of signals, all in bounded time?

The only module that knows the library: dbus-next, and from Python 3.15 on, where that can no longer
be imported, its maintained fork dbus-fast.
"""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DesktopError

with warnings.catch_warnings():
    # dbus-next uses typing.no_type_check_decorator, deprecated from Python 3.13 on.
    warnings.simplefilter("ignore", DeprecationWarning)
    if sys.version_info >= (3, 15):
        from dbus_fast import Message, MessageType, Variant
        from dbus_fast.aio import MessageBus
    else:
        from dbus_next._private.unmarshaller import Unmarshaller
        from dbus_next.aio.message_bus import MessageBus
        from dbus_next.constants import MessageType
        from dbus_next.message import Message
        from dbus_next.signature import Variant

__all__ = [
    "Bus",
    "BusError",
    "Message",
    "MessageBus",
    "MessageType",
    "Variant",
    "session_bus_address",
    "system_bus_address",
]

CONNECT_S = 5.0
CALL_S = 5.0
SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"

_NAME = "org.freedesktop.DBus"
_SENDER = 7  # the header field
_DAEMON = (_NAME, "/org/freedesktop/DBus", _NAME)


class BusError(DesktopError):
    """A call that failed; `name` is the error's name on the bus, "" if there was no answer at all."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class _MessageBus(MessageBus):
    senders: Mapping[str, str] = {}  # whose signals are wanted: their unique names are the values

    def _create_unmarshaller(self) -> Any:
        """dbus-next asks for one per message; dbus-fast does not ask."""
        return _Reader(self._stream, self._sock if self._negotiate_unix_fd else None, self)

    def _setup_socket(self) -> None:
        try:
            super()._setup_socket()  # type: ignore[no-untyped-call]  # dbus-next has no types here
        except BaseException:
            _close(self)
            raise

    async def _auth_readline(self) -> str:
        """The library's own never ends, nor lets anybody else run, if the bus hangs up meanwhile."""
        line = b""
        while not line.endswith(b"\r\n"):
            part = await self._loop.sock_recv(self._sock, 2)
            if not part:
                raise EOFError("it hung up")
            line += part
        return line[:-2].decode()


class _Unwanted(Exception):
    """The body of this message need not be read."""


if sys.version_info < (3, 15):

    class _Reader(Unmarshaller):
        """Reads messages, but no further than the header of a signal that nobody asked for.

        Anybody may send anybody signals past all match rules, on a system bus 32 MiB each, and an
        object for each value in them would be hundreds of MB, and seconds.
        """

        def __init__(self, stream: Any, sock: Any, bus: _MessageBus) -> None:
            super().__init__(stream, sock)  # type: ignore[no-untyped-call]  # dbus-next has no types here
            self._bus = bus
            self._header: list[Any] | None = None
            self._inside = False

        def read_argument(self, type_: Any) -> Any:
            """The header first, then each part of the body; these come here for their parts."""
            if self._inside:
                return super().read_argument(type_)  # type: ignore[no-untyped-call]  # dbus-next has no types here
            self._inside = True
            if self._header is not None and not self._is_wanted(dict(self._header)):
                raise _Unwanted
            value = super().read_argument(type_)  # type: ignore[no-untyped-call]  # dbus-next has no types here
            if self._header is None:
                self._header = value
            self._inside = False
            return value

        def _is_wanted(self, header: dict[int, Any]) -> bool:
            sender = header.get(_SENDER)
            is_signal = self.buf[1] == MessageType.SIGNAL.value
            return not is_signal or (
                sender is not None and sender.value in self._bus.senders.values()
            )

        def unmarshall(self) -> Any:
            try:
                return super().unmarshall()  # type: ignore[no-untyped-call]  # dbus-next has no types here
            except _Unwanted:
                for fd in self.unix_fds:
                    os.close(fd)
                self.buf = bytearray()  # now: this object is in a cycle
                self.message = Message(
                    path="/",
                    interface="un.wanted",
                    member="Signal",
                    message_type=MessageType.SIGNAL,
                )
                return self.message


def system_bus_address() -> str:
    """Where the system bus is."""
    return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS


def session_bus_address(environment: Mapping[str, str] = os.environ) -> str:
    """Where this session's bus is, "" if there is none."""
    if address := environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    path = os.path.join(environment.get("XDG_RUNTIME_DIR") or "/nonexistent", "bus")
    return f"unix:path={path}" if os.path.exists(path) else ""


class Bus:
    """One connection to a message bus."""

    def __init__(self, bus: _MessageBus) -> None:
        self._bus: Any = bus  # dbus-next leaves some of its methods untyped
        self._watches: list[tuple[dict[str, str], Callable[..., None]]] = []
        self._owners = {_NAME: _NAME}  # of the senders watched: their unique names
        self._bus.senders = self._owners
        self._on_answer: dict[int, Callable[..., None]] = {}  # by serial of the call
        bus.add_message_handler(self._on_message)

    @classmethod
    async def connect(cls, address: str, fds: bool = False) -> Bus:
        """Connect to the bus at `address`, over which file descriptors may come. Raises DesktopError."""
        if not address:
            raise DesktopError("D-Bus: there is no bus for this session")
        bus: Any = None
        try:
            bus = _MessageBus(bus_address=address, negotiate_unix_fd=fds)
            async with asyncio.timeout(CONNECT_S):
                await bus.connect()
        except TimeoutError:
            _let_go(bus)
            raise DesktopError(f"D-Bus: {address} does not answer") from None
        except Exception as error:  # the library raises whatever it met
            _let_go(bus)
            raise DesktopError(f"D-Bus: cannot connect to {address}: {error}") from None
        return cls(bus)

    async def call(
        self,
        service: tuple[str, str, str],
        member: str,
        signature: str = "",
        *body: Any,
        timeout_s: float = CALL_S,
        on_answer: Callable[..., None] | None = None,
    ) -> list[Any]:
        """Call a method of `service` (bus name, path, interface); its results.

        `on_answer(*results)` is called as they come in, before any signal that was sent after them.
        Raises BusError for an error reply, a lost bus and no answer in time.
        """
        reply = await self._call(service, member, signature, body, timeout_s, on_answer)
        return list(reply.body)

    async def call_fd(
        self,
        service: tuple[str, str, str],
        member: str,
        signature: str = "",
        *body: Any,
        timeout_s: float = CALL_S,
    ) -> int:
        """Call a method whose result is a file descriptor, which the caller owns from then on."""
        reply = await self._call(service, member, signature, body, timeout_s)
        try:
            return int(reply.unix_fds.pop(reply.body[0]))
        except (IndexError, TypeError):
            raise BusError(f"D-Bus: {member} of {service[0]} gave no file descriptor") from None
        finally:
            _close_fds(reply)

    async def _call(
        self,
        service: tuple[str, str, str],
        member: str,
        signature: str,
        body: tuple[Any, ...],
        timeout_s: float,
        on_answer: Callable[..., None] | None = None,
    ) -> Message:
        destination, path, interface = service
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
            serial=(serial := self._bus.next_serial()),
        )
        if on_answer is not None:
            self._on_answer[serial] = on_answer
        call: asyncio.Future[Message | None] = asyncio.ensure_future(self._bus.call(message))
        try:
            await asyncio.wait((call,), timeout=timeout_s)
        finally:
            self._on_answer.pop(serial, None)
            if not call.done():
                call.add_done_callback(_too_late)
        return _answer(call, member, destination)

    async def watch(self, on_signal: Callable[..., None], **match: str) -> None:
        """Call `on_signal(path, *body)` at each signal that fits: sender, interface, member, path, arg0.

        `sender` may be a well-known name. That the signal is its owner's is checked here: anybody
        can send a signal to one connection past the rules that it asked the bus to match.
        """
        rule = ",".join(f"{key}='{value}'" for key, value in {"type": "signal", **match}.items())
        if (sender := match.get("sender", _NAME)) not in self._owners:
            self._owners[sender] = ""
            await self.watch(_nothing, sender=_NAME, member="NameOwnerChanged", arg0=sender)
            try:
                self._owners[sender], *_ = await self.call(_DAEMON, "GetNameOwner", "s", sender)
            except BusError as error:
                if not error.name:
                    raise
        self._watches.append((match, on_signal))
        await self.call(_DAEMON, "AddMatch", "s", rule)

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            on_answer = self._on_answer.pop(message.reply_serial, None)
            if on_answer is not None and message.message_type is MessageType.METHOD_RETURN:
                on_answer(*message.body)
            return
        if message.sender == _NAME and message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if name in self._owners:
                self._owners[name] = owner
        for match, on_signal in list(self._watches):
            if all(self._fits(message, key, value) for key, value in match.items()):
                on_signal(message.path, *message.body)

    def _fits(self, message: Message, key: str, value: str) -> bool:
        if key == "sender":
            return bool(message.sender == self._owners.get(value, value))
        if key == "arg0":
            return message.body[:1] == [value]
        return bool(getattr(message, key) == value)

    async def wait_lost(self) -> None:
        """Return when the connection has ended, whoever ended it."""
        try:
            await self._bus.wait_for_disconnect()
        except Exception:
            pass

    def close(self) -> None:
        """End the connection; calls that wait fail now."""
        self._watches.clear()
        _let_go(self._bus)


def _answer(call: asyncio.Future[Message | None], member: str, destination: str) -> Message:
    """What came of a call that nobody waits for any longer. Raises BusError unless it is an answer."""
    if not call.done():
        raise BusError(f"D-Bus: {destination} does not answer {member}")
    if (error := call.exception()) is not None:
        raise BusError(f"D-Bus: {member} of {destination}: {error}") from None
    reply = call.result()
    if reply is None:
        raise BusError(f"D-Bus: the bus has gone, {member} was not answered")
    if reply.message_type is MessageType.ERROR:
        text = reply.body[0] if reply.body else reply.error_name
        raise BusError(f"D-Bus: {member} of {destination}: {text}", reply.error_name)
    return reply


def _too_late(call: asyncio.Future[Any]) -> None:
    """Nobody waits for this answer any more; the file descriptors in it are ours all the same."""
    if not call.cancelled() and call.exception() is None and call.result() is not None:
        _close_fds(call.result())


def _close_fds(message: Message) -> None:
    while message.unix_fds:
        os.close(message.unix_fds.pop())


def _nothing(*_: Any) -> None:
    """A signal that is asked for because the connection itself follows it."""


def _let_go(bus: Any) -> None:
    """Close the connection at once. The library shuts it down and leaves its descriptor open."""
    if bus is None:
        return
    if bus.connected:
        bus.disconnect()
    if bus._sock is not None:  # dbus-fast has none before it is connected
        bus._finalize(None)
    _close(bus)


def _close(bus: Any) -> None:
    for name in ("_stream", "_sock"):
        try:
            getattr(bus, name).close()
        except (AttributeError, OSError):
            pass


def plain(value: Any) -> Any:
    """`value` without its Variants."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
