# SPDX-License-Identifier: MIT
"""How does a guest drive a virtio-serial PCI device? (virtio 1.2, 3.1 and 5.3)

Bring-up, then one task that waits for the device's interrupt, collects the buffers it has given
back, feeds the control conversation (protocol/virtio_console.py) and passes port data on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from struct import Struct, unpack
from typing import Final

from ..errors import HostError
from ..protocol.virtio_console import Event, GuestDriver, Skipped
from .pci import INTERRUPT, enable_virtio
from .port import PortData
from .qtest import Qtest, decode, read
from .virtqueue import GuestMemory, Used, Virtqueue

log = logging.getLogger(__name__)

_CONTROL_RX: Final = 2
_CONTROL_TX: Final = 3
_CONTROL_BUFFERS: Final = 16
_CONTROL_BUFFER_SIZE: Final = 512  # a name of 255 bytes and the header

# Everything below 1 MiB is ROM, video memory and holes on a PC.
_MEMORY_START: Final = 0x100000

# Offsets in the common configuration (virtio 1.2, 4.1.4.3).
_DEVICE_FEATURE_SELECT, _DEVICE_FEATURE = 0, 4
_DRIVER_FEATURE_SELECT, _DRIVER_FEATURE = 8, 12
_DEVICE_STATUS: Final = 20
_QUEUE_SELECT, _QUEUE_SIZE, _QUEUE_ENABLE, _QUEUE_NOTIFY_OFFSET = 22, 24, 28, 30
_QUEUE_ADDRESSES: Final = 32

_ACKNOWLEDGE, _DRIVER, _DRIVER_OK, _FEATURES_OK = 1, 2, 4, 8
_MULTIPORT: Final = 2  # feature bit 1
_VERSION_1: Final = 1  # feature bit 32, bit 0 of the second word

_CONFIGURATION: Final = Struct("<HHI")  # columns, rows, max_nr_ports


class VirtioSerial:
    """The driver of the device in PCI `slot`; `on_event` gets what the control queue says."""

    def __init__(self, qtest: Qtest, on_event: Callable[[Event], None]) -> None:
        self._qtest = qtest
        self._on_event = on_event
        memory = GuestMemory(_MEMORY_START)
        control = _CONTROL_BUFFERS, _CONTROL_BUFFER_SIZE
        self._control_rx = Virtqueue(memory, _CONTROL_RX, *control)
        self._control_tx = Virtqueue(memory, _CONTROL_TX, *control)
        self._control_free = list(range(_CONTROL_BUFFERS))
        self._control_waiting: list[bytes] = []
        self._interrupt = asyncio.Event()
        self.port = PortData(qtest, memory, 1)
        self.driver = GuestDriver(max_ports=0)

    async def start(self, slot: int) -> None:
        """Bring the device up and ask it for its ports; `serve` has to run from now on."""
        self._qtest.on_interrupt = self._interrupted
        self._registers = await enable_virtio(self._qtest, slot)
        await self._negotiate()
        for queue in (self._control_rx, self._control_tx, self.port.rx, self.port.tx):
            await self._set_up(queue)
        await self._set_status(_ACKNOWLEDGE | _DRIVER | _FEATURES_OK | _DRIVER_OK)
        for queue in (self._control_rx, self.port.rx):
            await self._qtest.run(queue.offer(list(range(queue.count))))
        configuration = decode((await self._qtest.run([read(self._registers.device, 8)]))[0])
        self.driver = GuestDriver(_CONFIGURATION.unpack(configuration)[2])
        self.driver.start()
        await self.flush_control()

    async def serve(self) -> None:
        """Handle interrupts until cancelled."""
        queues = (self._control_rx, self._control_tx, self.port.rx, self.port.tx)
        # Reading the status lowers the interrupt line, so it comes before the rings: what the
        # device uses after that raises the line again.
        commands = [f"readb {self._registers.interrupt_status:#x}"]
        commands += [queue.read_used() for queue in queues]
        while True:
            await self._interrupt.wait()
            self._interrupt.clear()
            _, *replies = await self._qtest.run(commands)
            taken = [queue.take_used(reply) for queue, reply in zip(queues, replies, strict=True)]
            received, sent, port_received, port_sent = taken
            self.port.on_used(port_received, port_sent)
            self._control_free += [used.descriptor for used in sent]
            if received:
                await self._handle_control(received)
            await self.flush_control()

    async def flush_control(self) -> None:
        """Send what the control conversation wants sent, as far as there are free buffers."""
        self._control_waiting += self.driver.data_to_send()
        while self._control_waiting and self._control_free:
            descriptor = self._control_free.pop()
            commands = self._control_tx.fill(descriptor, self._control_waiting.pop(0))
            await self._qtest.run(commands + self._control_tx.offer([descriptor]))

    async def _handle_control(self, received: list[Used]) -> None:
        rx = self._control_rx
        commands = [read(rx.buffer(used.descriptor), used.size) for used in received]
        commands += rx.offer([used.descriptor for used in received])
        replies = await self._qtest.run(commands)
        for reply in replies[: len(received)]:
            for event in self.driver.receive(decode(reply)):
                if isinstance(event, Skipped):
                    log.warning("host: control message skipped: %s", event.reason)
                self._on_event(event)

    def _interrupted(self, line: int) -> None:
        if line == INTERRUPT:
            self._interrupt.set()

    async def _negotiate(self) -> None:
        common = self._registers.common
        await self._set_status(0)
        await self._set_status(_ACKNOWLEDGE)
        await self._set_status(_ACKNOWLEDGE | _DRIVER)
        await self._qtest.run([f"writel {common + _DEVICE_FEATURE_SELECT:#x} 0"])
        offered = await self._qtest.get(f"readl {common + _DEVICE_FEATURE:#x}")
        if not offered & _MULTIPORT:
            raise HostError("QEMU's virtio-serial device has no ports (VIRTIO_CONSOLE_F_MULTIPORT)")
        for word, features in enumerate((_MULTIPORT, _VERSION_1)):
            select = f"writel {common + _DRIVER_FEATURE_SELECT:#x} {word}"
            await self._qtest.run([select, f"writel {common + _DRIVER_FEATURE:#x} {features:#x}"])
        await self._set_status(_ACKNOWLEDGE | _DRIVER | _FEATURES_OK)
        if not await self._qtest.get(f"readb {common + _DEVICE_STATUS:#x}") & _FEATURES_OK:
            raise HostError("QEMU's virtio-serial device refuses our features")

    async def _set_status(self, status: int) -> None:
        await self._qtest.run([f"writeb {self._registers.common + _DEVICE_STATUS:#x} {status:#x}"])

    async def _set_up(self, queue: Virtqueue) -> None:
        common = self._registers.common
        await self._qtest.run([f"writew {common + _QUEUE_SELECT:#x} {queue.number:#x}"])
        largest = await self._qtest.get(f"readw {common + _QUEUE_SIZE:#x}")
        if largest < queue.count:
            raise HostError(f"queue {queue.number} of QEMU takes {largest} buffers")
        offset = await self._qtest.get(f"readw {common + _QUEUE_NOTIFY_OFFSET:#x}")
        queue.doorbell = self._registers.notify + offset * self._registers.notify_multiplier
        device_writes = queue in (self._control_rx, self.port.rx)
        places = unpack("<6I", queue.addresses())
        await self._qtest.run(
            [
                *queue.clear(device_writes=device_writes),
                f"writew {common + _QUEUE_SIZE:#x} {queue.count:#x}",
                *(
                    f"writel {common + _QUEUE_ADDRESSES + 4 * i:#x} {place:#x}"
                    for i, place in enumerate(places)
                ),
                f"writew {common + _QUEUE_ENABLE:#x} 1",
            ]
        )
