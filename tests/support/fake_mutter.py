# SPDX-License-Identifier: MIT
"""How does a test get a Mutter that locks the screen, or that is newer than the one installed?

It answers D-Bus calls with what Mutter's interfaces say, and shows nothing.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from vdagent.backends.dbus import Message, MessageBus, MessageType, Variant, _let_go

REMOTE_DESKTOP = "org.gnome.Mutter.RemoteDesktop"
DISPLAY_CONFIG = "org.gnome.Mutter.DisplayConfig"
NEW_CLIPBOARD = "org.gnome.Mutter.Clipboard"
SCREEN_SAVER = "org.gnome.ScreenSaver"
ERROR = "org.freedesktop.DBus.Error"


class FakeMutter:
    """One that has the clipboard interface of Mutter 51; the calls are in `calls`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, list[Any]]] = []
        self.inhibited = False  # as gnome-shell has it while the screen is locked
        self.may_configure = True
        self.is_lit = True  # whether a monitor shows the desktop
        self.content = b""
        self.written = b""
        self.sessions = 0
        self._bus: Any = None
        self._pipe = -1
        self._fds: list[int] = []

    async def start(self, address: str) -> None:
        self._bus = MessageBus(bus_address=address, negotiate_unix_fd=True)
        await self._bus.connect()
        gone = asyncio.ensure_future(self._bus.wait_for_disconnect())
        gone.add_done_callback(lambda gone: gone.cancelled() or gone.exception())
        self._bus.add_message_handler(self._on_message)
        for name in (REMOTE_DESKTOP, DISPLAY_CONFIG, SCREEN_SAVER):
            await self._bus.request_name(name)

    def stop(self) -> None:
        _let_go(self._bus)
        while self._fds:
            os.close(self._fds.pop())

    def called(self, member: str) -> int:
        return [name for _, name, _ in self.calls].count(member)

    # What a test has it do.

    def owner(self, *mime_types: str, ours: bool = False) -> None:
        """Tell of a new owner, or of none."""
        options = {"mime-types": Variant("as", list(mime_types))}
        options["session-is-owner"] = Variant("b", ours)
        body = options if mime_types else {}
        self._tell(NEW_CLIPBOARD, "SelectionOwnerChanged", "a{sv}", body)

    def transfer(self, mime_type: str, serial: int) -> None:
        """Paste."""
        self._tell(NEW_CLIPBOARD, "SelectionTransfer", "su", mime_type, serial)

    def pasted(self) -> bytes:
        """What has come of the last paste so far."""
        try:
            self.written += os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            pass
        return self.written

    def lock(self) -> None:
        self.inhibited = True
        self._tell(f"{REMOTE_DESKTOP}.Session", "Closed", "")

    def unlock(self) -> None:
        self.inhibited = False
        signal = Message.new_signal(
            "/org/gnome/ScreenSaver", SCREEN_SAVER, "ActiveChanged", "b", [False]
        )
        self._bus.send(signal)

    def light(self) -> None:
        """A monitor is there now."""
        self.is_lit = True
        self._tell(DISPLAY_CONFIG, "MonitorsChanged", "")

    def _tell(self, interface: str, member: str, signature: str, *body: Any) -> None:
        path = f"{self._path}/u{self.sessions}"
        self._bus.send(Message.new_signal(path, interface, member, signature, list(body)))

    # What it answers.

    _path = "/org/gnome/Mutter/RemoteDesktop/Session"

    def _on_message(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        self.calls.append((message.interface, message.member, message.body))
        answer = getattr(self, f"_{message.member}", None)
        if answer is None or message.interface == f"{REMOTE_DESKTOP}.Session":
            return Message.new_error(message, f"{ERROR}.UnknownMethod", "no such method")
        result: Message = answer(message)
        return result

    def _CreateSession(self, message: Message) -> Message:
        if self.inhibited:
            return Message.new_error(message, f"{ERROR}.AccessDenied", "Session creation inhibited")
        self.sessions += 1
        return Message.new_method_return(message, "o", [f"{self._path}/u{self.sessions}"])

    def _Enable(self, message: Message) -> Message:
        return Message.new_method_return(message)

    def _SetSelection(self, message: Message) -> Message:
        if mime_types := message.body[0].get("mime-types"):
            self.owner(*mime_types.value, ours=True)
        else:
            self.owner()
        return Message.new_method_return(message)

    def _SelectionRead(self, message: Message) -> Message:
        reading, writing = os.pipe()
        os.write(writing, self.content)
        os.close(writing)
        self._fds.append(reading)
        return Message.new_method_return(message, "h", [0], [reading])

    def _SelectionWrite(self, message: Message) -> Message:
        self._pipe, writing = os.pipe()
        os.set_blocking(self._pipe, False)
        self._fds += [self._pipe, writing]
        self.written = b""
        return Message.new_method_return(message, "h", [0], [writing])

    def _SelectionWriteDone(self, message: Message) -> Message:
        return Message.new_method_return(message)

    def _GetCurrentState(self, message: Message) -> Message:
        modes = [
            [f"{width}x{height}@60", width, height, 60.0, 1.0, [1.0], properties]
            for width, height, properties in (
                (1280, 720, {"is-current": Variant("b", True)}),
                (1024, 768, {}),
            )
        ]
        monitor = ["Virtual-1", "RHT", "QEMU Monitor", "0"]
        shown = [0, 0, 1.0, 0, True, [monitor], {}]
        return Message.new_method_return(
            message,
            "ua((ssss)a(siiddada{sv})a{sv})a(iiduba(ssss)a{sv})a{sv}",
            [1, [[monitor, modes, {}]], [shown] if self.is_lit else [], {}],
        )

    def _Get(self, message: Message) -> Message:
        return Message.new_method_return(message, "v", [Variant("b", self.may_configure)])

    def _ApplyMonitorsConfig(self, message: Message) -> Message:
        return Message.new_method_return(message)
