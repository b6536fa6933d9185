# SPDX-License-Identifier: MIT
"""What does a client of QEMU's D-Bus display see of the guest's clipboard?

org.qemu.Display1.Clipboard is symmetric: both sides export it at the same path and call each other's
Grab, Request and Release (ui/dbus-display1.xml in QEMU). Selections are numbered, formats MIME names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message

from vdagent.backends.dbus import Bus

NAME: Final = "org.qemu"
PATH: Final = "/org/qemu/Display1/Clipboard"
INTERFACE: Final = "org.qemu.Display1.Clipboard"
TEXT: Final = "text/plain;charset=utf-8"

_TIMEOUT_S = 10.0


class DBusViewer:
    """A registered client; it answers the guest's pastes with what was offered last."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._offered = b""
        self._serial = 0
        self.calls: list[str] = []
        self._arrived = asyncio.Condition()
        bus.add_message_handler(self._on_message)

    async def register(self) -> None:
        """Take part. QEMU counts its clipboard's serials anew from here, and tells its agent so."""
        await self._call("Register")

    async def offer(self, text: str) -> None:
        """Copy here."""
        self._offered = text.encode()
        await self._call("Grab", "uuas", [0, self._serial, [TEXT]])
        self._serial += 1

    async def paste(self) -> str:
        """Paste here: the text the guest hands over."""
        mime, data = await self._call("Request", "uas", [0, [TEXT]])
        return bytes(data).decode() if mime == TEXT else ""

    def mark(self) -> int:
        """The place of the next call, for `wait`."""
        return len(self.calls)

    async def wait(self, call: str, since: int = 0) -> None:
        """Wait until QEMU has called this method at or after place `since`."""
        async with asyncio.timeout(_TIMEOUT_S), self._arrived:
            await self._arrived.wait_for(lambda: call in self.calls[since:])

    async def _call(self, member: str, signature: str = "", body: list[Any] | None = None) -> Any:
        call = self._bus.call(
            Message(NAME, PATH, INTERFACE, member, signature=signature, body=body or [])
        )
        reply = await asyncio.wait_for(call, _TIMEOUT_S)
        if reply is None or reply.message_type is MessageType.ERROR:
            raise ConnectionError(f"D-Bus: {member}: {reply and reply.body}")
        return reply.body

    def _on_message(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL or message.path != PATH:
            return None
        asyncio.ensure_future(self._tell(message))
        if message.member == "Request":
            return Message.new_method_return(message, "say", [TEXT, self._offered])
        if message.member == "Grab":
            self._serial = message.body[1] + 1
        return Message.new_method_return(message)

    async def _tell(self, message: Message) -> None:
        async with self._arrived:
            self.calls.append(str(message.member))
            self._arrived.notify_all()


@asynccontextmanager
async def dbus_viewer(address: str) -> AsyncIterator[DBusViewer]:
    """A client that has registered; it leaves at the end."""
    bus = await Bus.connect(address)
    try:
        viewer = DBusViewer(bus._bus)
        await viewer.register()
        yield viewer
    finally:
        bus.close()
