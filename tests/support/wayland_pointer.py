# SPDX-License-Identifier: MIT
"""Where on which output does an absolute pointing device arrive?

Run as `python -m tests.support.wayland_pointer SOCKET`, and spoken to like `wayland_app`. Fills every
output with a window, and moves a pointing device that is not there: wlroots' virtual pointer, which the
compositor maps like a tablet, or KWin's fake input, which takes the place in logical space. There the
mapping is ours: KWin 5.27 and 6 spread a tablet evenly over the workspace.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from pywayland.protocol.wayland import WlCompositor, WlOutput, WlShm
from pywayland.protocol.xdg_output_unstable_v1 import ZxdgOutputManagerV1
from pywayland.protocol.xdg_shell import XdgWmBase
from pywayland.scanner.protocol import Protocol

from tests.support.wayland_app import App

PROTOCOLS = Path(__file__).parent / "protocols"
CORE = dict.fromkeys(("wl_seat", "wl_output", "wl_pointer"), "wayland")


def bindings(xml: str) -> Any:
    """A protocol's bindings, made on the spot."""
    with tempfile.TemporaryDirectory() as directory:
        protocol = Protocol.parse_file(str(PROTOCOLS / xml))
        own = {interface.name: protocol.name for interface in protocol.interface}
        protocol.output(directory, CORE | own)
        module = Path(directory) / f"{protocol.name}.py"
        code = module.read_text().replace("from .wayland ", "from pywayland.protocol.wayland ")
        module.write_text(code)
        sys.path.insert(0, directory)
        return importlib.import_module(protocol.name)


class PointerApp(App):
    """Windows on every output, and a pointing device of its own."""

    def __init__(self, socket: str) -> None:
        virtual = bindings("wlr-virtual-pointer-unstable-v1.xml").ZwlrVirtualPointerManagerV1
        fake = bindings("fake-input.xml").OrgKdeKwinFakeInput
        wanted = (WlCompositor, WlShm, XdgWmBase, WlOutput, ZxdgOutputManagerV1, virtual, fake)
        self.wanted = {interface.name: interface for interface in wanted}
        self.found: dict[str, list[Any]] = {}
        self.keep: list[Any] = []
        self.names: dict[Any, str] = {}
        self.virtual: Any = None
        self.fake: Any = None
        self.pointer: Any = None
        self.at: tuple[str, float, float] | None = None
        super().__init__(socket)
        (self.compositor,) = self.found[WlCompositor.name]
        (self.shm,) = self.found[WlShm.name]
        (self.shell,) = self.found[XdgWmBase.name]
        self.shell.dispatcher["ping"] = lambda shell, serial: shell.pong(serial)
        self.virtual_manager, self.fake_input = virtual.name, fake.name

    def on_global(self, registry: Any, number: int, interface: str, version: int) -> None:
        super().on_global(registry, number, interface, version)
        if interface in self.wanted:
            kind = self.wanted[interface]
            proxy = registry.bind(number, kind, min(version, kind.version))
            self.found.setdefault(interface, []).append(proxy)
            if kind is WlOutput:
                proxy.dispatcher["name"] = lambda output, name: self.names.update({output: name})

    # Commands.

    def show(self, device: bool = True) -> int:
        """Fill every output; how many there are. Without `device` the seat has one already."""
        if device:
            self._make_device()
        for output in self.found[WlOutput.name]:
            self._fill(output)
        for _ in range(5):
            self.display.roundtrip()
        self.pointer = self.seats[0].get_pointer()
        self.pointer.dispatcher["enter"] = lambda p, serial, surface, x, y: self._moved(
            surface.user_data, x, y
        )
        self.pointer.dispatcher["motion"] = lambda p, time, x, y: self._moved(None, x, y)
        self.display.roundtrip()
        return len(self.found[WlOutput.name])

    def _fill(self, output: Any) -> None:
        surface = self.compositor.create_surface()
        surface.user_data = output
        xdg = self.shell.get_xdg_surface(surface)
        toplevel = xdg.get_toplevel()
        toplevel.set_fullscreen(output)
        size = [1, 1]

        def configured(proxy: Any, width: int, height: int, states: Any) -> None:
            size[:] = [width or 1, height or 1]

        toplevel.dispatcher["configure"] = configured
        xdg.dispatcher["configure"] = partial(self._paint, surface, size)
        self.keep += [surface, xdg, toplevel]
        surface.commit()

    def _paint(self, surface: Any, size: list[int], xdg: Any, serial: int) -> None:
        width, height = size
        fd = os.memfd_create("window")
        os.ftruncate(fd, width * height * 4)
        pool = self.shm.create_pool(fd, width * height * 4)
        buffer = pool.create_buffer(0, width, height, width * 4, WlShm.format.xrgb8888)
        os.close(fd)
        self.keep += [pool, buffer]
        xdg.ack_configure(serial)
        surface.attach(buffer, 0, 0)
        surface.damage(0, 0, width, height)
        surface.commit()

    def _moved(self, output: Any, x: float, y: float) -> None:
        if output is not None:
            self.at = (self.names[output], x, y)
        elif self.at is not None:
            self.at = (self.at[0], x, y)

    def where(self) -> tuple[str, float, float] | None:
        """Output and logical position of the pointer."""
        self.display.roundtrip()
        return self.at

    def move(self, x: int, y: int, width: int, height: int) -> tuple[str, float, float] | None:
        """Move to x, y of a device with this range; output and logical position there."""
        if self.virtual is not None:
            self.virtual.motion_absolute(0, x, y, width, height)
            self.virtual.frame()
        else:
            whole = self._size()
            self.fake.pointer_motion_absolute(x * whole[0] / width, y * whole[1] / height)
        for _ in range(3):
            self.display.roundtrip()
        return self.at

    def _make_device(self) -> None:
        if self.virtual_manager in self.found:
            (manager,) = self.found[self.virtual_manager]
            self.virtual = manager.create_virtual_pointer(self.seats[0])
        else:
            (self.fake,) = self.found[self.fake_input]
            self.fake.authenticate("tests", "where does the pointer arrive?")
        self.display.roundtrip()

    def _size(self) -> tuple[int, int]:
        """The logical size of all outputs together."""
        boxes: list[list[int]] = []
        (manager,) = self.found[ZxdgOutputManagerV1.name]
        for output in self.found[WlOutput.name]:
            xdg, box = manager.get_xdg_output(output), [0, 0, 0, 0]
            xdg.dispatcher["logical_position"] = partial(_put, box, 0)
            xdg.dispatcher["logical_size"] = partial(_put, box, 2)
            self.display.roundtrip()
            xdg.destroy()
            boxes.append(box)
        return max(x + w for x, _, w, _ in boxes), max(y + h for _, y, _, h in boxes)


def _put(box: list[int], at: int, proxy: Any, *numbers: int) -> None:
    box[at : at + len(numbers)] = numbers


if __name__ == "__main__":
    app = PointerApp(sys.argv[1])
    try:
        app.run()
    finally:
        app.display.disconnect()
