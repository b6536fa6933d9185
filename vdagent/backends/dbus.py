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
        from dbus_next.aio.message_bus import MessageBus
        from dbus_next.constants import MessageType
        from dbus_next.message import Message
        from dbus_next.signature import Variant

__all__ = ["Bus", "Variant", "session_bus_address", "system_bus_address"]

CONNECT_S = 5.0
CALL_S = 5.0
SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"

_DAEMON = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


def system_bus_address() -> str:
    """Where the system bus is."""
    return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS


def session_bus_address() -> str:
    """Where this session's bus is, "" if there is none."""
    if address := os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    path = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent", "bus")
    return f"unix:path={path}" if os.path.exists(path) else ""


class Bus:
    """One connection to a message bus."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus: Any = bus  # dbus-next leaves some of its methods untyped
        self._watches: list[tuple[dict[str, str], Callable[..., None]]] = []
        bus.add_message_handler(self._on_message)

    @classmethod
    async def connect(cls, address: str) -> Bus:
        """Connect to the bus at `address`. Raises DesktopError."""
        if not address:
            raise DesktopError("D-Bus: there is no bus for this session")
        try:
            bus = MessageBus(bus_address=address)
            async with asyncio.timeout(CONNECT_S):
                await bus.connect()
        except TimeoutError:
            raise DesktopError(f"D-Bus: {address} does not answer") from None
        except Exception as error:  # the library raises whatever it met
            raise DesktopError(f"D-Bus: cannot connect to {address}: {error}") from None
        return cls(bus)

    async def call(
        self,
        service: tuple[str, str, str],
        member: str,
        signature: str = "",
        *body: Any,
        timeout_s: float = CALL_S,
    ) -> list[Any]:
        """Call a method of `service` (bus name, path, interface); its results.

        Raises DesktopError for an error reply, a lost bus and no answer in time.
        """
        destination, path, interface = service
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._bus.call(message)
        except TimeoutError:
            raise DesktopError(f"D-Bus: {destination} does not answer {member}") from None
        except Exception as error:
            raise DesktopError(f"D-Bus: {member} of {destination}: {error}") from None
        if reply is None:
            raise DesktopError(f"D-Bus: the bus has gone, {member} was not answered")
        if reply.message_type is MessageType.ERROR:
            text = reply.body[0] if reply.body else reply.error_name
            raise DesktopError(f"D-Bus: {member} of {destination}: {text}")
        return list(reply.body)

    async def watch(self, on_signal: Callable[..., None], **match: str) -> None:
        """Call `on_signal(path, *body)` at each signal that fits: sender, interface, member, path.

        `sender` is matched by the bus only (signals come from unique names).
        """
        rule = ",".join(f"{key}='{value}'" for key, value in {"type": "signal", **match}.items())
        local = {key: value for key, value in match.items() if key != "sender"}
        self._watches.append((local, on_signal))
        await self.call(_DAEMON, "AddMatch", "s", rule)

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        for match, on_signal in self._watches:
            if all(getattr(message, key) == value for key, value in match.items()):
                on_signal(message.path, *message.body)

    async def wait_lost(self) -> None:
        """Return when the connection has ended, whoever ended it."""
        try:
            await self._bus.wait_for_disconnect()
        except Exception:
            pass

    def close(self) -> None:
        """End the connection."""
        self._watches.clear()
        if self._bus.connected:
            self._bus.disconnect()


def plain(value: Any) -> Any:
    """`value` without its Variants."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
