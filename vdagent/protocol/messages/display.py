# SPDX-License-Identifier: MIT
"""Displays: the monitors a client wants, and which graphics device shows which display."""

from __future__ import annotations

from struct import Struct

from ...errors import ProtocolError
from ..capabilities import Capabilities
from ..constants import MessageType, MonitorsFlag
from ..record import record
from .base import Buffer, at_least, exactly

# spice-gtk sends 16 entries; the C agent caps at 64.
MAX_MONITORS = 64
# X11 has 16 bits for a size, Wayland 32 for a sum of sizes and positions: a host's mistake has to end
# here, not in a desktop's arithmetic.
MAX_SIDE = 0xFFFF
MAX_POSITION = MAX_MONITORS * MAX_SIDE


@record
class MonitorConfig:
    """One wanted monitor; 0x0 is disabled. Width comes first here, height first on the wire."""

    width: int
    height: int
    depth: int = 32
    x: int = 0
    y: int = 0

    LAYOUT = Struct("<IIIii")  # height, width, depth, x, y

    @property
    def enabled(self) -> bool:
        """Whether the client wants this monitor on."""
        return self.width > 0 and self.height > 0


@record
class PhysicalSize:
    """A monitor's size in millimetres; height first on the wire."""

    width_mm: int
    height_mm: int

    LAYOUT = Struct("<HH")  # height, width


@record
class MonitorsConfig:
    """The monitors a client wants, by SPICE display id (client to guest).

    Wire: u32 count, u32 flags, count MonitorConfig, and with PHYSICAL_SIZE count PhysicalSize.
    spice-gtk sets PHYSICAL_SIZE always; C agents up to 0.22.1 refuse such a message.
    """

    monitors: tuple[MonitorConfig, ...]
    flags: int = 0
    physical: tuple[PhysicalSize, ...] = ()

    TYPE = MessageType.MONITORS_CONFIG
    HEAD = Struct("<II")  # count, flags

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> MonitorsConfig:
        at_least(body, cls.HEAD.size, "MONITORS_CONFIG")
        count, flags = cls.HEAD.unpack_from(body)
        if count > MAX_MONITORS:
            raise ProtocolError(f"MONITORS_CONFIG: {count} monitors, at most {MAX_MONITORS}")
        end = cls.HEAD.size + count * MonitorConfig.LAYOUT.size
        tail = count * PhysicalSize.LAYOUT.size if flags & MonitorsFlag.PHYSICAL_SIZE else 0
        exactly(body, end + tail, "MONITORS_CONFIG")
        monitors = tuple(
            MonitorConfig(width, height, depth, x, y)
            for height, width, depth, x, y in MonitorConfig.LAYOUT.iter_unpack(body[8:end])
        )
        for mon in monitors:
            if max(mon.width, mon.height) > MAX_SIDE or max(abs(mon.x), abs(mon.y)) > MAX_POSITION:
                raise ProtocolError(
                    f"MONITORS_CONFIG: a monitor of {mon.width}x{mon.height} at {mon.x}, {mon.y}"
                )
        physical = tuple(
            PhysicalSize(width, height)
            for height, width in PhysicalSize.LAYOUT.iter_unpack(body[end:])
        )
        return cls(monitors, flags, physical)

    def encode(self, caps: Capabilities) -> bytes:
        """The body; the PHYSICAL_SIZE flag follows the presence of `physical`."""
        flags = self.flags & ~int(MonitorsFlag.PHYSICAL_SIZE)  # unknown flags stay
        flags |= MonitorsFlag.PHYSICAL_SIZE if self.physical else 0
        rows = [
            MonitorConfig.LAYOUT.pack(m.height, m.width, m.depth, m.x, m.y) for m in self.monitors
        ]
        rows += [PhysicalSize.LAYOUT.pack(p.height_mm, p.width_mm) for p in self.physical]
        return self.HEAD.pack(len(self.monitors), flags) + b"".join(rows)


@record
class DisplayConfig:
    """Windows-only wishes about wallpaper, fonts and depth: understood, and ignored."""

    flags: int
    depth: int

    TYPE = MessageType.DISPLAY_CONFIG
    LAYOUT = Struct("<II")  # flags, depth

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> DisplayConfig:
        exactly(body, cls.LAYOUT.size, "DISPLAY_CONFIG")
        return cls(*cls.LAYOUT.unpack(body))

    def encode(self, caps: Capabilities) -> bytes:
        return self.LAYOUT.pack(self.flags, self.depth)


@record
class GraphicsDevice:
    """One display of one graphics device; its SPICE display id is channel_id + monitor_id."""

    channel_id: int
    monitor_id: int
    device_display_id: int
    address: str  # "pci/<domain>/<slot>.<function>…", hexadecimal

    LAYOUT = Struct("<IIII")  # channel_id, monitor_id, device_display_id, address length with NUL


@record
class GraphicsDeviceInfo:
    """Which device shows which SPICE display (host to guest). Wire: u32 count, then the entries."""

    devices: tuple[GraphicsDevice, ...]

    TYPE = MessageType.GRAPHICS_DEVICE_INFO
    COUNT = Struct("<I")

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> GraphicsDeviceInfo:
        at_least(body, 4, "GRAPHICS_DEVICE_INFO")
        (count,) = cls.COUNT.unpack_from(body)
        head = GraphicsDevice.LAYOUT
        if count * head.size > len(body):
            raise ProtocolError(f"GRAPHICS_DEVICE_INFO: {count} entries in {len(body)} bytes")
        devices, offset = [], 4
        for _ in range(count):
            if offset + head.size > len(body):
                raise ProtocolError("GRAPHICS_DEVICE_INFO: cut entry")
            channel, monitor, display, length = head.unpack_from(body, offset)
            offset += head.size
            if length > len(body) - offset:
                raise ProtocolError("GRAPHICS_DEVICE_INFO: cut address")
            address = bytes(body[offset : offset + length]).split(b"\0")[0]
            devices.append(
                GraphicsDevice(channel, monitor, display, address.decode("ascii", "replace"))
            )
            offset += length
        return cls(tuple(devices))

    def encode(self, caps: Capabilities) -> bytes:
        parts = [self.COUNT.pack(len(self.devices))]
        for d in self.devices:
            data = d.address.encode("ascii", "replace") + b"\0"
            ids = d.channel_id, d.monitor_id, d.device_display_id
            parts += [GraphicsDevice.LAYOUT.pack(*ids, len(data)), data]
        return b"".join(parts)
