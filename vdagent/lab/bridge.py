# SPDX-License-Identifier: MIT
"""How does a daemon reach the lab's agent port? By a UNIX socket that behaves like the device node.

    daemon connects            PORT_OPEN 1
    daemon leaves              PORT_OPEN 0
    host hangs up, or does     PORT_OPEN 0, and the daemon's connection is closed
    not open its side
    port unplugged             the socket is gone until the port is back

As with the device node only one can have it open: another connection is closed at once. And as
with the kernel's driver nothing is taken from the daemon before the host has opened its side.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from ..errors import HostError, ProtocolError, SystemFault
from ..protocol.virtio_console import (
    Event,
    HostClosed,
    HostOpened,
    PortNamed,
    PortRemoved,
)
from .port import TX_BUFFER_SIZE
from .virtio_serial import VirtioSerial

log = logging.getLogger(__name__)

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# What a daemon has written before it left may still be in the queue; a host that does not read
# does not keep the port open for longer than this.
_LINGER_S: Final = 1.0

# The kernel's port shows a missing host as a hang-up (POLLHUP, read 0), a socket by its end.
_OPEN_S: Final = 1.0

# spicevmc answers PORT_OPEN 0 within a millisecond, qemu-vdagent never.
_ANSWER_S: Final = 0.1


class Bridge:
    """Offers the port called `name` at the UNIX socket `path` for as long as the port exists."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._number: int | None = None
        self._server: asyncio.Server | None = None
        self._connection: asyncio.Task[None] | None = None
        self._closing = False
        self._host_open = asyncio.Event()
        self._host_closed = asyncio.Event()
        self._offer_changed = asyncio.Event()
        self.ready = asyncio.Event()

    def on_event(self, event: Event) -> None:
        """What the control conversation says; to be given to VirtioSerial."""
        match event:
            case PortNamed(number, name) if name == self._name:
                self._number = number
                self._offer_changed.set()
            case PortRemoved(number) if number == self._number:
                self._number = None
                self._host_has(False)
                self._offer_changed.set()
            case HostOpened(number) if number == self._number:
                self._host_has(True)
            case HostClosed(number) if number == self._number:
                self._host_has(False)

    def _host_has(self, is_open: bool) -> None:
        states = self._host_open, self._host_closed
        now, before = states if is_open else reversed(states)
        now.set()
        before.clear()

    async def serve(self, device: VirtioSerial) -> None:
        """Offer the port while it is plugged in, until cancelled."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connected(device, reader, writer)

        try:
            while True:
                await self._offer_changed.wait()
                self._offer_changed.clear()
                if self._number is None:
                    await self._withdraw()
                elif self._server is None:
                    self._server = await self._listen(connected)
                    self.ready.set()
        finally:
            await self._withdraw()

    async def _listen(self, connected: Connected) -> asyncio.Server:
        """A socket where another lab's may have been, and nothing else."""
        try:
            if self._path.exists() and not self._path.is_socket():
                raise SystemFault(f"{self._path} is there and is no socket", "give another --port")
            self._path.unlink(missing_ok=True)
            server = await asyncio.start_unix_server(connected, self._path)
            os.chmod(self._path, 0o600)
        except OSError as error:
            raise SystemFault(f"no port at {self._path}: {error.strerror or error}") from None
        return server

    async def _withdraw(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        if self._connection is not None:
            self._connection.cancel()
            await asyncio.wait([self._connection], timeout=_LINGER_S)

    async def _connected(
        self, device: VirtioSerial, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._connection is not None and self._closing:
            await asyncio.wait([self._connection])
        if self._connection is not None:
            log.warning("port: busy, a second connection was refused")
            writer.close()
            return
        self._connection = asyncio.current_task()
        self._closing = False
        try:
            await self._carry(device, reader, writer)
        except asyncio.CancelledError:
            pass  # the port is withdrawn; the server's own bookkeeping must not see it
        except (OSError, HostError, ProtocolError) as error:
            log.info("port: %s", error)
        finally:
            if writer.is_closing():
                writer.transport.abort()
            else:
                writer.close()
            self._connection = None

    async def _carry(
        self, device: VirtioSerial, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One open of the port, from PORT_OPEN 1 to PORT_OPEN 0 and the host's answer to it."""
        if (number := self._number) is None:
            return
        await device.port.discard()
        device.driver.open_port(number)
        await device.flush_control()
        log.info("port: opened by a daemon")
        carriers = [
            asyncio.ensure_future(self._to_host(device, reader)),
            asyncio.ensure_future(self._to_daemon(device, writer)),
            asyncio.ensure_future(self._until_host_hangs_up()),
        ]
        try:
            await asyncio.wait(carriers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._closing = True
            for carrier in carriers:
                carrier.cancel()
            await asyncio.gather(*carriers, return_exceptions=True)
            await self._close_port(device, number)

    async def _close_port(self, device: VirtioSerial, number: int) -> None:
        if number not in device.driver.ports:
            return
        if self._host_open.is_set():
            await device.port.drained(_LINGER_S)
        device.driver.close_port(number)
        await device.flush_control()
        log.info("port: closed")
        if self._host_open.is_set():
            # Its answer must not be taken for a hang-up of the next connection.
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._host_closed.wait()
            except TimeoutError:
                pass

    async def _until_host_hangs_up(self) -> None:
        try:
            async with asyncio.timeout(_OPEN_S):
                await self._host_open.wait()
        except TimeoutError:
            log.info("port: no host listens")
            return
        await self._host_closed.wait()
        log.info("port: the host has hung up")

    async def _to_host(self, device: VirtioSerial, reader: asyncio.StreamReader) -> None:
        await self._host_open.wait()
        while data := await reader.read(TX_BUFFER_SIZE):
            await device.port.send(data)

    async def _to_daemon(self, device: VirtioSerial, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await device.port.receive())
            await writer.drain()
