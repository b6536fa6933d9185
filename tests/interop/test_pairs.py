# SPDX-License-Identifier: MIT
"""Do our halves work with the C peer's, and with one another, all in the same way?

One table of scenarios, played on a private X server by xclip and a scripted viewer, for our daemon with
the C session agent, the C daemon with our session, and ours with ours.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.desk import Desk
from tests.support import wire
from tests.support.logs import faultless
from tests.support.processes import stop, wait_for
from tests.support.wire import PNG, TEXT, Port, u32

PAIRS = [("ours", "C"), ("C", "ours"), ("ours", "ours")]  # daemon, session
WORDS = "Grüße aus dem Gast, 你好\nand a second line".encode()
LONG = WORDS * 20_000  # 1 MB: parts on our wires, INCR in X


def _png() -> bytes:
    def piece(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    head = b"\0\0\0\1\0\0\0\1\x08\2\0\0\0"
    image = piece(b"IHDR", head) + piece(b"IDAT", zlib.compress(bytes(4))) + piece(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image


IMAGE = _png()


def text_to_the_viewer(desk: Desk) -> None:
    desk.copy(WORDS)
    assert TEXT in desk.offered()
    assert desk.fetch(TEXT) == WORDS
    assert desk.fetch(TEXT) == WORDS
    desk.copy(b"again")
    assert TEXT in desk.offered()
    assert desk.fetch(TEXT) == b"again"


def text_to_the_guest(desk: Desk) -> None:
    desk.host.send(wire.grab(0, TEXT))
    desk.wait_offer("UTF8_STRING")
    for text in (WORDS, b"again", b""):
        paste = desk.paste()
        desk.hand_over(text, TEXT)
        assert desk.pasted(paste) == text


def a_large_text_both_ways(desk: Desk) -> None:
    desk.copy(LONG)
    assert TEXT in desk.offered()
    assert desk.fetch(TEXT) == LONG
    desk.host.send(wire.grab(1, TEXT))
    desk.wait_offer("text/plain;charset=utf-8")
    paste = desk.paste()
    desk.hand_over(LONG, TEXT)
    assert desk.pasted(paste) == LONG


def images_both_ways(desk: Desk) -> None:
    desk.copy(IMAGE, "image/png")
    assert desk.offered() == [PNG]
    assert desk.fetch(PNG) == IMAGE
    desk.host.send(wire.grab(1, PNG, TEXT))
    desk.wait_offer("UTF8_STRING")
    paste = desk.paste("image/png")
    desk.hand_over(IMAGE, PNG)
    assert desk.pasted(paste) == IMAGE


def primary_both_ways(desk: Desk) -> None:
    desk.copy(b"of the clipboard")
    assert TEXT in desk.offered()
    desk.copy(WORDS, selection=1)
    assert TEXT in desk.offered(1)
    assert desk.fetch(TEXT, 1) == WORDS
    assert desk.fetch(TEXT) == b"of the clipboard"
    desk.host.send(wire.grab(1, TEXT, selection=1))
    desk.wait_offer("text/plain;charset=utf-8", 1)
    paste = desk.paste(selection=1)
    desk.hand_over(b"of the viewer", TEXT, 1)
    assert desk.pasted(paste) == b"of the viewer"


def what_was_not_offered_is_empty(desk: Desk) -> None:
    assert desk.fetch(TEXT) == b""
    desk.copy(b"text")
    assert TEXT in desk.offered()
    assert desk.fetch(PNG) == b""
    assert desk.fetch(TEXT, 1) == b""
    assert desk.fetch(TEXT) == b"text"


def either_side_releases(desk: Desk) -> None:
    desk.copy(b"text")
    assert TEXT in desk.offered()
    desk.owner_exits()
    assert desk.host.until(Port.RELEASE)[0] == 0
    desk.host.send(wire.grab(1, TEXT))
    desk.wait_offer("UTF8_STRING")
    desk.host.send(wire.release())
    desk.wait_offer("UTF8_STRING", gone=True)


def the_viewer_leaves_and_another_comes(desk: Desk) -> None:
    desk.host.send(wire.grab(0, TEXT))
    desk.wait_offer("UTF8_STRING")
    paste = desk.paste()
    desk.host.until(Port.REQUEST)
    desk.host.send(wire.message(Port.CLIENT_DISCONNECTED, b"", wire.SERVER))
    assert desk.pasted(paste) == b""
    desk.wait_offer("UTF8_STRING", gone=True)
    desk.host.send(wire.announce(True))
    desk.host.until(Port.ANNOUNCE)
    desk.copy(b"for the next one")
    assert TEXT in desk.offered()
    assert desk.fetch(TEXT) == b"for the next one"


def the_viewers_size_is_taken(desk: Desk) -> None:
    layouts = desk.directory / ".config" / "monitors.xml"  # GNOME's, which the C session deletes
    layouts.parent.mkdir()
    layouts.write_text("the user's")
    desk.host.send(wire.monitors((800, 600)))
    assert desk.host.until(Port.REPLY) == u32(Port.MONITORS_CONFIG, 1)
    wait_for(lambda: desk.size() == "800x600", what="the desktop is 800x600")
    desk.host.send(wire.mouse(5, 6), wire.mouse(7, 8, 2), wire.mouse(7, 8))
    expected = [(3, 0, 5), (3, 1, 6), (0, 0, 0), (3, 0, 7), (3, 1, 8), (1, 0x110, 1), (0, 0, 0)]
    wait_for(lambda: desk.rig.events()[: len(expected)] == expected, what="the pointer moves")
    assert layouts.exists() == (desk.kinds[1] == "ours")


def start(id_: int, name: str, size: int) -> bytes:
    text = f"[vdagent-file-xfer]\nname={name}\nsize={size}\n"
    return wire.message(Port.FILE_START, u32(id_) + text.encode() + b"\0")


def piece(id_: int, data: bytes) -> bytes:
    return wire.message(Port.FILE_DATA, u32(id_, len(data), 0) + data)


def status(desk: Desk) -> tuple[int, int]:
    body = memoryview(desk.host.until(Port.FILE_STATUS))[:8].cast("I")
    return body[0], body[1]


def two_files_at_once(desk: Desk) -> None:
    contents = {7: IMAGE * 3000, 0xFFFFFFFF: WORDS}
    desk.host.send(start(7, "an image.png", len(contents[7])))
    desk.host.send(start(0xFFFFFFFF, "Grüße.txt", len(WORDS)))
    assert sorted([status(desk), status(desk)]) == [(7, 0), (0xFFFFFFFF, 0)]
    for i in range(0, len(contents[7]), 65536):
        desk.host.send(piece(7, contents[7][i : i + 65536]))
        if i == 65536:
            desk.host.send(piece(0xFFFFFFFF, WORDS))
    assert sorted([status(desk), status(desk)]) == [(7, 3), (0xFFFFFFFF, 3)]
    assert (desk.received / "an image.png").read_bytes() == contents[7]
    assert (desk.received / "Grüße.txt").read_bytes() == WORDS


def an_empty_file_and_a_copy(desk: Desk) -> None:
    for id_, expected in ((1, "x.txt"), (2, "x (1).txt")):
        desk.host.send(start(id_, "x.txt", 0))
        assert status(desk) == (id_, 0)
        desk.host.send(piece(id_, b""))
        assert status(desk) == (id_, 3)
        assert (desk.received / expected).read_bytes() == b""


def names_that_lead_elsewhere(desk: Desk) -> None:
    for id_, name in enumerate(("../evil", "/tmp/evil", "..", "a/../../evil")):
        desk.host.send(start(id_, name, 4))
        assert status(desk) == (id_, 2)
    assert list(desk.received.iterdir()) == []
    assert not (desk.directory / "evil").exists()


def the_viewer_cancels_a_file(desk: Desk) -> None:
    desk.host.send(start(5, "x.bin", 1 << 20))
    assert status(desk) == (5, 0)
    desk.host.send(piece(5, bytes(65536)), wire.message(Port.FILE_STATUS, u32(5, 1)))
    wait_for(lambda: not list(desk.received.iterdir()), what="the half file goes")


def the_session_starts_again(desk: Desk) -> None:
    desk.copy(b"survives")
    assert TEXT in desk.offered()
    stop(desk.session)
    desk.host.stream.wait_closed()
    desk.host.hang_up()
    desk.start_session()
    desk.greet()
    desk.copy(WORDS)
    # What was owned before may be offered first.
    wait_for(lambda: desk.fetch(TEXT) == WORDS, what="the new text is there")


def the_daemon_starts_again(desk: Desk) -> None:
    desk.rig.end()
    desk.host.stream.wait_closed()
    desk.host.hang_up()
    desk.rig.start()
    if desk.kinds[1] == "C":  # in the foreground it ends with its daemon
        desk.session.wait(10)
        desk.start_session()
    desk.greet()
    desk.copy(WORDS)
    # What was owned before may be offered first.
    wait_for(lambda: desk.fetch(TEXT) == WORDS, what="the new text is there")


def the_host_starts_again(desk: Desk) -> None:
    desk.host.hang_up()
    desk.host.send(wire.announce(True))
    desk.host.until(Port.ANNOUNCE)
    desk.copy(WORDS)
    assert TEXT in desk.offered()
    assert desk.fetch(TEXT) == WORDS


SCENARIOS = [
    text_to_the_viewer,
    text_to_the_guest,
    a_large_text_both_ways,
    images_both_ways,
    primary_both_ways,
    what_was_not_offered_is_empty,
    either_side_releases,
    the_viewer_leaves_and_another_comes,
    the_viewers_size_is_taken,
    two_files_at_once,
    an_empty_file_and_a_copy,
    names_that_lead_elsewhere,
    the_viewer_cancels_a_file,
    the_session_starts_again,
    the_daemon_starts_again,
    the_host_starts_again,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
@pytest.mark.parametrize(
    ("daemon", "session"), PAIRS, ids=[f"{d}-daemon,{s}-session" for d, s in PAIRS]
)
def test_pair(daemon: str, session: str, scenario: Callable[[Desk], None], tmp_path: Path) -> None:
    with Desk(tmp_path, daemon, session) as desk:
        desk.greet()
        scenario(desk)
        for process in (desk.rig.daemon, desk.session):
            assert process.poll() is None
        for log in ("daemon.log", "session.log"):
            assert faultless((tmp_path / log).read_text())


@pytest.mark.parametrize("daemon", ["ours", "C"])
def test_what_was_copied_before_the_viewer_came_is_offered_to_it(
    daemon: str, tmp_path: Path
) -> None:
    """By the daemon, or by the session if the daemon forgets."""
    with Desk(tmp_path, daemon, "ours") as desk:
        desk.greet()
        desk.copy(WORDS)
        assert TEXT in desk.offered()
        desk.host.send(wire.message(Port.CLIENT_DISCONNECTED, b"", wire.SERVER))
        desk.host.send(wire.announce(True))
        assert TEXT in desk.offered()
        assert desk.fetch(TEXT) == WORDS
