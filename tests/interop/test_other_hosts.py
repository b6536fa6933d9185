# SPDX-License-Identifier: MIT
"""Does the clipboard work with hosts that have ways of their own: UTM (CocoaSpice), Apple's framework?

The viewers are scripted after what is known of them; desktop, session and daemon are real. UTM's
viewer speaks through spice-gtk's library, so its handshake and serials are the usual ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.desk import Desk
from tests.support import wire
from tests.support.rig import Message
from tests.support.wire import BMP, JPG, PNG, TEXT, TIFF, Port, message, u32

IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300
NONE = 0
# Apple's host: no REPLY, no MONITORS_CONFIG, no GRAB_SERIAL.
BY_DEMAND, SELECTION = 1 << 5, 1 << 6


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path, "ours", "ours") as desk:
        yield desk


def from_the_guest(desk: Desk) -> dict[int, bytes]:
    """All five types asked for at once, as UTM does as soon as it hears of a copy."""
    asked = (TEXT, PNG, BMP, TIFF, JPG)
    desk.host.send(*(wire.request(type_) for type_ in asked))
    answers = [desk.host.until(Port.CLIPBOARD) for _ in asked]
    assert {answer[:4] for answer in answers} == {u32(0)}
    return {int.from_bytes(answer[4:8], "little"): answer[8:] for answer in answers}


def test_utm_asks_for_every_type_at_once(desk: Desk) -> None:
    desk.greet()
    desk.copy(b"words")
    assert TEXT in desk.offered()
    nothing = dict.fromkeys((PNG, BMP, TIFF, JPG), b"")
    assert from_the_guest(desk) == {TEXT: b"words"} | nothing
    desk.copy(IMAGE, "image/png")
    assert desk.offered() == [PNG]
    assert from_the_guest(desk) == {TEXT: b"", PNG: IMAGE, BMP: b"", TIFF: b"", JPG: b""}


def test_utm_offers_one_type_and_it_may_be_none(desk: Desk) -> None:
    desk.greet()
    desk.host.send(wire.grab(0, TEXT))
    desk.wait_offer("UTF8_STRING")
    desk.host.send(wire.grab(1, PNG))  # a picture with a caption: the picture counts
    desk.wait_offer("image/png")
    assert "UTF8_STRING" not in desk.targets()
    paste = desk.paste("image/png")
    desk.hand_over(IMAGE, PNG)
    assert desk.pasted(paste) == IMAGE
    desk.host.send(wire.grab(2, NONE))  # what it has no type for
    desk.wait_offer("image/png", gone=True)
    desk.host.send(wire.grab(3, TEXT))
    desk.wait_offer("UTF8_STRING")
    paste = desk.paste()
    desk.hand_over(b"text again", TEXT)
    assert desk.pasted(paste) == b"text again"
    desk.copy(b"and back")
    assert TEXT in desk.offered()
    assert desk.fetch(TEXT) == b"and back"


def test_utm_does_not_answer_where_it_has_nothing(desk: Desk) -> None:
    """A cleared pasteboard is announced as text; who pasted meanwhile gets what is copied next."""
    desk.greet()
    desk.host.send(wire.grab(0, TEXT))
    desk.wait_offer("UTF8_STRING")
    pastes = [desk.paste()]
    desk.host.until(Port.REQUEST)
    desk.host.send(wire.grab(1, TEXT))
    desk.host.fence()
    pastes.append(desk.paste())
    desk.hand_over(b"now there is", TEXT)
    assert [desk.pasted(paste) for paste in pastes] == [b"now there is"] * 2


@pytest.mark.parametrize("request_first", [True, False])
def test_apples_host(desk: Desk, request_first: bool) -> None:
    """Two capabilities and text, one announcement of ours; its grabs have no serials."""
    desk.host.expect(Port.ANNOUNCE)
    desk.host.send(wire.announce(request_first, BY_DEMAND | SELECTION))
    desk.host.send(message(Port.GRAB, u32(0, TEXT)))
    desk.wait_offer("UTF8_STRING")
    paste = desk.paste()
    while (msg := desk.host.message()) != Message(Port.REQUEST, u32(0, TEXT)):
        assert msg.type not in (Port.ANNOUNCE, Port.REPLY)
    desk.host.send(wire.clipboard(b"from the Mac"))
    assert desk.pasted(paste) == b"from the Mac"
    desk.copy(b"from the guest")
    body = desk.host.until(Port.GRAB)
    assert body[:4] == u32(0)
    assert TEXT in memoryview(body)[4:].cast("I").tolist()
    assert desk.fetch(TEXT) == b"from the guest"
