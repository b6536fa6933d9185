# SPDX-License-Identifier: MIT
"""How does KWin change its outputs?

By `kde_output_management_v2`. Up to version 17 an output has the modes it has: the largest one that
fits is taken. From 18 on a client may add modes of its own, which is a change of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ...errors import DesktopError
from .connection import Global, WaylandConnection
from .generated.kde_output_device_v2 import KdeOutputDeviceRegistryV2, KdeOutputDeviceV2
from .generated.kde_output_management_v2 import KdeOutputManagementV2
from .plan import Plan

REFRESH_MHZ = 60000
CUSTOM_MODES_SINCE = 18
CUSTOM_MODES = KdeOutputDeviceV2.capability.custom_modes


class _Device:
    """One output, on or off."""

    def __init__(self, connection: WaylandConnection, proxy: Any) -> None:
        self.proxy = proxy
        self.name = ""
        self.scale = 1.0
        self.transform = 0
        self.capabilities = 0
        self.current: Any = None
        self.modes: dict[Any, tuple[int, int]] = {}
        self._connection = connection
        connection.listen(
            proxy,
            {
                "geometry": self._on_geometry,
                "name": partial(setattr, self, "name"),
                "scale": partial(setattr, self, "scale"),
                "capabilities": partial(setattr, self, "capabilities"),
                "mode": self._on_mode,
                "current_mode": partial(setattr, self, "current"),
            },
        )

    def _on_geometry(self, *geometry: Any) -> None:
        self.transform = geometry[-1]

    def _on_mode(self, mode: Any) -> None:
        self.modes[mode] = (0, 0)

        def size(width: int, height: int) -> None:
            self.modes[mode] = (width, height)

        def removed() -> None:
            self.modes.pop(mode, None)

        self._connection.listen(mode, {"size": size, "removed": removed})

    def mode_for(self, width: int, height: int) -> Any:
        """The mode of that size, the present one if possible, else the largest one that fits."""
        candidates = [*([self.current] if self.current in self.modes else []), *self.modes]
        for mode in candidates:
            if self.modes[mode] == (width, height):
                return mode
        fitting = {
            mode: size[0] * size[1]
            for mode, size in self.modes.items()
            if 0 < size[0] <= width and 0 < size[1] <= height
        }
        return max(fitting, key=fitting.__getitem__, default=None)

    def has(self, plan: Plan) -> bool:
        return (plan.width, plan.height) in self.modes.values()


class KdeManagement:
    """KWin's output devices, and how to configure them."""

    protocol = "kde_output_management_v2"

    def __init__(self, connection: WaylandConnection) -> None:
        self._connection = connection
        self._devices: dict[Any, _Device] = {}
        (management, *_) = connection.find(KdeOutputManagementV2)
        self._version = min(management.version, KdeOutputManagementV2.version)
        self._management = connection.bind(management.number, KdeOutputManagementV2)
        self._registry: Any = None
        registries = connection.find(KdeOutputDeviceRegistryV2)
        if registries:
            self._registry = connection.bind(registries[0].number, KdeOutputDeviceRegistryV2)
            connection.listen(self._registry, {"output": self._on_output})
            return
        for device in connection.find(KdeOutputDeviceV2):
            self._add(device)
        connection.on_global.append(self._add)
        connection.on_global_removed.append(lambda old: self._forget(old.number))

    @staticmethod
    def is_there(connection: WaylandConnection) -> bool:
        return bool(connection.find(KdeOutputManagementV2))

    def _add(self, new: Global) -> None:
        if new.interface == KdeOutputDeviceV2.name:
            proxy = self._connection.bind(new.number, KdeOutputDeviceV2)
            self._devices[new.number] = _Device(self._connection, proxy)

    def _on_output(self, proxy: Any) -> None:
        self._devices[proxy] = _Device(self._connection, proxy)
        self._connection.listen(proxy, {"removed": partial(self._forget, proxy)})

    def _forget(self, key: Any) -> None:
        self._devices.pop(key, None)

    def _named(self) -> dict[str, _Device]:
        return {device.name: device for device in self._devices.values() if device.name}

    def names(self) -> list[str]:
        return list(self._named())

    def scale_of(self, name: str) -> float:
        return self._named()[name].scale

    def transform_of(self, name: str) -> int:
        return self._named()[name].transform

    def nearest(self, name: str, width: int, height: int) -> tuple[int, int]:
        device = self._named()[name]
        mode = None if self._can_add(device) else device.mode_for(width, height)
        return (width, height) if mode is None else device.modes[mode]

    async def apply(self, plans: Mapping[str, Plan]) -> None:
        """Switch on exactly the outputs in `plans`. Raises DesktopError if that is refused."""
        await self._add_modes(plans)
        devices = self._named()
        modes = {name: devices[name].mode_for(p.width, p.height) for name, p in plans.items()}
        for name, mode in modes.items():
            if mode is None:
                plan, listed = plans[name], ", ".join(_sizes(devices[name]))
                raise DesktopError(
                    f"{name} has no mode within {plan.width}x{plan.height}: {listed}"
                )

        def configure(configuration: Any) -> None:
            for name, device in devices.items():
                configuration.enable(device.proxy, int(name in plans))
                if name in plans:
                    configuration.mode(device.proxy, modes[name])
                    configuration.position(device.proxy, plans[name].x, plans[name].y)

        await self._submit(configure)

    async def _add_modes(self, plans: Mapping[str, Plan]) -> None:
        """Have KWin know the sizes that it does not list; where that fails others are taken."""
        missing = {
            device: plans[name]
            for name, device in self._named().items()
            if name in plans and not device.has(plans[name]) and self._can_add(device)
        }
        if not missing:
            return
        lists = []

        def configure(configuration: Any) -> None:
            for device, plan in missing.items():
                modes = self._management.create_mode_list()
                modes.set_resolution(plan.width, plan.height)
                modes.set_refresh_rate(REFRESH_MHZ)
                modes.set_reduced_blanking(1)
                modes.add_mode()
                configuration.set_custom_modes(device.proxy, modes)
                lists.append(modes)

        try:
            await self._submit(configure)
            await self._connection.roundtrip()
        finally:
            for modes in lists:
                modes.destroy()

    def _can_add(self, device: _Device) -> bool:
        return self._version >= CUSTOM_MODES_SINCE and bool(device.capabilities & CUSTOM_MODES)

    async def _submit(self, configure: Callable[[Any], None]) -> None:
        configuration = self._management.create_configuration()
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        reasons: list[str] = []
        self._connection.listen(
            configuration,
            {
                "applied": partial(answer.set_result, "applied"),
                "failed": partial(answer.set_result, "failed"),
                "failure_reason": reasons.append,
            },
        )
        configure(configuration)
        configuration.apply()
        try:
            await self._connection.wait(answer)
        finally:
            if not configuration.destroyed:
                configuration.destroy()
        if answer.result() == "failed":
            raise DesktopError(
                f"KWin refused the layout: {', '.join(reasons) or 'no reason given'}"
            )


def _sizes(device: _Device) -> list[str]:
    return [f"{width}x{height}" for width, height in device.modes.values()]
