# SPDX-License-Identifier: MIT
"""How do bytes pass through one virtio-serial port, and who waits for whom?

Towards the guest the host may fill RX_BUFFERS buffers ahead of us and then has to wait until
receive() is called again. Towards the host send() waits for a free buffer: the device keeps them
while spice-server does not read.
"""

from __future__ import annotations

import asyncio
from typing import Final

from .qtest import Qtest, decode, read
from .virtqueue import GuestMemory, Used, Virtqueue

# QEMU asks for at most 4096 bytes at a time (virtio-serial-bus.c, virtio_serial_guest_ready), and
# spice-server has at most 10 chunks of 2056 bytes under way: 64 buffers never hold it up.
RX_BUFFERS: Final = 64
RX_BUFFER_SIZE: Final = 4096

# As large as the buffers that the kernel's driver sends (virtio_console.c, port_fops_write).
TX_BUFFERS: Final = 16
TX_BUFFER_SIZE: Final = 32 * 1024


class PortData:
    """The two data queues of port `number`."""

    def __init__(self, qtest: Qtest, memory: GuestMemory, number: int) -> None:
        # Port 0 has queues 0 and 1, the control queues are 2 and 3, so port 1 begins at 4.
        first = 2 * number + 2
        self.number = number
        self.rx = Virtqueue(memory, first, RX_BUFFERS, RX_BUFFER_SIZE)
        self.tx = Virtqueue(memory, first + 1, TX_BUFFERS, TX_BUFFER_SIZE)
        self._qtest = qtest
        self._filled: list[Used] = []
        self._free = list(range(TX_BUFFERS))
        self._has_data = asyncio.Event()
        self._has_room = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()

    async def receive(self) -> bytes:
        """The bytes that have come from the host, at least one; their buffers go back to it."""
        while not self._filled:
            self._has_data.clear()
            await self._has_data.wait()
        filled, self._filled = self._filled, []
        commands = [read(self.rx.buffer(used.descriptor), used.size) for used in filled]
        commands += self.rx.offer([used.descriptor for used in filled])
        replies = await self._qtest.run(commands)
        return b"".join(decode(reply) for reply in replies[: len(filled)])

    async def send(self, data: bytes) -> None:
        """Pass `data` to the host; returns when the device has it all in its queue."""
        for offset in range(0, len(data), TX_BUFFER_SIZE):
            while not self._free:
                self._has_room.clear()
                await self._has_room.wait()
            descriptor = self._free.pop()
            self._all_sent.clear()
            part = data[offset : offset + TX_BUFFER_SIZE]
            await self._qtest.run(self.tx.fill(descriptor, part) + self.tx.offer([descriptor]))

    async def drained(self, timeout_s: float) -> None:
        """Wait until the host has taken what was sent, but not longer than `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._all_sent.wait()
        except TimeoutError:
            pass

    async def discard(self) -> None:
        """Forget what the host has sent and nobody has received."""
        if self._filled:
            await self.receive()

    def on_used(self, received: list[Used], sent: list[Used]) -> None:
        """The device has given back these buffers."""
        if received:
            self._filled += received
            self._has_data.set()
        if sent:
            self._free += [used.descriptor for used in sent]
            self._has_room.set()
            if len(self._free) == TX_BUFFERS:
                self._all_sent.set()
