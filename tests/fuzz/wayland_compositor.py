# SPDX-License-Identifier: MIT
"""What does the Wayland backend make of any events in any order, as far as libwayland lets them through?

The compositor is played here: objects of the real interfaces whose requests do nothing, and whose events
come as the input says, with arguments of the types that the protocol gives them.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any

from pywayland.protocol.ext_data_control_v1 import ExtDataControlManagerV1
from pywayland.protocol.wayland import WlOutput, WlSeat
from pywayland.protocol.xdg_output_unstable_v1 import ZxdgOutputManagerV1
from pywayland.scanner.argument import ArgumentType

from tests.fuzz.loop import play
from tests.fuzz.wires import check
from vdagent.backends.base import Buffer, Format, Patience, Rect, Selection
from vdagent.backends.wayland.clipboard import WaylandClipboard
from vdagent.backends.wayland.connection import Global, Peer
from vdagent.backends.wayland.display import WaylandDisplay
from vdagent.backends.wayland.generated.kde_output_device_v2 import KdeOutputDeviceV2
from vdagent.backends.wayland.generated.kde_output_management_v2 import KdeOutputManagementV2
from vdagent.backends.wayland.generated.wlr_output_management_unstable_v1 import ZwlrOutputManagerV1
from vdagent.backends.wayland.seat import MAX_INTRODUCED, MAX_TYPES
from vdagent.errors import DesktopError
from vdagent.handlers.displays import Displays, describe
from vdagent.protocol import udscs

WLR = (ExtDataControlManagerV1, WlSeat, WlOutput, ZxdgOutputManagerV1, ZwlrOutputManagerV1)
KDE = (ExtDataControlManagerV1, WlSeat, WlOutput, KdeOutputManagementV2, KdeOutputDeviceV2)
TEXTS = ("text/plain", "image/png", "x-kde-passwordManagerHint", "application/x-nobody", "DP-1", "")


class Input:
    """The bytes, taken in pieces; zeros when there are no more."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def byte(self) -> int:
        first, self.data = self.data[:1] or b"\0", self.data[1:]
        return first[0]

    def word(self, layout: str) -> int:
        first, self.data = self.data[:4].ljust(4, b"\0"), self.data[4:]
        small = first[3] % 4  # most numbers of a desktop are small
        number: int = struct.unpack(layout, first)[0]
        return number if not small else number % 5000 if small == 1 else small


