# SPDX-License-Identifier: MIT
"""Does the GNOME desktop outlive a locked screen, and does it speak with newer Mutters?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.backends.desks import Listener
from tests.support.buses import PrivateBus, private_bus
from tests.support.fake_mutter import NEW_CLIPBOARD, FakeMutter
from tests.support.waiting import until
from vdagent.backends.base import Format, Rect, Selection
from vdagent.backends.mutter import service
from vdagent.backends.mutter.desktop import MutterDesktop
from vdagent.errors import DesktopError

CLIPBOARD = Selection.CLIPBOARD
TEXT = Format.TEXT
UTF8 = "text/plain;charset=utf-8"


@asynccontextmanager
async def faked(bus: PrivateBus, fake: FakeMutter) -> AsyncIterator[tuple[MutterDesktop, Listener]]:
    listener = Listener()
    await fake.start(bus.address)
    desktop = MutterDesktop(bus.address, listener, listener, listener.lost.append)
    try:
        await desktop.open()
        desktop.deliver()
        yield desktop, listener
    finally:
        await desktop.close()
        fake.stop()


async def test_the_clipboard_interface_of_newer_mutters(tmp_path: Path) -> None:
    fake = FakeMutter()
    with private_bus(tmp_path) as bus:
        async with faked(bus, fake) as (desktop, listener):
            await until(lambda: fake.called("Enable"), "the clipboard enabled")
            assert fake.called("EnableClipboard") == 0
            fake.owner(UTF8, "image/png")
            await listener.heard(CLIPBOARD, TEXT, Format.PNG)
            fake.content = b"from the guest"
            assert await desktop.clipboard.read(CLIPBOARD, TEXT) == b"from the guest"
            listener.contents[CLIPBOARD, TEXT] = b"from the viewer"
            desktop.clipboard.offer(CLIPBOARD, [TEXT])
            await until(lambda: fake.called("SetSelection"), "the offer")
            assert fake.calls[-1][0] == NEW_CLIPBOARD
            fake.transfer(UTF8, 7)
            await until(lambda: fake.called("SelectionWriteDone"), "the paste done")
            assert fake.pasted() == b"from the viewer"
            assert fake.calls[-1][2] == [7, True]


async def test_a_locked_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is a signal: nobody waits for the next try."""
    monkeypatch.setattr(service, "FIRST_RETRY_S", 1000.0)
    fake = FakeMutter()
    fake.inhibited = True
    with private_bus(tmp_path) as bus:
        async with faked(bus, fake) as (desktop, listener):
            assert (await desktop.display.layout()).outputs[0].name == "Virtual-1"
            desktop.clipboard.offer(CLIPBOARD, [TEXT])
            with pytest.raises(DesktopError, match="no guest program owns"):
                await desktop.clipboard.read(CLIPBOARD, TEXT)
            fake.unlock()
            await until(lambda: fake.called("SetSelection"), "the offer")
            fake.owner(UTF8)
            await listener.heard(CLIPBOARD, TEXT)
            fake.lock()
            await until(lambda: desktop.clipboard._session is None, "shut out")
            with pytest.raises(DesktopError, match="has changed meanwhile"):
                await desktop.clipboard.read(CLIPBOARD, TEXT)
            desktop.clipboard.offer(CLIPBOARD, [TEXT])
            fake.unlock()
            await until(lambda: fake.called("SetSelection") == 2, "the newest offer")
            assert listener.lost == []


async def test_tries_get_rarer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    fake = FakeMutter()
    fake.inhibited = True
    rest = service.Service._rest

    async def noted(self: service.Service) -> None:
        waits.append(self._wait_s)
        await rest(self)

    monkeypatch.setattr(service.Service, "_rest", noted)
    monkeypatch.setattr(service, "LAST_RETRY_S", 0.4)
    with private_bus(tmp_path) as bus:
        async with faked(bus, fake):
            await until(lambda: len(waits) == 5, "five tries")
            assert waits == [0.1, 0.2, 0.4, 0.4, 0.4]
            fake.inhibited = False
            await until(lambda: fake.sessions == 1, "a session")


async def test_the_bus_goes(tmp_path: Path) -> None:
    fake = FakeMutter()
    with private_bus(tmp_path) as bus:
        async with faked(bus, fake) as (_, listener):
            bus.stop()
            await until(lambda: listener.lost, "the loss told")
            assert len(listener.lost) == 1


async def test_no_mutter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "OPEN_S", 0.1)
    listener = Listener()
    with private_bus(tmp_path) as bus:
        desktop = MutterDesktop(bus.address, listener, listener, listener.lost.append)
        with pytest.raises(DesktopError, match="is not on the session bus"):
            await desktop.open()
        assert listener.lost == []


async def test_a_policy_against_changing_the_monitors(tmp_path: Path) -> None:
    fake = FakeMutter()
    with private_bus(tmp_path) as bus:
        async with faked(bus, fake) as (desktop, _):
            await desktop.display.apply({"Virtual-1": Rect(1024, 768)})
            fake.may_configure = False
            with pytest.raises(DesktopError, match="policy"):
                await desktop.display.apply({"Virtual-1": Rect(1024, 768)})
            assert fake.called("ApplyMonitorsConfig") == 1


async def test_a_desktop_without_monitors_gets_one_later(tmp_path: Path) -> None:
    fake = FakeMutter()
    fake.is_lit = False
    with private_bus(tmp_path) as bus:
        async with faked(bus, fake) as (desktop, listener):
            with pytest.raises(DesktopError, match="on no monitor"):
                await desktop.display.layout()
            fake.light()
            await until(lambda: listener.layouts, "the monitor told")
            assert (await desktop.display.layout()).outputs[0].rect == Rect(1280, 720)
