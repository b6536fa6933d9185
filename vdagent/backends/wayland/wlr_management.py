# SPDX-License-Identifier: MIT
"""How do wlroots compositors, Hyprland, niri and COSMIC change their outputs?

By `zwlr_output_management_v1`: one configuration names every head, is tested, then applied. Sizes that an
output does not list are custom modes; with sway they take a detour (sway.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from ...errors import DesktopError
from .connection import WaylandConnection
from .generated.wlr_output_management_unstable_v1 import ZwlrOutputManagerV1
from .plan import Plan
from .sway import find_socket, set_custom_modes

log = logging.getLogger("wayland")

REFRESH_MHZ = 60000  # niri 25.11 ignores a custom mode without one
TRIES = 4  # of a configuration that something else overtook

# A custom mode is made by CVT, in cells of 8 pixels. wlroots before 0.16, which brought version 4, forgets
# that its buffers are wider then, and crashes (seen with 0.15; labwc's issue 424).
ANY_WIDTH_SINCE = 4
CELL = 8
NO_SIZE = (0, 0)  # of the mode that a headless output of wlroots 0.15 seems to have

SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"


class _Head:
    """One output, on or off."""

    def __init__(self, connection: WaylandConnection, proxy: Any) -> None:
        self.proxy = proxy
        self.name = ""
        self.scale = 1.0
        self.transform = 0
        self.modes: dict[Any, tuple[int, int]] = {}
        self._connection = connection
        connection.listen(
            proxy,
            {
                "name": partial(setattr, self, "name"),
                "scale": partial(setattr, self, "scale"),
                "transform": partial(setattr, self, "transform"),
                "mode": self._on_mode,
            },
        )

    def _on_mode(self, mode: Any) -> None:
        self.modes[mode] = NO_SIZE

        def size(width: int, height: int) -> None:
            self.modes[mode] = (width, height)

        def finished() -> None:
            self.modes.pop(mode, None)

        self._connection.listen(mode, {"size": size, "finished": finished})

    def lists(self, width: int, height: int) -> bool:
        """Whether a mode of that size can be chosen; outputs without any list take every size."""
        sizes = set(self.modes.values()) - {NO_SIZE}
        return not sizes or (width, height) in sizes


class WlrManagement:
    """The heads of a compositor, and how to configure them."""

    protocol = "zwlr_output_management_v1"

    def __init__(self, connection: WaylandConnection) -> None:
        self._connection = connection
        self._serial = 0
        self._heads: dict[Any, _Head] = {}
        self._sway = find_socket(connection.peer, os.environ)
        (manager, *_) = connection.find(ZwlrOutputManagerV1)
        self._any_width = manager.version >= ANY_WIDTH_SINCE
        self._manager = connection.bind(manager.number, ZwlrOutputManagerV1)
        connection.listen(
            self._manager, {"head": self._on_head, "done": partial(setattr, self, "_serial")}
        )

    @staticmethod
    def is_there(connection: WaylandConnection) -> bool:
        return bool(connection.find(ZwlrOutputManagerV1))

    def _on_head(self, proxy: Any) -> None:
        self._heads[proxy] = _Head(self._connection, proxy)
        self._connection.listen(proxy, {"finished": partial(self._forget, proxy)})

    def _forget(self, proxy: Any) -> None:
        self._heads.pop(proxy, None)

    def names(self) -> list[str]:
        return [head.name for head in self._heads.values()]

    def _head(self, name: str) -> _Head | None:
        return next((head for head in self._heads.values() if head.name == name), None)

    def scale_of(self, name: str) -> float:
        head = self._head(name)
        return head.scale if head is not None else 1.0

    def transform_of(self, name: str) -> int:
        head = self._head(name)
        return head.transform if head is not None else 0

    def nearest(self, name: str, width: int, height: int) -> tuple[int, int]:
        head = self._head(name)
        if head is None or head.lists(width, height) or self._any_width:
            return width, height
        return max(width - width % CELL, CELL), height

    async def apply(self, plans: Mapping[str, Plan]) -> None:
        """Switch on exactly the outputs in `plans`. Raises DesktopError if that is refused."""
        await self._ask_sway(plans)
        for _ in range(TRIES):
            result = await self._submit(plans, "test")
            if result == SUCCEEDED:
                result = await self._submit(plans, "apply")
            if result == SUCCEEDED:
                return
            if result == FAILED:
                break
            await self._connection.roundtrip()  # brings the newer serial
        sizes = ", ".join(f"{p.width}x{p.height} on {name}" for name, p in plans.items())
        raise DesktopError(f"the compositor does not take {sizes}")

    async def _ask_sway(self, plans: Mapping[str, Plan]) -> None:
        """Have sway set the sizes that are not listed; where there is none, the protocol has to do."""
        unlisted = {
            name: (plan.width, plan.height)
            for name, plan in plans.items()
            if (head := self._head(name)) is not None and not head.lists(plan.width, plan.height)
        }
        if self._sway is None or not unlisted:
            return
        try:
            await set_custom_modes(self._sway, unlisted)
        except DesktopError as error:
            log.info("resolution: %s", error)
        await self._connection.roundtrip()

    async def _submit(self, plans: Mapping[str, Plan], request: str) -> str:
        """Hand in one configuration to "test" or to "apply"; what became of it."""
        configuration = self._manager.create_configuration(self._serial)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._connection.listen(
            configuration,
            {event: partial(answer.set_result, event) for event in (SUCCEEDED, FAILED, CANCELLED)},
        )
        for head in self._heads.values():
            if head.name in plans:
                _configure(configuration.enable_head(head.proxy), head, plans[head.name])
            else:
                configuration.disable_head(head.proxy)
        getattr(configuration, request)()
        try:
            await self._connection.wait(answer)
        finally:
            if not configuration.destroyed:
                configuration.destroy()
        return answer.result()


def _configure(head_configuration: Any, head: _Head, plan: Plan) -> None:
    """A listed mode of that size if there is one: with virtio-gpu the host's own is among them."""
    size = plan.width, plan.height
    listed = next((mode for mode, known in head.modes.items() if known == size), None)
    if listed is not None:
        head_configuration.set_mode(listed)
    else:
        head_configuration.set_custom_mode(plan.width, plan.height, REFRESH_MHZ)
    head_configuration.set_position(plan.x, plan.y)
