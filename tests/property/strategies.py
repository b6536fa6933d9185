# SPDX-License-Identifier: MIT
"""Which messages are there? Any of either wire, with anything in them that fits."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.messages import (
    AnnounceCapabilities,
    AudioVolumeSync,
    ClientDisconnected,
    Clipboard,
    ClipboardGrab,
    ClipboardRelease,
    ClipboardRequest,
    DisplayConfig,
    FileError,
    FileXferData,
    FileXferStart,
    FileXferStatus,
    GraphicsDevice,
    GraphicsDeviceInfo,
    MaxClipboard,
    Message,
    MonitorConfig,
    MonitorsConfig,
    MouseState,
    PhysicalSize,
    Reply,
)
from vdagent.protocol.udscs import FileXferDisable, GuestResolution, Screen, Version

u8, u16 = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
u32, i32 = st.integers(0, 0xFFFFFFFF), st.integers(-(1 << 31), (1 << 31) - 1)
side = st.integers(0, 0x7FFFFFFF)
data = st.binary(max_size=200)
capabilities = st.integers(0, (1 << 70) - 1).map(Capabilities)
selection = st.integers(0, 255)
type_lists = st.lists(u32, max_size=256).map(tuple)

places = st.integers(-64 * 0xFFFF, 64 * 0xFFFF)
monitors = st.builds(MonitorConfig, u16, u16, u32, places, places)
plain_configs = st.builds(
    MonitorsConfig,
    st.lists(monitors, max_size=64).map(tuple),
    u32.map(lambda flags: flags & ~2),
)
sized_configs = st.lists(
    st.tuples(monitors, st.builds(PhysicalSize, u16, u16)), min_size=1, max_size=64
).map(lambda rows: MonitorsConfig(tuple(r[0] for r in rows), 2, tuple(r[1] for r in rows)))
configs = plain_configs | sized_configs
addresses = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=40)
devices = st.builds(
    GraphicsDeviceInfo,
    st.lists(st.builds(GraphicsDevice, u32, u32, u32, addresses), max_size=20).map(tuple),
)
volumes = st.builds(
    AudioVolumeSync, st.booleans(), st.booleans(), st.lists(u16, max_size=255).map(tuple)
)
starts = st.builds(FileXferStart, u32, data.map(lambda text: text.replace(b"\0", b"")))
file_data = st.builds(FileXferData, u32, data)
statuses = (
    st.builds(FileXferStatus, u32, u32.filter(lambda result: result != 4))
    | st.builds(FileXferStatus, u32, st.just(4), st.integers(0, (1 << 64) - 1))
    | st.builds(FileXferStatus, u32, st.just(2), st.none(), st.builds(FileError, u8, u32))
)


def port_messages(caps: Capabilities) -> st.SearchStrategy[Message]:
    """Any message as a client with these capabilities has it."""
    has_selection, has_serial = caps.bits >> 6 & 1, caps.bits >> 17 & 1
    of = selection if has_selection else st.just(0)
    serial = u32 if has_serial else st.none()
    detailed = (
        statuses
        if caps.bits >> 14 & 1
        else st.builds(FileXferStatus, u32, st.sampled_from(range(4)))
    )
    return st.one_of(
        st.builds(MouseState, u32, u32, u32, u8),
        configs,
        st.builds(Reply, u32, u32),
        st.builds(Clipboard, of, u32, data),
        st.builds(DisplayConfig, u32, u32),
        st.builds(AnnounceCapabilities, st.booleans(), capabilities),
        st.builds(ClipboardGrab, of, type_lists, serial),
        st.builds(ClipboardRequest, of, u32),
        st.builds(ClipboardRelease, of),
        starts,
        detailed,
        file_data,
        st.just(ClientDisconnected()),
        st.builds(MaxClipboard, i32),
        volumes,
        devices,
    )


_both_ways = st.one_of(
    st.builds(ClipboardGrab, selection, type_lists),
    st.builds(ClipboardRequest, selection, u32),
    st.builds(Clipboard, selection, u32, data),
    st.builds(ClipboardRelease, selection),
)
screens = st.builds(Screen, i32, i32, i32, i32, i32)
reports = st.builds(
    GuestResolution, side.map(lambda n: n or 1), side, st.lists(screens, max_size=256).map(tuple)
)
agent_statuses = st.builds(FileXferStatus, u32, u32.filter(lambda r: r != 4)) | st.builds(
    FileXferStatus, u32, st.just(4), st.integers(0, (1 << 64) - 1)
)
agent_messages = st.one_of(_both_ways, reports, agent_statuses)
daemon_messages = st.one_of(
    _both_ways,
    configs,
    st.builds(Version, st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=20)),
    volumes,
    starts,
    st.builds(FileXferStatus, u32, u32),
    file_data,
    st.just(FileXferDisable()),
    st.just(ClientDisconnected()),
    devices,
)


def cuts(stream: bytes, positions: list[int]) -> list[bytes]:
    """The stream cut at these positions, each taken modulo its length."""
    places = sorted({0, len(stream), *(p % (len(stream) + 1) for p in positions)})
    return [stream[a:b] for a, b in pairwise(places)]
