# SPDX-License-Identifier: MIT
"""Does the session offer what either side copied, and answer every request? (desktop in memory)"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.clock import settle
from tests.support.waiting import until
from vdagent.backends.base import Format, Patience, Selection
from vdagent.backends.memory import MemoryClipboard
from vdagent.errors import DesktopError
from vdagent.handlers.clipboard import (
    FOREIGN_DAEMON_FIRST_S,
    MAX_READS,
    READ_S,
    ClipboardHandler,
)
from vdagent.protocol.messages import (
    ClientDisconnected,
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRelease,
    ClipboardRequest,
)

pytestmark = pytest.mark.virtual_time

CLIPBOARD, PRIMARY = Selection.CLIPBOARD, Selection.PRIMARY
TEXT, PNG, FILES = 1, 2, 6
GIVEN_UP_S = 0.1  # what is not answered until then


class Guest:
    """A session with its desktop, connected to a daemon that remembers what it was told."""

    def __init__(self, *, connected: bool = True) -> None:
        self.sent: list[Any] = []
        self.handler = ClipboardHandler(self.sent.append)
        self.desktop = MemoryClipboard(self.handler, Patience(first_s=GIVEN_UP_S / 2))
        self.handler.attach(self.desktop)
        if connected:
            self.handler.connected()

    async def copies(self, *formats: Format, selection: Selection = CLIPBOARD) -> None:
        self.desktop.copy(selection, {f: f.value.encode() for f in formats})
        await settle()

    async def paste(self, fmt: Format, selection: Selection = CLIPBOARD) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(self.desktop.paste(selection, fmt))
        await settle()
        return task

    def take(self) -> list[Any]:
        sent = self.sent[:]
        self.sent.clear()
        return sent


# -- the guest copies ----------------------------------------------------------------------------


async def test_a_copy_is_offered_with_its_types_in_order() -> None:
    guest = Guest()
    await guest.copies(Format.PNG, Format.TEXT, selection=PRIMARY)
    await guest.copies(Format.TEXT, selection=PRIMARY)
    assert guest.sent == [ClipboardGrab(1, (PNG, TEXT)), ClipboardGrab(1, (TEXT,))]


async def test_the_client_pastes_it() -> None:
    guest = Guest()
    await guest.copies(Format.TEXT, Format.PNG)
    guest.take()
    guest.handler.request(ClipboardRequest(0, PNG))
    guest.handler.request(ClipboardRequest(0, TEXT))
    await settle()
    assert guest.sent == [Clipboard(0, PNG, b"png"), Clipboard(0, TEXT, b"text")]


@pytest.mark.parametrize(
    ("selection", "type_"), [(0, PNG), (1, TEXT), (2, TEXT), (255, TEXT), (0, 0), (0, 99)]
)
async def test_what_was_never_offered_is_answered_empty(selection: int, type_: int) -> None:
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.take()
    guest.handler.request(ClipboardRequest(selection, type_))
    assert guest.sent == [Clipboard(selection, type_, b"")]


async def test_an_owner_that_never_answers_is_answered_for() -> None:
    guest = Guest()
    guest.desktop.copy(CLIPBOARD, {Format.TEXT: None})
    await settle()
    guest.take()
    guest.handler.request(ClipboardRequest(0, TEXT))
    await asyncio.sleep(GIVEN_UP_S)
    assert guest.sent == [Clipboard(0, TEXT, b"")]


async def test_a_fault_of_the_desktop_is_answered_for_too(
    caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.take()

    async def broken(selection: Selection, fmt: Format) -> bytes:
        raise ValueError("a bug")

    monkeypatch.setattr(guest.desktop, "read", broken)
    guest.handler.request(ClipboardRequest(0, TEXT))
    await settle()
    assert guest.sent == [Clipboard(0, TEXT, b"")]


async def test_a_flood_of_requests_is_answered() -> None:
    guest = Guest()
    guest.desktop.copy(CLIPBOARD, {Format.TEXT: None})
    await settle()
    guest.take()
    for _ in range(MAX_READS + 3):
        guest.handler.request(ClipboardRequest(0, TEXT))
    assert guest.sent == [Clipboard(0, TEXT, b"")] * 3
    await asyncio.sleep(GIVEN_UP_S)
    assert len(guest.sent) == MAX_READS + 3


async def test_an_owner_that_drips_does_not_keep_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte in time, and never the last."""
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.take()

    async def drip(selection: Selection, fmt: Format) -> bytes:
        never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        return await never

    monkeypatch.setattr(guest.desktop, "read", drip)
    for _ in range(MAX_READS):
        guest.handler.request(ClipboardRequest(0, TEXT))
    await until(lambda: len(guest.sent) == MAX_READS, timeout_s=READ_S + 1)
    assert guest.take() == [Clipboard(0, TEXT, b"")] * MAX_READS
    await settle()  # a read gives its place back when its task is done: a step after its answer
    monkeypatch.undo()
    guest.handler.request(ClipboardRequest(0, TEXT))
    await settle()
    assert guest.sent == [Clipboard(0, TEXT, b"text")]


async def test_an_owner_that_exits_releases() -> None:
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.desktop.exit(CLIPBOARD)
    await settle()
    assert guest.sent == [ClipboardGrab(0, (TEXT,)), ClipboardRelease(0)]
    guest.handler.on_owner_changed(CLIPBOARD, ())
    assert len(guest.sent) == 2


async def test_something_unsupported_releases_what_it_replaced() -> None:
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.handler.on_owner_changed(CLIPBOARD, ())
    assert guest.sent[-1] == ClipboardRelease(0)
    guest.handler.request(ClipboardRequest(0, TEXT))
    assert guest.sent[-1] == Clipboard(0, TEXT, b"")


