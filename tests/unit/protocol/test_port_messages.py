# SPDX-License-Identifier: MIT
"""Has every message of the port the bytes of spice/vd_agent.h, and is every wrong size refused?

The bytes are written by hand from the header's structs, not by our encoder.
"""

from __future__ import annotations

import pytest

from vdagent.errors import FramingError, ProtocolError
from vdagent.protocol.capabilities import NO_CAPABILITIES, OURS, Capabilities
from vdagent.protocol.constants import Capability, MessageType
from vdagent.protocol.messages import (
    MESSAGES,
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

NONE = NO_CAPABILITIES
SELECTION = Capabilities.of([Capability.CLIPBOARD_SELECTION])
SERIAL = Capabilities.of([Capability.CLIPBOARD_GRAB_SERIAL])
BOTH = Capabilities(SELECTION.bits | SERIAL.bits)
DETAILED = Capabilities.of([Capability.FILE_XFER_DETAILED_ERRORS])

ONE_MONITOR = "00030000 00040000 20000000 0a000000 f6ffffff"  # 1024x768 at +10-10
GOLDEN: list[tuple[Message, Capabilities, str]] = [
    (MouseState(258, 3, 0x82, 1), NONE, "02010000 03000000 82000000 01"),
    (
        MonitorsConfig((MonitorConfig(1024, 768, 32, 10, -10),), 1),
        NONE,
        f"01000000 01000000 {ONE_MONITOR}",
    ),
    (
        MonitorsConfig(
            (MonitorConfig(1024, 768, 32, 10, -10), MonitorConfig(0, 0, 0, 0, 0)),
            2,
            (PhysicalSize(400, 300), PhysicalSize(0, 0)),
        ),
        NONE,
        f"02000000 02000000 {ONE_MONITOR} {'00' * 20} 2c01 9001 0000 0000",
    ),
    (MonitorsConfig(()), NONE, "00000000 00000000"),
    (Reply(MessageType.MONITORS_CONFIG, 1), NONE, "02000000 01000000"),
    (Clipboard(0, 1, b"hi"), NONE, "01000000 6869"),
    (Clipboard(1, 2, b"hi"), SELECTION, "01000000 02000000 6869"),
    (Clipboard(0, 1, b""), SELECTION, "00000000 01000000"),
    (DisplayConfig(5, 32), NONE, "05000000 20000000"),
    (AnnounceCapabilities(True, OURS), NONE, "01000000 e7cd0300"),
    (AnnounceCapabilities(False, Capabilities(1 << 33)), NONE, "00000000 00000000 02000000"),
    (ClipboardGrab(0, (1, 2)), NONE, "01000000 02000000"),
    (ClipboardGrab(1, (1, 2)), SELECTION, "01000000 01000000 02000000"),
    (ClipboardGrab(0, (1,), 7), SERIAL, "07000000 01000000"),
    (ClipboardGrab(1, (), 0xFFFFFFFF), BOTH, "01000000 ffffffff"),
    (ClipboardRequest(0, 1), NONE, "01000000"),
    (ClipboardRequest(1, 5), BOTH, "01000000 05000000"),
    (ClipboardRelease(0), NONE, ""),
    (ClipboardRelease(1), SELECTION, "01000000"),
    (FileXferStart(9, b"[x]\n"), NONE, "09000000 5b785d0a 00"),
    (FileXferStatus(9, 0), DETAILED, "09000000 00000000"),
    (FileXferStatus(9, 4, 1 << 32), DETAILED, "09000000 04000000 0000000001000000"),
    (FileXferStatus(9, 2, None, FileError(0, 31)), DETAILED, "09000000 02000000 00 1f000000"),
    (FileXferStatus(9, 2), DETAILED, "09000000 02000000"),
    (FileXferStatus(0xFFFFFFFF, 7), DETAILED, "ffffffff 07000000"),
    (FileXferData(9, b"abc"), NONE, "09000000 0300000000000000 616263"),
    (FileXferData(0, b""), NONE, "00000000 0000000000000000"),
    (ClientDisconnected(), NONE, ""),
    (MaxClipboard(-1), NONE, "ffffffff"),
    (MaxClipboard(1 << 20), NONE, "00001000"),
    (AudioVolumeSync(True, False, (0, 65535)), NONE, "01 00 02 0000 ffff"),
    (AudioVolumeSync(False, True, ()), NONE, "00 01 00"),
    (
        GraphicsDeviceInfo((GraphicsDevice(1, 2, 3, "pci/0000/02.0"),)),
        NONE,
        "01000000 01000000 02000000 03000000 0e000000 7063692f303030302f30322e30 00",
    ),
    (GraphicsDeviceInfo(()), NONE, "00000000"),
]


@pytest.mark.parametrize(("msg", "caps", "data"), GOLDEN, ids=lambda v: type(v).__name__)
def test_bytes(msg: Message, caps: Capabilities, data: str) -> None:
    body = bytes.fromhex(data)
    assert bytes(msg.encode(caps)) == body
    assert MESSAGES[msg.TYPE].decode(memoryview(body), caps) == msg


def test_every_type_has_its_bytes_here() -> None:
    assert {msg.TYPE for msg, _, _ in GOLDEN} == set(MessageType) == set(MESSAGES)
    assert [t.value for t in MessageType] == list(range(1, 17))


# Type, capabilities, the sizes around the only right one, or below the least one.
WRONG_SIZES = [
    (1, NONE, "12 14 0"),
    (2, NONE, "0 7 9"),
    (3, NONE, "7 9"),
    (4, NONE, "0 3"),
    (4, SELECTION, "4 7"),
    (5, NONE, "7 9"),
    (6, NONE, "0 3"),
    (7, SELECTION, "3"),
    (7, SERIAL, "3"),
    (7, BOTH, "4 7"),
    (8, NONE, "0 3 5 8"),
    (8, SELECTION, "4 7 9"),
    (9, NONE, "1 4"),
    (9, SELECTION, "0 1 3 5"),
    (10, NONE, "0 3"),
    (11, NONE, "0 7 9 16"),
    (12, NONE, "0 11"),
    (13, NONE, "1"),
    (14, NONE, "3 5"),
    (15, NONE, "0 2"),
    (16, NONE, "0 3"),
]


@pytest.mark.parametrize(
    ("type_", "caps", "size"),
    [(t, caps, int(size)) for t, caps, sizes in WRONG_SIZES for size in sizes.split()],
)
def test_a_wrong_size_is_refused_and_the_stream_stays(
    type_: int, caps: Capabilities, size: int
) -> None:
    with pytest.raises(ProtocolError) as caught:
        MESSAGES[MessageType(type_)].decode(bytes(size), caps)
    assert not isinstance(caught.value, FramingError)
    assert str(caught.value)


# Counts and lengths that promise more than the body holds.
LIES = [
    (2, "33333334 00000000" + "00" * 16),  # count * 20 wraps to the right size in 32 bits
    (2, "ffffffff 00000000"),
    (2, "41000000 00000000" + "00" * (65 * 20)),  # 65 monitors, right size
    (2, "01000000 00000000 00000100 00040000" + "00" * 12),  # 65536 pixels high
    (2, "01000000 00000000 00030000 00040000 20000000 00000080 00000000"),  # at -2^31
    (2, "01000000 02000000" + "00" * 20),  # promises physical sizes
    (2, "01000000 00000000" + "00" * 24),  # has them unpromised
    (7, "01000000" * 257),
    (12, "00000000 ffffffffffffffff 6162"),
    (12, "00000000 0300000000000000 6162"),
    (15, "01 00 ff 0000"),
    (15, "01 00 01 00"),
    (16, "ffffffff" + "00" * 16),
    (16, "02000000" + "00" * 16),
    (16, "01000000 00000000 00000000 00000000 ffffffff 70"),
    (16, "01000000 00000000 00000000 00000000 02000000 70"),
]


@pytest.mark.parametrize(("type_", "body"), LIES)
def test_a_count_that_lies_is_refused(type_: int, body: str) -> None:
    with pytest.raises(ProtocolError):
        MESSAGES[MessageType(type_)].decode(bytes.fromhex(body), NONE)


def test_a_status_is_reduced_to_what_an_old_client_knows() -> None:
    free = FileXferStatus(9, 4, 1 << 32)
    assert free.encode(NONE) == bytes.fromhex("09000000 02000000")
    assert FileXferStatus(9, 2, None, FileError(0, 31)).encode(NONE) == bytes.fromhex(
        "09000000 02000000"
    )
    assert FileXferStatus(9, 7).encode(NONE) == bytes.fromhex("09000000 02000000")
    assert FileXferStatus(9, 3).encode(NONE) == bytes.fromhex("09000000 03000000")


def test_not_enough_space_never_sends_bytes_nobody_wrote() -> None:
    assert FileXferStatus(9, 4).encode(DETAILED)[8:] == bytes(8)


def test_bytes_behind_a_files_announced_size_are_not_its_data() -> None:
    body = bytes.fromhex("09000000 0200000000000000 61626364")
    assert MESSAGES[MessageType.FILE_XFER_DATA].decode(body, NONE) == FileXferData(9, b"ab")


def test_metadata_ends_at_its_nul_or_with_the_message() -> None:
    decode = MESSAGES[MessageType.FILE_XFER_START].decode
    assert decode(b"\1\0\0\0name\0junk", NONE) == FileXferStart(1, b"name")
    assert decode(b"\1\0\0\0name", NONE) == FileXferStart(1, b"name")
    assert decode(b"\1\0\0\0", NONE) == FileXferStart(1, b"")


def test_an_address_ends_at_its_nul_or_with_its_length() -> None:
    decode = GraphicsDeviceInfo.decode
    entry = "01000000" + "00000000" * 3
    assert decode(bytes.fromhex(entry + "02000000 7000"), NONE).devices[0].address == "p"
    assert decode(bytes.fromhex(entry + "02000000 7063"), NONE).devices[0].address == "pc"
    assert decode(bytes.fromhex(entry + "00000000"), NONE).devices[0].address == ""


def test_capability_words() -> None:
    assert OURS.to_bytes() == bytes.fromhex("e7cd0300")
    assert Capabilities.from_bytes(bytes.fromhex("01000000 01000000 ff")).bits == 1 | 1 << 32
    assert Capabilities.from_bytes(b"").bits == 0
    assert Capabilities(0).to_bytes() == bytes(4)


def test_contents_are_not_in_a_messages_words() -> None:
    assert "secret" not in repr(Clipboard(0, 1, b"secret"))
    assert "secret" not in repr(FileXferData(1, b"secret"))
