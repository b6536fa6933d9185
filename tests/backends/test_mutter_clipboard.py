# SPDX-License-Identifier: MIT
"""Does GNOME's clipboard pass both ways, lazily, and through locks, crashes and rude programs?"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.backends.desks import IMPATIENT
from tests.backends.mutter_desks import MutterApp, MutterDesk, mutter_desk, open_mutter_desk
from tests.backends.test_clipboard_contract import digest, noise, paste_when_offered
from tests.support.compositors import mutter
from tests.support.waiting import until
from vdagent.backends.base import Format, Patience, Selection
from vdagent.backends.mutter import service
from vdagent.errors import DesktopError

CLIPBOARD, PRIMARY = Selection.CLIPBOARD, Selection.PRIMARY
TEXT, PNG, BMP = Format.TEXT, Format.PNG, Format.BMP
UTF8 = "text/plain;charset=utf-8"
HINT = "x-kde-passwordManagerHint"


async def owned(desk: MutterDesk) -> None:
    """Wait until Mutter has been told of the viewer's offer."""
    await until(lambda: desk.clipboard._owns and is_settled(desk), "the offer made")


def is_settled(desk: MutterDesk) -> bool:
    """Whether Mutter has been told all there is."""
    settling = desk.clipboard._settling
    return settling is not None and settling.done()