# -- the client copies ---------------------------------------------------------------------------


async def test_the_guest_pastes_what_the_client_copied() -> None:
    guest = Guest()
    guest.handler.grab(ClipboardGrab(0, (PNG, TEXT)))
    assert guest.desktop.offered(CLIPBOARD) == (Format.PNG, Format.TEXT)
    assert guest.sent == []  # nothing is fetched before somebody pastes
    task = await guest.paste(Format.TEXT)
    assert guest.sent == [ClipboardRequest(0, TEXT)]
    guest.handler.data(Clipboard(0, TEXT, b"text"))
    assert await task == b"text"


async def test_a_large_one() -> None:
    guest = Guest()
    guest.handler.grab(ClipboardGrab(1, (TEXT,)))
    task = await guest.paste(Format.TEXT, PRIMARY)
    guest.handler.begin(ClipboardBegin(1, TEXT, 4))
    guest.handler.part(ClipboardPart([memoryview(b"te"), memoryview(b"xt")]))
    guest.handler.end(ClipboardEnd())
    assert await task == b"text"


async def test_a_terminating_nul_is_not_text() -> None:
    guest = Guest()
    guest.handler.grab(ClipboardGrab(0, (TEXT, PNG)))
    task = await guest.paste(Format.TEXT)
    guest.handler.data(Clipboard(0, TEXT, b"text\0"))
    assert bytes(await task) == b"text"
    image = await guest.paste(Format.PNG)
    guest.handler.data(Clipboard(0, PNG, b"image\0"))
    assert bytes(await image) == b"image\0"


async def test_types_we_do_not_know_are_left_out() -> None:
    guest = Guest()
    guest.handler.grab(ClipboardGrab(0, (99, TEXT, TEXT, 0)))
    assert guest.desktop.offered(CLIPBOARD) == (Format.TEXT,)
    guest.handler.grab(ClipboardGrab(0, (99,)))
    assert guest.desktop.offered(CLIPBOARD) == ()


@pytest.mark.parametrize("end", ["release", "client", "daemon"])
async def test_a_client_that_goes_ends_pastes_and_offers(end: str) -> None:
    guest = Guest()
    for selection in (0, 1):
        guest.handler.grab(ClipboardGrab(selection, (TEXT,)))
    task = await guest.paste(Format.TEXT)
    if end == "release":
        guest.handler.release(ClipboardRelease(0))
    elif end == "client":
        guest.handler.client_disconnected()
    else:
        guest.handler.disconnected()
    assert await task == b""
    assert guest.desktop.offered(CLIPBOARD) == ()
    assert bool(guest.desktop.offered(PRIMARY)) == (end == "release")
    with pytest.raises(DesktopError):
        await guest.desktop.paste(CLIPBOARD, Format.TEXT)


async def test_either_side_copies_over_the_other() -> None:
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.handler.grab(ClipboardGrab(0, (PNG,)))
    guest.take()
    guest.handler.request(ClipboardRequest(0, TEXT))
    assert guest.take() == [Clipboard(0, TEXT, b"")]
    await guest.copies(Format.TEXT)
    assert guest.take() == [ClipboardGrab(0, (TEXT,))]
    guest.handler.release(ClipboardRelease(0))
    assert await guest.desktop.read(CLIPBOARD, Format.TEXT) == b"text"


@pytest.mark.parametrize("selection", [2, 255])
async def test_other_selections_are_ignored(selection: int) -> None:
    guest = Guest()
    guest.handler.grab(ClipboardGrab(selection, (TEXT,)))
    guest.handler.release(ClipboardRelease(selection))
    guest.handler.data(Clipboard(selection, TEXT, b"x"))
    assert guest.sent == []


# -- the daemon comes and goes -------------------------------------------------------------------


async def test_what_the_guest_has_is_told_to_every_daemon() -> None:
    guest = Guest(connected=False)
    await guest.copies(Format.TEXT)
    assert guest.sent == []
    for _ in range(2):
        guest.handler.connected()
        assert guest.take() == [ClipboardGrab(0, (TEXT,))]
        guest.handler.disconnected()


async def test_a_daemon_that_is_gone_is_told_nothing() -> None:
    guest = Guest()
    guest.desktop.copy(CLIPBOARD, {Format.TEXT: None})
    await settle()
    guest.take()
    guest.handler.request(ClipboardRequest(0, TEXT))
    await settle()
    guest.handler.disconnected()
    await asyncio.sleep(GIVEN_UP_S)
    assert guest.sent == []


async def test_a_foreign_daemon_is_given_longer() -> None:
    guest = Guest()
    guest.handler.daemon_is_foreign()
    assert guest.handler._pastes.patience.first_s == FOREIGN_DAEMON_FIRST_S
    guest.handler.disconnected()
    guest.handler.connected()
    assert guest.handler._pastes.patience == Patience()


async def test_a_foreign_daemon_is_told_the_guests_offer_again_for_the_next_client() -> None:
    """It throws away what comes before its client is there, and says "disconnected" when one comes."""
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.take()
    guest.handler.client_disconnected(ClientDisconnected())
    guest.handler.client_came()
    assert guest.take() == []  # ours offers it itself
    guest.handler.daemon_is_foreign()
    guest.handler.client_disconnected(ClientDisconnected())
    assert guest.take() == [ClipboardGrab(0, (TEXT,))]
    guest.handler.client_came()
    assert guest.take() == [ClipboardGrab(0, (TEXT,))]
