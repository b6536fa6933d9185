# SPDX-License-Identifier: MIT
"""Where does each output show the desktop, in whose pixels?

Read from `wl_output` and `xdg_output`, which every compositor has and which tell of changes. Output
management is not asked: sway 1.7 calls an output with a custom mode switched off.
Pixels and spaces: see `backends/logical.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from pywayland.protocol.wayland import WlOutput
from pywayland.protocol.xdg_output_unstable_v1 import ZxdgOutputManagerV1

from ...errors import DesktopError
from ..base import Rect
from ..logical import Shown
from .connection import Global, WaylandConnection

SETTLE_S = 2.0
CURRENT = 1  # wl_output.mode flag


class _WlOutput:
    """One wl_output and what has been said of it."""

    def __init__(self, connection: WaylandConnection, number: int) -> None:
        self.proxy = connection.bind(number, WlOutput)
        self.xdg: Any = None
        self.complete = False
        self.name = f"output-{number}"
        self.mode = (0, 0)
        self.transform = 0
        self.scale = 1
        self.position = (0, 0)
        self.logical_position: tuple[int, int] | None = None
        self.logical_size: tuple[int, int] | None = None

    def on_geometry(self, x: int, y: int, *rest: Any) -> None:
        self.position = x, y
        self.transform = rest[-1]

    def on_mode(self, flags: int, width: int, height: int, refresh: int) -> None:
        if flags & CURRENT:
            self.mode = width, height

    def on_scale(self, scale: int) -> None:
        self.scale = max(scale, 1)

    def shown(self) -> Shown:
        width, height = self.mode[::-1] if self.transform & 1 else self.mode
        size = self.logical_size or (width // self.scale, height // self.scale)
        place = self.logical_position or self.position
        return Shown(self.name, width, height, Rect(*size, *place), self.transform)


class Outputs:
    """The outputs of a desktop that are on; `changed` is called when one of them is different."""

    def __init__(self, connection: WaylandConnection, changed: Callable[[], None]) -> None:
        self._connection = connection
        self._changed = changed
        self._outputs: dict[int, _WlOutput] = {}
        managers = connection.find(ZxdgOutputManagerV1)
        self._xdg: Any = None
        if managers:
            self._xdg = connection.bind(managers[0].number, ZxdgOutputManagerV1)
        for present in connection.find(WlOutput):
            self._add(present)
        connection.on_global.append(self._add)
        connection.on_global_removed.append(self._remove)

    def _add(self, new: Global) -> None:
        if new.interface != WlOutput.name:
            return
        output = self._outputs[new.number] = _WlOutput(self._connection, new.number)
        self._connection.listen(
            output.proxy,
            {
                "geometry": output.on_geometry,
                "mode": output.on_mode,
                "scale": output.on_scale,
                "name": partial(setattr, output, "name"),
                "done": partial(self._done, output),
            },
        )
        if self._xdg is not None:
            output.xdg = self._xdg.get_xdg_output(output.proxy)
            self._connection.listen(
                output.xdg,
                {
                    "logical_position": lambda x, y: setattr(output, "logical_position", (x, y)),
                    "logical_size": lambda w, h: setattr(output, "logical_size", (w, h)),
                    "name": partial(setattr, output, "name"),
                    "done": partial(self._done, output),
                },
            )
        self._connection.flush()

    def _remove(self, old: Global) -> None:
        if (output := self._outputs.pop(old.number, None)) is not None:
            if output.xdg is not None:
                output.xdg.destroy()
            if old.version >= 3:
                output.proxy.release()
            self._changed()

    def _done(self, output: _WlOutput) -> None:
        output.complete = True
        self._changed()

    async def settle(self) -> None:
        """Wait until every output has been described."""
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._connection.roundtrip()
                while not all(output.complete for output in self._outputs.values()):
                    await self._connection.roundtrip()
        except TimeoutError:
            raise DesktopError("the compositor does not describe its outputs") from None

    def shown(self) -> list[Shown]:
        """What is on now."""
        shown = [output.shown() for output in self._outputs.values() if output.complete]
        return [output for output in shown if output.width and output.height]