async def test_the_viewer_is_asked_when_something_pastes(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        assert desk.clipboard.selections == {CLIPBOARD}
        for formats in ([TEXT, PNG], [PNG], [BMP, TEXT], [Format.FILES]):
            desk.clipboard.offer(CLIPBOARD, formats)
            await owned(desk)
        assert desk.listener.pastes == 0, "Mutter's own read is no paste"
        desk.listener.contents[CLIPBOARD, Format.FILES] = b"file:///a\r\n"
        assert await desk.guest.paste(CLIPBOARD, Format.FILES) == b"file:///a\r\n"
        assert desk.listener.pastes == 1
        desk.clipboard.release(CLIPBOARD)
        app = await desk.guest.start_app()
        await app.own({UTF8: b"a sign"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        assert len(desk.listener.owners) == 1, "nor is what Mutter kept of it a copy"


async def test_what_mutter_keeps_of_the_viewers_text_is_not_told(tmp_path: Path) -> None:
    """When the session ends by itself, as for a lock screen, the offer comes back."""
    async with open_mutter_desk(tmp_path) as desk:
        desk.listener.contents[CLIPBOARD, TEXT] = b"from the viewer"
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await owned(desk)
        desk.clipboard.on_closed()
        await until(lambda: desk.clipboard._session is None, "the session ended")
        assert await paste_when_offered(desk, CLIPBOARD, TEXT) in (b"", b"from the viewer")
        await owned(desk)
        assert await desk.guest.paste(CLIPBOARD, TEXT) == b"from the viewer"
        assert desk.listener.owners == []


async def test_a_guest_copy_outlives_our_session_and_its_owner(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        app = await desk.guest.start_app()
        await app.own({"image/png": b"picture", UTF8: b"text"})
        await desk.listener.heard(CLIPBOARD, PNG, TEXT)
        desk.clipboard.on_closed()
        await until(lambda: desk.clipboard._session is None, "the session ended")
        with pytest.raises(DesktopError):
            await desk.clipboard.read(CLIPBOARD, TEXT)
        await until(lambda: desk.clipboard._session, "the session back")
        assert await desk.clipboard.read(CLIPBOARD, PNG) == b"picture"
        assert len(desk.listener.owners) == 1
        app.close()
        await desk.listener.heard(CLIPBOARD, TEXT)  # what Mutter kept
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"text"
        assert len(desk.listener.owners) == 2


async def test_an_owner_that_goes_with_everything(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        app = await desk.guest.start_app()
        await app.own({"text/uri-list": b"file:///a\r\n"})  # Mutter keeps no copy of these
        await desk.listener.heard(CLIPBOARD, Format.FILES)
        app.close()
        await desk.listener.heard(CLIPBOARD)
        with pytest.raises(DesktopError, match="no guest program owns"):
            await desk.clipboard.read(CLIPBOARD, Format.FILES)


async def test_a_copy_made_while_we_were_shut_out_counts(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await owned(desk)
        desk.clipboard.on_closed()
        await until(lambda: desk.clipboard._session is None, "the session ended")
        app = await desk.guest.start_app()
        await app.own({"image/png": b"picture", UTF8: b"text"})
        await desk.listener.heard(CLIPBOARD, PNG, TEXT)
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"text"


async def test_the_newest_of_a_hundred_copies_in_a_burst(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        app = await desk.guest.start_app()
        for number in range(100):
            await app.own({UTF8: b"copy %d" % number})

        async with asyncio.timeout(10):
            while len(desk.listener.owners) < 100:
                await asyncio.sleep(0.01)
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"copy 99"
        assert set(desk.listener.owners) == {(CLIPBOARD, (TEXT,))}


async def test_the_last_of_a_hundred_offers_in_a_burst(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        desk.listener.contents[CLIPBOARD, PNG] = b"picture"
        for _ in range(100):
            desk.clipboard.offer(CLIPBOARD, [TEXT])
            await asyncio.sleep(0)
        desk.clipboard.offer(CLIPBOARD, [PNG])
        await owned(desk)
        assert await desk.guest.paste(CLIPBOARD, PNG) == b"picture"
        assert desk.listener.owners == []


async def test_copies_and_offers_at_once_agree_on_the_owner(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        app = await desk.guest.start_app()
        for number in range(30):
            copy = asyncio.create_task(app.own({UTF8: b"%d" % number}))
            desk.listener.owners.clear()
            for _ in range(number % 7):
                await asyncio.sleep(0.001)
            desk.clipboard.offer(CLIPBOARD, [PNG])
            await copy
            await until(lambda: is_settled(desk), "settled")
            assert desk.clipboard._owns or await copied(desk, b"%d" % number)


async def copied(desk: MutterDesk, text: bytes) -> bool:
    await desk.listener.heard(CLIPBOARD, TEXT)
    return bytes(await desk.clipboard.read(CLIPBOARD, TEXT)) == text


async def test_many_pastes_at_once(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        contents = {TEXT: noise(1000), PNG: noise(3_000_000)}
        for fmt, data in contents.items():
            desk.listener.contents[CLIPBOARD, fmt] = data
        desk.clipboard.offer(CLIPBOARD, list(contents))
        await owned(desk)
        desk.listener.gate = asyncio.Event()
        readers = [await desk.guest.start_app() for _ in range(20)]
        wanted = [(UTF8, TEXT), ("image/png", PNG)] * 10
        reads = [
            asyncio.create_task(app.read(mime_type))
            for app, (mime_type, _) in zip(readers, wanted, strict=True)
        ]
        await until(lambda: desk.listener.pastes == 20, "all twenty asked")
        desk.clipboard.offer(CLIPBOARD, [BMP])  # those that wait go on
        await owned(desk)
        desk.listener.gate.set()
        for (_, fmt), pasted in zip(wanted, await asyncio.gather(*reads), strict=True):
            assert digest(pasted) == digest(contents[fmt])


async def test_reads_that_follow_each_other_at_once(tmp_path: Path) -> None:
    """Each begins when the pipe of the one before ends, which Mutter may not have noticed yet."""
    async with open_mutter_desk(tmp_path) as desk:
        app = await desk.guest.start_app()
        await app.own({UTF8: b"text"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        for _ in range(1000):
            assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"text"


async def test_a_silent_owner_keeps_nobody_waiting_for_long(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path, IMPATIENT) as desk:
        app = await desk.guest.start_app()
        contents = {UTF8: b"text", "image/png": b"half a picture", "image/bmp": b"bmp"}
        await app.own(contents, mute=[UTF8], stall=["image/png"])
        await desk.listener.heard(CLIPBOARD, TEXT, PNG, BMP)
        reads = [
            asyncio.create_task(desk.clipboard.read(CLIPBOARD, fmt)) for fmt in (TEXT, BMP, PNG)
        ]
        for read in reads:
            with pytest.raises(DesktopError, match="does not answer"):
                await read
        assert await desk.clipboard.read(CLIPBOARD, BMP) == b"bmp"
        with pytest.raises(DesktopError, match="stopped after 7 bytes"):
            await desk.clipboard.read(CLIPBOARD, PNG)
        assert await desk.clipboard.read(CLIPBOARD, BMP) == b"bmp"


async def test_a_silent_owner_does_not_hold_up_the_next_one(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path, Patience(first_s=30.0)) as desk:
        app, other = await desk.guest.start_app(), await desk.guest.start_app()
        await app.own({"image/png": b"picture"}, mute=["image/png"])
        await desk.listener.heard(CLIPBOARD, PNG)
        stuck = asyncio.create_task(desk.clipboard.read(CLIPBOARD, PNG))
        await until(lambda: app.asked == ["image/png"] * 2, "Mutter and we have asked")
        await other.own({UTF8: b"text"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        assert not stuck.done()
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"text"
        with pytest.raises(DesktopError, match="has another owner"):
            await stuck


async def test_a_paste_that_is_given_up_harms_nobody(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        data = noise(20_000_000)
        desk.listener.contents[CLIPBOARD, PNG] = data
        desk.clipboard.offer(CLIPBOARD, [PNG])
        await owned(desk)
        reader = await desk.guest.start_app()
        fd = await reader.pipe("image/png")
        await until(lambda: desk.listener.pastes, "the paste asked")
        os.close(fd)
        await until(lambda: not desk.clipboard._pastes, "the paste ended")
        assert digest(await desk.guest.paste(CLIPBOARD, PNG)) == digest(data)


@pytest.mark.before("mutter", 49)
async def test_a_stuck_reader_is_given_up(tmp_path: Path) -> None:
    """Mutter 50 itself stands still while a program does not read."""
    async with open_mutter_desk(tmp_path, Patience(first_s=0.5)) as desk:
        desk.listener.contents[CLIPBOARD, PNG] = noise(20_000_000)
        desk.listener.contents[CLIPBOARD, TEXT] = b"text"
        desk.clipboard.offer(CLIPBOARD, [PNG, TEXT])
        await owned(desk)
        reader = await desk.guest.start_app()
        fd = await reader.pipe("image/png")
        await until(lambda: desk.listener.pastes, "the paste asked")
        assert await desk.guest.paste(CLIPBOARD, TEXT) == b"text"
        await until(lambda: not desk.clipboard._pastes, "the stuck paste given up")
        os.close(fd)


async def test_a_password_is_told_to_be_one(tmp_path: Path) -> None:
    async with open_mutter_desk(tmp_path) as desk:
        app = await desk.guest.start_app()
        await app.own({UTF8: b"hunter2", "image/png": b"hunter2", HINT: b"secret"})
        await desk.listener.heard(CLIPBOARD, TEXT, PNG)
        assert desk.listener.secret
        app.close()  # Mutter goes on with the text, without the hint
        await desk.listener.heard(CLIPBOARD, TEXT)
        assert desk.listener.secret
        other = await desk.guest.start_app()
        await until(lambda: other.owners[-1:] == [(UTF8,)], "Mutter's copy")
        await other.own({UTF8: b"a name", HINT: b"public"})
        await until(lambda: not desk.listener.secret, "the name told")
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"a name"
        await other.own({UTF8: b"hunter3", HINT: b"secret"}, mute=[HINT])
        # A hint that does not come counts as one.
        await until(lambda: desk.listener.secret, "the secret told")


async def test_mutter_comes_back(tmp_path: Path) -> None:
    with mutter(tmp_path) as compositor:
        async with mutter_desk(compositor) as desk:
            await desk.guest.copy(CLIPBOARD, {TEXT: b"lost"})
            await desk.listener.heard(CLIPBOARD, TEXT)
            compositor.kill()
            await desk.listener.heard(CLIPBOARD)
            with pytest.raises(DesktopError, match="no guest program owns"):
                await desk.clipboard.read(CLIPBOARD, TEXT)
            desk.listener.contents[CLIPBOARD, TEXT] = b"offered meanwhile"
            desk.clipboard.offer(CLIPBOARD, [TEXT])
            await asyncio.to_thread(compositor.restart)
            await owned(desk)
            async with mutter_desk(compositor) as again:
                assert await paste_when_offered(desk, CLIPBOARD, TEXT) == b"offered meanwhile"
                await again.guest.copy(CLIPBOARD, {TEXT: b"from the guest"})
                await desk.listener.heard(CLIPBOARD, TEXT)
                assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"from the guest"
            assert desk.listener.lost == []


async def test_mutter_stays_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "GIVE_UP_S", 0.3)
    with mutter(tmp_path) as compositor:
        async with mutter_desk(compositor) as desk:
            compositor.kill()
            await until(lambda: desk.listener.lost, "the loss told")
            await asyncio.sleep(0)
            assert len(desk.listener.lost) == 1


async def test_an_owner_from_before_us_is_told(tmp_path: Path) -> None:
    with mutter(tmp_path) as compositor:
        async with mutter_desk(compositor) as first:
            app = await MutterApp.start(compositor)
            await app.own({UTF8: b"earlier"})
            await first.listener.heard(CLIPBOARD, TEXT)
            async with mutter_desk(compositor) as second:
                await second.listener.heard(CLIPBOARD, TEXT)
                assert await second.clipboard.read(CLIPBOARD, TEXT) == b"earlier"
            app.close()
