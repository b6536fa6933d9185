# SPDX-License-Identifier: MIT
"""How do wlroots compositors, Hyprland, niri and COSMIC change their outputs?

By `zwlr_output_management_v1`: one configuration names every head, is tested, then applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from ...errors import DesktopError
from .connection import WaylandConnection
from .generated.wlr_output_management_unstable_v1 import ZwlrOutputManagerV1
from .plan import Plan

REFRESH_MHZ = 60000  # niri 25.11 ignores a custom mode without one
TRIES = 4  # of a configuration that something else overtook

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
        self.modes[mode] = (0, 0)

        def size(width: int, height: int) -> None:
            self.modes[mode] = (width, height)

        def finished() -> None:
            self.modes.pop(mode, None)

        self._connection.listen(mode, {"size": size, "finished": finished})


class WlrManagement:
    """The heads of a compositor, and how to configure them."""

    protocol = "zwlr_output_management_v1"

    def __init__(self, connection: WaylandConnection) -> None:
        self._connection = connection
        self._serial = 0
        self._heads: list[_Head] = []
        (manager, *_) = connection.find(ZwlrOutputManagerV1)
        self._manager = connection.bind(manager.number, ZwlrOutputManagerV1)
        connection.listen(
            self._manager, {"head": self._on_head, "done": partial(setattr, self, "_serial")}
        )

    @staticmethod
    def is_there(connection: WaylandConnection) -> bool:
        return bool(connection.find(ZwlrOutputManagerV1))

    def _on_head(self, proxy: Any) -> None:
        head = _Head(self._connection, proxy)
        self._heads.append(head)
        self._connection.listen(proxy, {"finished": partial(self._heads.remove, head)})

    def names(self) -> list[str]:
        return [head.name for head in self._heads]

    def scale_of(self, name: str) -> float:
        return next((head.scale for head in self._heads if head.name == name), 1.0)

    def transform_of(self, name: str) -> int:
        return next((head.transform for head in self._heads if head.name == name), 0)

    async def apply(self, plans: Mapping[str, Plan]) -> None:
        """Switch on exactly the outputs in `plans`. Raises DesktopError if that is refused."""
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

    async def _submit(self, plans: Mapping[str, Plan], request: str) -> str:
        """Hand in one configuration to "test" or to "apply"; what became of it."""
        configuration = self._manager.create_configuration(self._serial)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._connection.listen(
            configuration,
            {event: partial(answer.set_result, event) for event in (SUCCEEDED, FAILED, CANCELLED)},
        )
        for head in self._heads:
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
