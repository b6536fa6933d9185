# SPDX-License-Identifier: MIT
"""Does our daemon say, word for word, what the C daemon says? Where not, is the difference wanted?

The same script of host and session is played to both; after each step everything that reached either
side, and the tablet, is compared. WANTED names each step that must differ, and why.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support import wire
from tests.support.rig import Agent, Closed, Rig
from tests.support.tools import require
from tests.support.wire import PNG, TEXT, VIEWER_CAPS, Port, Uds, frame, message, u32

T = TypeVar("T")

HOST, AGENT = "host", "agent"
FENCE = 0xFE0000
KEY_FILE = b"[vdagent-file-xfer]\nname=x\nsize=4\n\0"


def file_data(id_: int, data: bytes, size: int | None = None) -> bytes:
    size = len(data) if size is None else size
    return message(Port.FILE_DATA, u32(id_) + struct.pack("<Q", size) + data)


def agent_grab(*types: int, selection: int = 0) -> bytes:
    return frame(Uds.GRAB, selection, 0, u32(*types))


def agent_data(data: bytes, type_: int = TEXT, selection: int = 0) -> bytes:
    return frame(Uds.DATA, selection, type_, data)


MONITOR = struct.pack("<IIIii", 600, 800, 32, 0, 0)
DEVICES = u32(1, 0, 0, 0, 14) + b"pci/0000/02.0\0"

# Step, who says it, what.
SCRIPT: list[tuple[str, str, bytes]] = [
    ("announce", HOST, wire.announce(True)),
    ("answer to announce", HOST, wire.announce(False)),
    ("client grabs", HOST, wire.grab(0, TEXT, PNG)),
    ("stale serial", HOST, wire.grab(9, TEXT)),
    ("guest grabs", AGENT, agent_grab(TEXT)),
    ("both grab at once", HOST, wire.grab(1, TEXT)),
    ("guest pastes", AGENT, frame(Uds.REQUEST, 0, TEXT)),
    ("client answers", HOST, wire.clipboard(b"from the client")),
    ("guest pastes an image", AGENT, frame(Uds.REQUEST, 0, PNG)),
    ("client has none", HOST, wire.clipboard(b"", PNG)),
    ("guest grabs both", AGENT, agent_grab(TEXT, PNG) + agent_grab(TEXT, selection=1)),
    ("client pastes", HOST, wire.request(TEXT)),
    ("guest answers", AGENT, agent_data(b"from the guest")),
    ("client pastes primary", HOST, wire.request(TEXT, 1)),
    ("guest answers primary", AGENT, agent_data(b"primary", selection=1)),
    ("client pastes an image", HOST, wire.request(PNG)),
    ("guest answers NONE", AGENT, agent_data(b"", 0)),
    ("guest releases", AGENT, frame(Uds.RELEASE, 1)),
    ("client grabs and releases", HOST, wire.grab(3, TEXT) + wire.release()),
    ("client releases what it has not", HOST, wire.release(1)),
    ("limit of 3 bytes", HOST, message(Port.MAX_CLIPBOARD, u32(3)) + wire.request(TEXT)),
    ("4 bytes", AGENT, agent_data(b"four")),
    ("client pastes again", HOST, wire.request(TEXT)),
    ("3 bytes", AGENT, agent_data(b"two")),
    ("no limit", HOST, message(Port.MAX_CLIPBOARD, u32(0xFFFFFFFF)) + wire.request(TEXT)),
    ("300 kB", AGENT, agent_data(bytes(300_000))),
    ("guest pastes much", AGENT, frame(Uds.REQUEST, 0, TEXT)),
    ("client answers 300 kB", HOST, wire.clipboard(bytes(300_000))),
    ("secondary of the client", HOST, wire.grab(0, TEXT, selection=2)),
    ("secondary of the guest", AGENT, agent_grab(TEXT, selection=2)),
    ("secondary is asked for", HOST, wire.request(TEXT, 2)),
    ("NONE is asked for", HOST, wire.request(0)),
    ("monitors", HOST, message(Port.MONITORS_CONFIG, u32(1, 1) + MONITOR)),
    ("monitors with sizes", HOST, message(Port.MONITORS_CONFIG, u32(1, 2) + MONITOR + bytes(4))),
    ("monitors cut", HOST, message(Port.MONITORS_CONFIG, u32(1, 1) + MONITOR[:-1])),
    ("monitors, none", HOST, message(Port.MONITORS_CONFIG, u32(0, 0))),
    ("devices", HOST, message(Port.DEVICE_INFO, DEVICES, wire.SERVER)),
    ("devices, none", HOST, message(Port.DEVICE_INFO, u32(0), wire.SERVER)),
    ("devices that lie", HOST, message(Port.DEVICE_INFO, u32(9) + DEVICES[4:], wire.SERVER)),
    ("volume", HOST, message(Port.AUDIO, b"\1\0\2\1\2\3\4")),
    ("mute of no channel", HOST, message(Port.AUDIO, b"\1\1\0")),
    ("volume that lies", HOST, message(Port.AUDIO, b"\1\0\x09\1\2\3\4")),
    ("pointer", HOST, wire.mouse(5, 6) + wire.mouse(7, 6, 2) + wire.mouse(7, 6, 0x1C)),
    ("pointer, all let go", HOST, wire.mouse(9, 9)),
    ("pointer that rests", HOST, wire.mouse(9, 9)),
    ("pointer of an unknown display", HOST, wire.mouse(1, 1, 2, 5)),
    ("pointer off the desktop", HOST, wire.mouse(5000, 6)),
    ("file", HOST, message(Port.FILE_START, u32(7) + KEY_FILE)),
    ("file again", HOST, message(Port.FILE_START, u32(7) + KEY_FILE)),
    ("go", AGENT, frame(Uds.FILE_STATUS, 7, 0)),
    ("file data", HOST, file_data(7, b"four")),
    ("file data that lies", HOST, file_data(7, b"four", 4096)),
    ("file done", AGENT, frame(Uds.FILE_STATUS, 7, 3)),
    ("file data of none", HOST, file_data(7, b"four")),
    ("status of none", AGENT, frame(Uds.FILE_STATUS, 8, 0)),
    ("file too large", HOST, message(Port.FILE_START, u32(9) + KEY_FILE)),
    ("no space", AGENT, frame(Uds.FILE_STATUS, 9, 4, struct.pack("=Q", 123))),
    ("file to cancel", HOST, message(Port.FILE_START, u32(10) + KEY_FILE)),
    ("client cancels", HOST, message(Port.FILE_STATUS, u32(10, 1))),
    ("display config", HOST, message(Port.DISPLAY_CONFIG, u32(0, 32))),
    ("unknown message", HOST, message(99, b"what")),
    ("request of a wrong size", HOST, message(Port.REQUEST, u32(0))),
    ("frame from nowhere", AGENT, frame(99, 1, 2, b"what")),
    ("an old client", HOST, wire.announce(False, VIEWER_CAPS & ~(1 << 14 | 1 << 6 | 1 << 17))),
    ("file of an old client", HOST, message(Port.FILE_START, u32(11) + KEY_FILE)),
    ("no space for it", AGENT, frame(Uds.FILE_STATUS, 11, 4, struct.pack("=Q", 123))),
    ("guest grabs for it", AGENT, agent_grab(TEXT)),
    ("it pastes", HOST, message(Port.REQUEST, u32(TEXT))),
    ("guest answers it", AGENT, agent_data(b"text")),
    ("guest grabs primary for it", AGENT, agent_grab(TEXT, selection=1)),
    ("client leaves", HOST, message(Port.CLIENT_DISCONNECTED, b"", wire.SERVER)),
    ("client comes", HOST, wire.announce(True)),
    ("guest grabs for the next", AGENT, agent_grab(TEXT, selection=1)),
]

WANTED = {
    "opening": "we announce FILE_XFER_DETAILED_ERRORS",
    "announce": "the same in the answer",
    "guest answers NONE": "an answer names the type that was asked for: viewers look for it",
    "secondary of the client": "SECONDARY is nobody's: refused politely",
    "secondary of the guest": "SECONDARY is nobody's: refused politely",
    "secondary is asked for": "answered at once, not left to a session that does not know it",
    "NONE is asked for": "answered at once",
    "monitors with sizes": "taken, as from C 0.23 on: every viewer sends them like this",
    "devices, none": "not passed on: its empty payload makes the C session read what is not there",
    "devices that lie": "skipped: the C session believes the count",
    "volume that lies": "skipped: the C session believes the count",
    "pointer off the desktop": "clamped to the desktop",
    "file data that lies": "skipped: the C session writes its own memory into the file",
    "client comes": "what the guest owns is offered to the next client",
    "guest grabs for the next": "its second grab, then: the serial is one more",
    "closing": "a release has 4 bytes, as the client announced, not 1",
}

Said = tuple[object, ...]


def play(rig: Rig) -> Iterator[tuple[str, list[Said]]]:
    """Step, and all that it made the daemon say."""
    agent = rig.agent()
    opening: list[Said] = [("host", *rig.host.message())]
    yield "opening", opening
    shown = len(rig.events())
    for number, (step, who, data) in enumerate(SCRIPT):
        if who == HOST:
            rig.host.send(data)
        else:
            agent.send(data)
        said = list(fence(rig, agent, FENCE + number))
        events = rig.events()
        said += [("tablet", *event) for event in events[shown:]]
        shown = len(events)
        yield step, said
    agent.close()
    yield "closing", list(rest(rig))


def fence(rig: Rig, agent: Agent, id_: int) -> Iterator[Said]:
    """All that was said before a file that goes there and back."""
    rig.host.send(message(Port.FILE_START, u32(id_) + KEY_FILE))
    while (got := agent.frame()) != (Uds.FILE_START, 0, 0, u32(id_) + KEY_FILE):
        yield ("agent", *got)
    agent.say(Uds.FILE_STATUS, id_, 3)
    while (msg := rig.host.message()) != (Port.FILE_STATUS, u32(id_, 3)):
        yield ("host", *msg)


def rest(rig: Rig) -> Iterator[Said]:
    """All that is said before the port closes."""
    try:
        while True:
            yield ("host", *rig.host.message())
    except Closed:
        return


def on_both(tmp_path: Path, work: Callable[[Rig], T]) -> dict[str, T]:
    """What comes of `work` on the C daemon, and what on ours."""
    require("spice-vdagentd")
    came = {}
    for kind in ("C", "ours"):
        directory = tmp_path / kind
        directory.mkdir()
        with Rig(directory, kind) as rig:
            came[kind] = work(rig)
    return came


def test_word_for_word(tmp_path: Path) -> None:
    said = on_both(tmp_path, lambda rig: dict(play(rig)))
    assert said["C"].keys() == said["ours"].keys()
    different = {step for step in said["C"] if said["C"][step] != said["ours"][step]}
    report = [
        f"{step}:\n  C    {said['C'][step]!s:.300}\n  ours {said['ours'][step]!s:.300}"
        for step in said["C"]
        if step in different ^ WANTED.keys()
    ]
    assert not report, "\n".join(report)


@pytest.mark.parametrize("kind", ["C", "ours"])
def test_two_sessions(tmp_path: Path, kind: str) -> None:
    """The C daemon then serves nobody, not even the one that stays; ours the newest, then the other."""
    require("spice-vdagentd")
    with Rig(tmp_path, kind) as rig:
        first = rig.ready()
        second = rig.agent()
        if kind == "C":
            rig.host.stream.wait_closed()
            second.close()
            first.report()
            assert not rig.host.is_knocking
        else:
            second.until(Uds.MONITORS_CONFIG)
            rig.still_serves(second)
            second.close()
            first.until(Uds.MONITORS_CONFIG)
            rig.still_serves(first)


def test_a_file_of_an_old_client_and_a_new_one(tmp_path: Path) -> None:
    """129 transfers, id by id the same refusal as the C daemon's."""

    def start_130(rig: Rig) -> list[bytes]:
        agent = rig.ready()
        rig.host.send(b"".join(message(Port.FILE_START, u32(i) + KEY_FILE) for i in range(130)))
        refused = [rig.host.expect(Port.FILE_STATUS) for _ in range(2)]
        agent.close()
        return refused + sorted(rig.host.expect(Port.FILE_STATUS) for _ in range(128))

    said = on_both(tmp_path, start_130)
    assert said["C"] == said["ours"]
    assert said["ours"][0] == u32(128, 2) + b"\0" + u32(31)
