# SPDX-License-Identifier: MIT
"""Does only that pass between viewer and guest which the policy lets pass, also when it changes?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.clock import settle
from tests.unit.handlers.fakes import desktop
from tests.unit.handlers.routing import Setup
from tests.unit.handlers.test_clipboard import Guest
from vdagent.backends.base import Format, Login, Selection
from vdagent.handlers.policy import ClipboardPolicy, Direction
from vdagent.protocol.messages import (
    Clipboard,
    ClipboardBegin,
    ClipboardGrab,
    ClipboardRelease,
    ClipboardRequest,
)

CLIPBOARD, PRIMARY = Selection.CLIPBOARD, Selection.PRIMARY
TEXT, PNG = 1, 2
OFF, TO_GUEST, TO_HOST, BOTH = Direction.OFF, Direction.TO_GUEST, Direction.TO_HOST, Direction.BOTH


def policy(way: Direction, **more: Any) -> ClipboardPolicy:
    return ClipboardPolicy(clipboard=way, primary=way, **more)


# -- the session ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [OFF, TO_GUEST, TO_HOST, BOTH])
@pytest.mark.parametrize("selection", [CLIPBOARD, PRIMARY])
async def test_the_directions(way: Direction, selection: Selection) -> None:
    guest = Guest()
    guest.handler.set_policy(policy(way))
    await guest.copies(Format.TEXT, selection=selection)
    guest.handler.request(ClipboardRequest(selection, TEXT))
    await settle()
    answer = [Clipboard(selection, TEXT, b"text" if TO_HOST in way else b"")]
    grabs = [ClipboardGrab(selection, (TEXT,))] if TO_HOST in way else []
    assert guest.take() == grabs + answer
    guest.handler.grab(ClipboardGrab(selection, (TEXT,)))
    assert guest.desktop.offered(selection) == ((Format.TEXT,) if TO_GUEST in way else ())
    if TO_GUEST not in way:
        assert bytes(await guest.desktop.paste(selection, Format.TEXT)) == b"text"  # its own copy


async def test_each_selection_has_its_own_direction() -> None:
    guest = Guest()
    guest.handler.set_policy(ClipboardPolicy(clipboard=TO_HOST, primary=TO_GUEST))
    for selection in Selection:
        await guest.copies(Format.TEXT, selection=selection)
        guest.handler.grab(ClipboardGrab(selection, (TEXT,)))
    assert guest.sent == [ClipboardGrab(CLIPBOARD, (TEXT,))]
    assert guest.desktop.offered(CLIPBOARD) == ()
    assert guest.desktop.offered(PRIMARY) == (Format.TEXT,)


async def test_switching_it_withdraws_and_offers_what_is_there() -> None:
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.handler.set_policy(policy(TO_GUEST))
    assert guest.take() == [ClipboardGrab(0, (TEXT,)), ClipboardRelease(0)]
    guest.handler.set_policy(policy(TO_HOST))
    assert guest.take() == [ClipboardGrab(0, (TEXT,))]
    guest.handler.set_policy(policy(BOTH))
    guest.handler.grab(ClipboardGrab(0, (TEXT,)))
    assert guest.desktop.offered(CLIPBOARD) == (Format.TEXT,)
    guest.handler.set_policy(policy(TO_HOST))
    assert guest.desktop.offered(CLIPBOARD) == ()
    guest.handler.set_policy(policy(TO_GUEST))
    assert guest.desktop.offered(CLIPBOARD) == (Format.TEXT,)
    assert guest.take() == []


async def test_a_copy_that_was_kept_in_is_not_offered_over_a_newer_one_of_the_viewer() -> None:
    guest = Guest()
    guest.handler.set_policy(policy(OFF))
    await guest.copies(Format.TEXT)
    guest.handler.grab(ClipboardGrab(0, (PNG,)))
    guest.handler.set_policy(policy(TO_HOST))
    assert guest.sent == []
    guest.handler.set_policy(policy(BOTH))
    assert guest.sent == []
    assert guest.desktop.offered(CLIPBOARD) == (Format.PNG,)


async def test_a_paste_under_way_ends_empty_when_it_is_switched_off() -> None:
    guest = Guest()
    guest.handler.grab(ClipboardGrab(0, (TEXT,)))
    task = await guest.paste(Format.TEXT)
    guest.handler.set_policy(policy(OFF))
    guest.handler.data(Clipboard(0, TEXT, b"late"))
    assert await task == b""


async def test_a_read_under_way_ends_empty_when_it_is_switched_off() -> None:
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.take()
    guest.handler.request(ClipboardRequest(0, TEXT))
    guest.handler.set_policy(policy(OFF))
    await settle()
    assert guest.sent == [ClipboardRelease(0), Clipboard(0, TEXT, b"")]


async def test_types() -> None:
    guest = Guest()
    guest.handler.set_policy(ClipboardPolicy(types=frozenset({TEXT})))
    await guest.copies(Format.PNG, Format.TEXT)
    guest.handler.request(ClipboardRequest(0, PNG))
    assert guest.take() == [ClipboardGrab(0, (TEXT,)), Clipboard(0, PNG, b"")]
    guest.handler.grab(ClipboardGrab(0, (PNG, TEXT)))
    assert guest.desktop.offered(CLIPBOARD) == (Format.TEXT,)


async def test_sizes() -> None:
    guest = Guest()
    guest.handler.set_policy(ClipboardPolicy(max_bytes=4))
    await guest.copies(Format.TEXT, Format.JPEG)
    guest.take()
    for type_ in (TEXT, 5):
        guest.handler.request(ClipboardRequest(0, type_))
        await settle()
    assert guest.take() == [Clipboard(0, TEXT, b"text"), Clipboard(0, 5, b"jpeg")]
    guest.handler.set_policy(ClipboardPolicy(max_bytes=3))
    guest.handler.request(ClipboardRequest(0, TEXT))
    await settle()
    assert guest.take() == [Clipboard(0, TEXT, b"")]
    guest.handler.grab(ClipboardGrab(0, (TEXT,)))
    whole = await guest.paste(Format.TEXT)
    guest.handler.data(Clipboard(0, TEXT, b"1234"))
    assert await whole == b""
    parts = await guest.paste(Format.TEXT)
    guest.handler.begin(ClipboardBegin(0, TEXT, 4))
    assert await parts == b""


async def test_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.take()
    guest.desktop.copy(CLIPBOARD, {Format.TEXT: b"hunter2"}, secret=True)
    await settle()
    guest.handler.request(ClipboardRequest(0, TEXT))
    assert guest.take() == [ClipboardRelease(0), Clipboard(0, TEXT, b"")]
    assert "secret stays in the guest" in caplog.text
    assert "hunter2" not in caplog.text
    guest.handler.connected()
    assert guest.take() == []
    guest.handler.set_policy(ClipboardPolicy(secrets=True))
    guest.handler.request(ClipboardRequest(0, TEXT))
    await settle()
    assert guest.take() == [ClipboardGrab(0, (TEXT,)), Clipboard(0, TEXT, b"hunter2")]


async def test_a_secret_that_came_while_another_copy_was_read_stays(monkeypatch: Any) -> None:
    guest = Guest()
    await guest.copies(Format.TEXT)
    guest.take()

    async def read(selection: Selection, fmt: Format) -> bytes:
        guest.handler.on_owner_changed(selection, [Format.TEXT], True)
        return b"hunter2"

    monkeypatch.setattr(guest.desktop, "read", read)
    guest.handler.request(ClipboardRequest(0, TEXT))
    await settle()
    assert guest.sent == [ClipboardRelease(0), Clipboard(0, TEXT, b"")]


# -- the daemon, where it is locked --------------------------------------------------------------


@pytest.fixture
def s() -> Setup:
    return Setup()


def copies(s: Setup) -> None:
    s.routing.agent_grab(s.a, ClipboardGrab(0, (TEXT,)))


def test_locked_out_of_the_guest(s: Setup) -> None:
    s.routing.set_policy(policy(TO_GUEST))
    copies(s)
    s.routing.host_request(ClipboardRequest(0, TEXT))
    assert s.host.take() == [Clipboard(0, TEXT, b"")]
    assert s.a.take() == []
    s.routing.host_grab(ClipboardGrab(0, (TEXT,)))
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    s.routing.host_data(Clipboard(0, TEXT, b"in"))
    assert s.a.take() == [ClipboardGrab(0, (TEXT,)), Clipboard(0, TEXT, b"in")]


def test_locked_out_of_the_viewer(s: Setup) -> None:
    s.routing.set_policy(policy(TO_HOST))
    s.routing.host_grab(ClipboardGrab(0, (TEXT,)))
    s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
    assert s.a.take() == [ClipboardRelease(0), Clipboard(0, TEXT, b"")]
    assert s.host.take() == []
    copies(s)
    assert s.host.take() == [ClipboardGrab(0, (TEXT,))]


def test_locks_that_change(s: Setup) -> None:
    copies(s)
    s.host.take()
    s.routing.set_policy(policy(OFF))
    assert s.host.take() == [ClipboardRelease(0)]
    s.routing.set_policy(policy(BOTH))
    assert s.host.take() == [ClipboardGrab(0, (TEXT,))]
    s.routing.host_grab(ClipboardGrab(0, (TEXT, PNG)))
    s.a.take()
    s.routing.set_policy(ClipboardPolicy(types=frozenset({PNG})))
    assert s.a.take() == [ClipboardGrab(0, (PNG,))]
    s.routing.set_policy(ClipboardPolicy(types=frozenset({PNG})))
    assert s.a.take() == s.host.take() == []


def test_the_locked_size(s: Setup) -> None:
    s.routing.set_policy(ClipboardPolicy(max_bytes=3))
    copies(s)
    answers: tuple[Callable[[], None], ...] = (
        lambda: s.routing.agent_data(s.a, Clipboard(0, TEXT, b"1234")),
        lambda: s.routing.agent_begin(s.a, ClipboardBegin(0, TEXT, 4)),
    )
    for answer in answers:
        s.routing.host_request(ClipboardRequest(0, TEXT))
        s.host.take()
        answer()
        assert s.host.take() == [Clipboard(0, TEXT, b"")]
    s.routing.host_grab(ClipboardGrab(0, (TEXT,)))
    answers = (
        lambda: s.routing.host_data(Clipboard(0, TEXT, b"1234")),
        lambda: s.routing.host_begin(ClipboardBegin(0, TEXT, 4)),
    )
    for answer in answers:
        s.routing.agent_request(s.a, ClipboardRequest(0, TEXT))
        s.a.take()
        answer()
        assert s.a.take() == [Clipboard(0, TEXT, b"")]


def test_sharing_while_locked(s: Setup) -> None:
    s.a.login = Login("one", is_user=True, locked=True)
    s.sessions.decide()
    assert s.sessions.sharing is None
    s.sessions.share_while_locked(True)
    assert s.sessions.sharing is s.a
    s.a.login.is_user = False  # a greeter shares nothing, whatever is configured
    s.sessions.decide()
    assert s.sessions.sharing is None
    s.sessions.reported(s.a, desktop())
    s.a.login.is_user = True
    s.sessions.share_while_locked(False)
    assert s.sessions.sharing is None
