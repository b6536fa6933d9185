# SPDX-License-Identifier: MIT
"""What may a guest program do with Wayland selections, well-behaved or not?

Run as `python -m tests.support.wayland_app SOCKET`. Reads one JSON command per line and answers each
with one JSON line; meanwhile it serves what it owns. It needs no focus, for it too speaks
data-control: what wl-copy cannot do (several types in one copy, silence, half an answer) it can.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from pywayland.client.display import Display
from pywayland.protocol.ext_data_control_v1 import ExtDataControlManagerV1
from pywayland.protocol.wayland import WlSeat

from tests.support.app_process import Commands
from vdagent.backends.wayland.generated.wlr_data_control_unstable_v1 import ZwlrDataControlManagerV1

MANAGERS = {m.name: m for m in (ZwlrDataControlManagerV1, ExtDataControlManagerV1)}


class Raw(str):
    """Bytes, one a character: pywayland sends text as UTF-8."""

    def encode(self, *_: str) -> bytes:
        return super().encode("latin-1")


class App:
    """One guest program: its connection, and what it owns."""

    def __init__(self, socket: str) -> None:
        self.display = Display(socket)
        self.display.connect()
        self.seats: list[Any] = []
        self.managers: dict[str, Any] = {}
        self.sources: dict[str, Any] = {}
        self.held: list[int] = []
        self.registry = self.display.get_registry()
        self.registry.dispatcher["global"] = self.on_global
        self.display.roundtrip()
        self.manager = self.managers[max(self.managers, key=list(MANAGERS).index)]
        self.devices = [self.manager.get_data_device(seat) for seat in self.seats]
        self.display.roundtrip()

    def on_global(self, registry: Any, number: int, interface: str, version: int) -> None:
        if interface == WlSeat.name:
            self.seats.append(registry.bind(number, WlSeat, 1))
        elif interface in MANAGERS:
            kind = MANAGERS[interface]
            self.managers[interface] = registry.bind(number, kind, min(version, kind.version))

    def run(self) -> None:
        commands = Commands(self)
        while True:
            self.display.flush()
            ready, _, _ = select.select([0, self.display.get_fd()], [], [])
            if self.display.get_fd() in ready:
                self.display.read()
                self.display.dispatch()
            if 0 in ready and not commands.obey():
                return

    # Commands.

    def own(
        self,
        selection: str,
        contents: dict[str, str],
        mute: Sequence[str] = (),
        stall: Sequence[str] = (),
        seat: int = 0,
    ) -> bool:
        """Copy; types in `mute` are never answered, those in `stall` only half."""
        source = self.manager.create_data_source()
        for mime in contents:
            source.offer(mime)

        def send(proxy: Any, mime: str, fd: int) -> None:
            data = contents.get(mime, "").encode("latin-1")
            if mime not in mute:
                os.write(fd, data[: len(data) // 2] if mime in stall else data)
            if mime in mute or mime in stall:
                self.held.append(fd)
            else:
                os.close(fd)

        source.dispatcher["send"] = send
        source.dispatcher["cancelled"] = lambda proxy: proxy.destroy()
        self.sources[selection] = source
        device = self.devices[seat]
        {"CLIPBOARD": device.set_selection, "PRIMARY": device.set_primary_selection}[selection](
            source
        )
        self.display.roundtrip()
        return True

    def own_many(self, selection: str, mime: str, count: int) -> bool:
        """Copy again and again, without ever waiting."""
        for number in range(count):
            source = self.manager.create_data_source()
            source.offer(mime)
            source.dispatcher["send"] = partial(_hand_over, b"copy %d" % number)
            self.sources[f"{selection} {number}"] = source
            self.devices[0].set_selection(source)
            self.display.flush()
        self.display.roundtrip()
        return True

    def own_raw(self, mimes: Sequence[str]) -> bool:
        """Copy under types that may be any bytes."""
        source = self.manager.create_data_source()
        for mime in mimes:
            source.offer(Raw(mime))
        source.dispatcher["send"] = partial(_hand_over, b"raw")
        self.sources["raw"] = source
        self.devices[0].set_selection(source)
        self.display.roundtrip()
        return True

    def holds(self, selection: str) -> bool:
        """Whether somebody offers something there."""
        told: dict[str, Any] = {}
        device = self.manager.get_data_device(self.seats[0])
        offers: list[Any] = []  # pywayland knows only those that are kept
        device.dispatcher["data_offer"] = lambda proxy, offer: offers.append(offer)
        for name, event in {"CLIPBOARD": "selection", "PRIMARY": "primary_selection"}.items():
            device.dispatcher[event] = lambda proxy, offer, name=name: told.update({name: offer})
        self.display.roundtrip()
        device.destroy()
        return told.get(selection) is not None

    def ask_raw(self, mime: str, count: int) -> bool:
        """Paste as a type of any bytes, whether it is offered or not, so many times."""
        selected: list[Any] = []
        device = self.manager.get_data_device(self.seats[0])
        offers: list[Any] = []  # pywayland knows only those that are kept
        device.dispatcher["data_offer"] = lambda proxy, offer: offers.append(offer)
        device.dispatcher["selection"] = lambda proxy, offer: selected.append(offer)
        self.display.roundtrip()
        for _ in range(count):
            reading, writing = os.pipe()
            selected[-1].receive(Raw(mime), writing)
            self.display.flush()
            os.close(writing)
            os.close(reading)
        self.display.roundtrip()
        return True


def _hand_over(data: bytes, source: Any, mime: str, fd: int) -> None:
    os.write(fd, data)
    os.close(fd)


if __name__ == "__main__":
    app = App(sys.argv[1])
    try:
        app.run()
    finally:
        app.display.disconnect()
