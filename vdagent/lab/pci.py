# SPDX-License-Identifier: MIT
"""How does a guest without a BIOS find a virtio PCI device, place it and get its interrupt?

Configuration space is reached as on any PC: the address goes to port 0xcf8, the data is at 0xcfc.
A modern virtio device says in vendor capabilities where its register blocks are: which BAR, at
which offset.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..errors import HostError
from .qtest import Qtest

VIRTIO_SERIAL_ID: Final = 0x10431AF4  # device 0x1040 + 3 (console), vendor Red Hat

_COMMAND: Final = 0x04
_BARS: Final = 0x10
_CAPABILITIES: Final = 0x34
_MEMORY_AND_BUS_MASTER: Final = 6
_VENDOR_CAPABILITY: Final = 9

# Nothing else is mapped there: a PC keeps the range below the I/O APIC for PCI devices.
_FIRST_BAR_ADDRESS: Final = 0xE0000000

# The PIIX3 bridge routes PIRQ A-D to the lines named in these registers of its own
# configuration space; a BIOS would set them, without one no interrupt arrives anywhere.
_PIIX3_SLOT: Final = 1
_PIIX3_PIRQ: Final = 0x60
INTERRUPT: Final = 11


class VirtioRegisters(NamedTuple):
    """Where the device's register blocks are in guest memory."""

    common: int
    notify: int
    notify_multiplier: int
    interrupt_status: int
    device: int


class PciDevice:
    """One device of bus 0."""

    def __init__(self, qtest: Qtest, slot: int) -> None:
        self._qtest = qtest
        self._slot = slot

    async def get(self, offset: int, size: int = 4) -> int:
        select = f"outl 0xcf8 {self._address(offset):#x}"
        word = int((await self._qtest.run([select, "inl 0xcfc"]))[1], 16)
        return word >> (offset & 3) * 8 & (1 << size * 8) - 1

    async def put(self, offset: int, value: int) -> None:
        select = f"outl 0xcf8 {self._address(offset):#x}"
        await self._qtest.run([select, f"outl 0xcfc {value:#x}"])

    def _address(self, offset: int) -> int:
        return 0x80000000 | self._slot << 11 | offset & 0xFC

    async def place_bar(self, bar: int, base: int) -> tuple[int, int]:
        """Map a memory BAR at the first suitable address from `base`: (address, size)."""
        register = _BARS + 4 * bar
        await self.put(register, 0xFFFFFFFF)
        answer = await self.get(register)
        size = (~(answer & ~0xF) + 1) & 0xFFFFFFFF
        address = (base + size - 1) & ~(size - 1)
        await self.put(register, address)
        if answer & 4:  # 64 bits wide: the upper half is the next register
            await self.put(register + 4, 0)
        return address, size


class _Capability(NamedTuple):
    bar: int
    offset: int
    notify_multiplier: int


async def _virtio_capabilities(device: PciDevice) -> dict[int, _Capability]:
    """cfg_type -> place: 1 common, 2 notify, 3 interrupt status, 4 device."""
    found: dict[int, _Capability] = {}
    pointer = await device.get(_CAPABILITIES, 1)
    while pointer:
        if await device.get(pointer, 1) == _VENDOR_CAPABILITY:
            kind = await device.get(pointer + 3, 1)
            place = _Capability(
                bar=await device.get(pointer + 4, 1),
                offset=await device.get(pointer + 8),
                notify_multiplier=await device.get(pointer + 16) if kind == 2 else 0,
            )
            if kind in (1, 2, 3, 4):
                found.setdefault(kind, place)
        pointer = await device.get(pointer + 1, 1)
    return found


async def enable_virtio(qtest: Qtest, slot: int) -> VirtioRegisters:
    """Map the virtio-serial device at `slot`, route its interrupt to INTERRUPT and listen to it."""
    device = PciDevice(qtest, slot)
    if await device.get(0) != VIRTIO_SERIAL_ID:
        raise HostError(f"no modern virtio-serial device in PCI slot {slot} of QEMU")
    capabilities = await _virtio_capabilities(device)
    addresses: dict[int, int] = {}
    base = _FIRST_BAR_ADDRESS
    for bar in sorted({place.bar for place in capabilities.values()}):
        addresses[bar], size = await device.place_bar(bar, base)
        base = addresses[bar] + size
    command = await device.get(_COMMAND, 2)
    await device.put(_COMMAND, command | _MEMORY_AND_BUS_MASTER)

    await PciDevice(qtest, _PIIX3_SLOT).put(_PIIX3_PIRQ, INTERRUPT * 0x01010101)
    await qtest.run(["irq_intercept_in ioapic"])

    def address(kind: int) -> int:
        return addresses[capabilities[kind].bar] + capabilities[kind].offset

    return VirtioRegisters(
        common=address(1),
        notify=address(2),
        notify_multiplier=capabilities[2].notify_multiplier,
        interrupt_status=address(3),
        device=address(4),
    )