class Proxy:
    """An object of the compositor's, as a client of it sees it."""

    def __init__(self, compositor: Compositor, interface: Any) -> None:
        self.interface, self.compositor = interface, compositor
        self.callbacks: dict[str, Callable[..., None]] = {}
        self.destroyed = False
        compositor.proxies.append(self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        requests = {request.name: request for request in self.interface.requests}
        if name not in requests:
            raise AttributeError(f"{self.interface.name} has no request {name}")
        if self.destroyed:
            raise RuntimeError("it was destroyed before")  # as pywayland says

        def request(*arguments: Any) -> Proxy | None:
            if name in ("destroy", "release"):
                self.destroyed = True
            for argument in requests[name].arguments:
                if argument.argument_type is ArgumentType.NewId:
                    return Proxy(self.compositor, argument.interface)
            return None

        return request


class Compositor:
    """As much of a WaylandConnection as the backend needs."""

    def __init__(self, interfaces: tuple[Any, ...], said: Input) -> None:
        self.said = said
        self.peer = Peer(0, 0)  # no sway's, and no process's
        self.on_global: list[Callable[[Global], None]] = []
        self.on_global_removed: list[Callable[[Global], None]] = []
        self.interfaces = {interface.name: interface for interface in interfaces}
        self.globals = {
            number: Global(number, interface.name, interface.version)
            for number, interface in enumerate(interfaces)
        }
        self.proxies: list[Proxy] = []
        self.fences: list[Callable[[], None]] = []

    def find(self, interface: Any) -> list[Global]:
        return [g for g in self.globals.values() if g.interface == interface.name]

    def bind(self, number: int, interface: Any, version: int | None = None) -> Proxy:
        return Proxy(self, interface)

    def listen(self, proxy: Proxy, callbacks: Mapping[str, Callable[..., None]]) -> None:
        known = {event.name for event in proxy.interface.events}
        check(set(callbacks) <= known, f"{proxy.interface.name} has no {set(callbacks) - known}")
        proxy.callbacks.update(callbacks)

    def fence(self, reached: Callable[[], None]) -> None:
        self.fences.append(reached)

    def flush(self) -> None:
        pass

    async def roundtrip(self) -> None:
        if not self.said.data:
            raise DesktopError("it has nothing to say any more")
        await asyncio.sleep(0)
        self.happens()
        fences, self.fences = self.fences, []
        for reached in fences:
            reached()

    async def wait(self, answer: Any, timeout_s: float = 0) -> None:
        raise DesktopError("no answer")

    def happens(self) -> None:
        """One event."""
        said = self.said
        listening = [p for p in self.proxies if p.callbacks and not p.destroyed]
        if not listening:
            return
        proxy = listening[said.byte() % len(listening)]
        events = [event for event in proxy.interface.events if event.name in proxy.callbacks]
        event = events[said.byte() % len(events)]
        arguments = [self.argument(said, argument) for argument in event.arguments]
        proxy.callbacks[event.name](*arguments)

    def argument(self, said: Input, argument: Any) -> Any:
        kind = argument.argument_type
        if kind is ArgumentType.NewId:
            return Proxy(self, argument.interface)
        if kind is ArgumentType.Object:
            there = [p for p in self.proxies if p.interface is argument.interface]
            choice = said.byte()
            found = there[choice % len(there)] if there and choice else None
            return found if found or argument.nullable else Proxy(self, argument.interface)
        if kind is ArgumentType.FileDescriptor:
            return os.open(os.devnull, os.O_WRONLY)
        if kind is ArgumentType.String:
            choice = said.byte()
            return TEXTS[choice % len(TEXTS)] if choice < 250 else "\ufffd" * choice
        if kind is ArgumentType.Fixed:
            return said.word("<i") / 256
        return said.word("<I" if kind is ArgumentType.Uint else "<i")

    def comes_or_goes(self) -> None:
        """A seat or an output."""
        said = self.said
        interface = (WlSeat, WlOutput, KdeOutputDeviceV2)[said.byte() % 3]
        number = said.byte() % 20
        if (old := self.globals.get(number)) is not None and old.interface != interface.name:
            return
        if old is None and interface.name in self.interfaces:
            new = self.globals[number] = Global(number, interface.name, interface.version)
            for told in self.on_global:
                told(new)
        elif old is not None:
            del self.globals[number]
            for told in self.on_global_removed:
                told(old)


class Listener:
    """Hears of owners and layouts."""

    def on_owner_changed(self, selection: Selection, formats: Any, secret: bool = False) -> None:
        check(len(set(formats)) == len(formats), "a format twice")

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        return b""

    def on_layout_changed(self) -> None:
        pass


class Desktop:
    """Both halves of the backend on one compositor."""

    def __init__(self, data: bytes) -> None:
        self.said = Input(data[1:])
        self.compositor = Compositor(KDE if data[:1] > b"\x7f" else WLR, self.said)
        self.clipboard = WaylandClipboard(Listener(), Patience(0.01, 0.01, 1 << 16))
        self.display = WaylandDisplay(Listener())
        self.steps: list[Callable[[], Any]] = [
            self.compositor.roundtrip,
            self.copies,
            self.pastes,
            self.reports,
            self.resizes,
        ]

    async def play(self) -> None:
        connection: Any = self.compositor
        try:
            await self.clipboard.bind(connection)
            await self.display.bind(connection)
            self.clipboard.deliver()
            self.display.deliver()
            while self.said.data:
                choice = self.said.byte() % (len(self.steps) + 8)
                if choice < len(self.steps):
                    await self.steps[choice]()
                elif choice == len(self.steps):
                    self.compositor.comes_or_goes()
                else:
                    self.compositor.happens()
                self.bounded()
        except DesktopError:
            pass  # the compositor has gone
        finally:
            await self.clipboard.close()
            await self.display.close()

    def bounded(self) -> None:
        for seat in self.clipboard._seats.values():
            check(len(seat._introduced) <= MAX_INTRODUCED, "offers without end")
            for offer in (*seat._introduced.values(), *seat._offers.values()):
                check(len(offer.mime_types) <= MAX_TYPES, "types without end")

    async def copies(self) -> None:
        """The viewer did, or has nothing any more."""
        selection = Selection(self.said.byte() % 2)
        formats = [fmt for bit, fmt in enumerate(Format) if self.said.byte() >> bit & 1]
        if formats:
            self.clipboard.offer(selection, formats)
        else:
            self.clipboard.release(selection)

    async def pastes(self) -> None:
        try:
            await self.clipboard.read(Selection(self.said.byte() % 2), Format.TEXT)
        except DesktopError:
            pass

    async def reports(self) -> None:
        """What the daemon is told of the layout, which has to fit its wire."""
        try:
            report = describe(await self.display.layout(), Displays(lambda *_: None))
        except DesktopError:
            return
        check(b"".join(udscs.encode(report)), "no report")

    async def resizes(self) -> None:
        try:
            names = [output.name for output in (await self.display.layout()).outputs]
            sizes = [Rect(100 + self.said.byte(), 100 + self.said.byte()) for _ in names]
            await self.display.apply(dict(zip(names, sizes, strict=True)))
        except DesktopError:
            pass


def wayland_events(data: bytes) -> None:
    """A compositor and its programs say anything; we copy, paste, report and resize meanwhile."""
    play(Desktop(data).play())
