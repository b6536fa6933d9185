# SPDX-License-Identifier: MIT
"""How do the lab's parts make one host? `async with Lab(LabOptions()) as lab: lab.port, lab.uri`"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from ..errors import HostError
from ..options import PORT_NAME
from . import qemu, qmp
from .bridge import Bridge
from .qemu import LabOptions, Paths, Qemu
from .virtio_serial import VirtioSerial

_READY_TIMEOUT_S: Final = 10.0


class Lab:
    """One QEMU with its agent port at `port` and its viewer's address at `uri`."""

    def __init__(self, options: LabOptions) -> None:
        self.options = options
        self.paths = Paths(Path(tempfile.mkdtemp(prefix="vdagent-lab-")))
        self.port = options.port or self.paths.port
        self.uri = ""
        self._qemu: Qemu | None = None
        self._tasks: list[asyncio.Future[Any]] = []

    async def __aenter__(self) -> Lab:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _start(self) -> None:
        self.uri = qemu.uri(self.options, self.paths)
        self._qemu = await Qemu.start(self.options, self.paths)
        bridge = Bridge(self.port, PORT_NAME)
        device = VirtioSerial(self._qemu.qtest, bridge.on_event)
        try:
            await device.start(qemu.PORT_SLOT)
        except HostError as error:
            raise await self._qemu.ended() or error from error
        self._tasks = [
            asyncio.ensure_future(device.serve()),
            asyncio.ensure_future(bridge.serve(device)),
            asyncio.ensure_future(self._qemu.run()),
        ]
        ready = asyncio.ensure_future(bridge.ready.wait())
        await asyncio.wait(
            (ready, *self._tasks), timeout=_READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        if not ready.done():
            ready.cancel()
            raise self._ended() or HostError(f"QEMU does not offer a port {PORT_NAME}")

    async def wait(self) -> None:
        """Returns never: raises HostError when QEMU ends or breaks."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        raise self._ended() or HostError("the lab has ended")

    def _ended(self) -> BaseException | None:
        """Why a part of the lab is not running any more."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                return error
        return None

    async def qmp(self, command: str, **arguments: Any) -> Any:
        """Run a QMP command, for example qmp("chardev-change", id="vdagent", backend={...})."""
        return await qmp.execute(self.paths.qmp, command, **arguments)

    async def close(self) -> None:
        """End everything and remove the lab's files."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._qemu is not None:
            await self._qemu.stop()
        shutil.rmtree(self.paths.directory, ignore_errors=True)
