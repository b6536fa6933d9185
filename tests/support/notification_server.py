# SPDX-License-Identifier: MIT
"""How does a test play the desktop's notification server?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from vdagent.backends.dbus import Bus, Message, MessageType
from vdagent.backends.notifications import SERVICE


class Server:
    """A desktop's notification server; every note gets number 7 unless it replaces one."""

    def __init__(self, bus: Bus) -> None:
        self.bus: Any = bus._bus
        self.notes: list[dict[str, Any]] = []
        self.closed: list[int] = []
        self.stuck: list[Message] | None = None  # calls to be answered later
        self.bus.add_message_handler(self.handle)

    def handle(self, call: Message) -> Message | bool:
        if call.message_type is not MessageType.METHOD_CALL:
            return False
        if call.member == "CloseNotification":
            self.closed += call.body
            return Message.new_method_return(call)
        if call.member != "Notify" or call.signature != "susssasa{sv}i":
            return False
        if self.stuck is not None:
            self.stuck.append(call)
            return True
        return self.notify(call)

    def notify(self, call: Message) -> Message:
        _, replaces, _, summary, body, actions, hints, _ = call.body
        value = hints["value"].value if "value" in hints else None
        note = dict(summary=summary, body=body, replaces=replaces, actions=actions, value=value)
        self.notes.append(note)
        return Message.new_method_return(call, "u", [replaces or 7])

    async def unstick(self) -> None:
        calls, self.stuck = self.stuck or [], None
        for call in calls:
            await self.bus.send(self.notify(call))

    async def signal(self, member: str, signature: str, *body: Any) -> None:
        _, path, interface = SERVICE
        await self.bus.send(Message.new_signal(path, interface, member, signature, list(body)))


@asynccontextmanager
async def serving(address: str) -> AsyncIterator[Server]:
    bus = await Bus.connect(address)
    server = Server(bus)
    await server.bus.request_name(SERVICE[0])
    try:
        yield server
    finally:
        bus.close()
