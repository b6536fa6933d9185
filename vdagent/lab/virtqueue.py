# SPDX-License-Identifier: MIT
"""How do buffers go to a virtio device and come back? (a split virtqueue in guest memory)

    descriptors  n x {u64 address, u32 size, u16 flags, u16 next}
    available    u16 flags, u16 index, n x u16 descriptor             written by us
    used         u16 flags, u16 index, n x {u32 descriptor, u32 size} written by the device

Descriptor i always names buffer i, so a descriptor table is written once and buffers never move.
Indices count for ever modulo 2^16; the place in a ring is the index modulo n.
"""

from __future__ import annotations

from struct import Struct, iter_unpack, pack
from typing import Final, NamedTuple

from .qtest import decode, read, write

_DESCRIPTOR: Final = Struct("<QIHH")  # address, size, flags, next
_DEVICE_WRITES: Final = 2


class GuestMemory:
    """Hands out guest memory above `start`; nothing is ever given back."""

    def __init__(self, start: int) -> None:
        self._next = start

    def allocate(self, size: int, alignment: int = 4096) -> int:
        address = (self._next + alignment - 1) & ~(alignment - 1)
        self._next = address + size
        return address


class Used(NamedTuple):
    """A buffer that the device has given back, with the number of bytes it has written."""

    descriptor: int
    size: int


class Virtqueue:
    """One queue with `count` buffers of `buffer_size` bytes; the methods give qtest commands."""

    def __init__(self, memory: GuestMemory, number: int, count: int, buffer_size: int) -> None:
        self.number = number
        self.count = count
        self.buffer_size = buffer_size
        self.descriptors = memory.allocate(_DESCRIPTOR.size * count)
        self.available = memory.allocate(4 + 2 * count)
        self.used = memory.allocate(4 + 8 * count)
        self.doorbell = 0  # set once the device has said where it wants to be notified
        self._buffers = memory.allocate(count * buffer_size)
        self._available_index = 0
        self._used_index = 0

    def buffer(self, descriptor: int) -> int:
        return self._buffers + descriptor * self.buffer_size

    def clear(self, *, device_writes: bool) -> list[str]:
        """Write all three parts for a queue that has seen no buffer."""
        flags = _DEVICE_WRITES if device_writes else 0
        table = b"".join(
            _DESCRIPTOR.pack(self.buffer(i), self.buffer_size, flags, 0) for i in range(self.count)
        )
        return [
            write(self.descriptors, table),
            write(self.available, bytes(4 + 2 * self.count)),
            write(self.used, bytes(4 + 8 * self.count)),
        ]

    def fill(self, descriptor: int, data: bytes) -> list[str]:
        """Put `data` into a buffer that the device is to read."""
        size_field = self.descriptors + _DESCRIPTOR.size * descriptor + 8
        return [write(self.buffer(descriptor), data), f"writel {size_field:#x} {len(data):#x}"]

    def offer(self, descriptors: list[int]) -> list[str]:
        """Make buffers available to the device, all with one notification."""
        commands = []
        for descriptor in descriptors:
            place = self.available + 4 + 2 * (self._available_index % self.count)
            commands.append(f"writew {place:#x} {descriptor:#x}")
            self._available_index = self._available_index + 1 & 0xFFFF
        commands.append(f"writew {self.available + 2:#x} {self._available_index:#x}")
        commands.append(f"writew {self.doorbell:#x} {self.number:#x}")
        return commands

    def read_used(self) -> str:
        """The command that reads the whole ring of used buffers; for `take_used`."""
        return read(self.used, 4 + 8 * self.count)

    def take_used(self, reply: str) -> list[Used]:
        """The buffers that are new in a reply to `read_used`, in the device's order."""
        ring = decode(reply)
        entries = [Used(*entry) for entry in iter_unpack("<II", ring[4:])]
        index = int.from_bytes(ring[2:4], "little")
        taken = []
        while self._used_index != index:
            taken.append(entries[self._used_index % self.count])
            self._used_index = self._used_index + 1 & 0xFFFF
        return taken

    def addresses(self) -> bytes:
        """queue_desc, queue_driver and queue_device as the common configuration has them."""
        return pack("<QQQ", self.descriptors, self.available, self.used)
