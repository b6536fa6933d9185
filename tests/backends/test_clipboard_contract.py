# SPDX-License-Identifier: MIT
"""Does every desktop keep the promises of `base.Clipboard`?"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.backends.desks import IMPATIENT, ClipboardDesk, open_desk
from tests.support.waiting import until
from vdagent.backends.base import Format, Patience, Selection
from vdagent.errors import DesktopError

CLIPBOARD, PRIMARY = Selection.CLIPBOARD, Selection.PRIMARY
TEXT, PNG, BMP, TIFF, JPEG = Format.TEXT, Format.PNG, Format.BMP, Format.TIFF, Format.JPEG

desktops = pytest.mark.parametrize("kind", ["memory", "xvfb", "sway", "kwin", "gnome"])
# Mutter keeps what an owner that exits had, and lets wl-paste see it only while that has the focus.
not_gnome = pytest.mark.parametrize("kind", ["memory", "xvfb", "sway", "kwin"])


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def digest(data: bytes | bytearray | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


@desktops
@pytest.mark.parametrize("selection", list(Selection))
async def test_text_from_the_viewer(kind: str, selection: Selection, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        text = "grüße 🐧\nzweite Zeile\n".encode()
        desk.listener.contents[selection, TEXT] = text
        desk.clipboard.offer(selection, [TEXT])
        assert await paste_when_offered(desk, selection, TEXT) == text
        assert desk.listener.pastes == 1
        assert desk.listener.owners == []  # no echo of our own offer


async def paste_when_offered(desk: ClipboardDesk, selection: Selection, fmt: Format) -> bytes:
    """Paste, again until the offer has reached the desktop."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await desk.guest.paste(selection, fmt)
            except DesktopError:
                await asyncio.sleep(0.01)


@desktops
@pytest.mark.parametrize("fmt", [PNG, BMP, TIFF, JPEG])
async def test_images_both_ways(kind: str, fmt: Format, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        image = noise(70_001)
        desk.listener.contents[CLIPBOARD, fmt] = image
        desk.clipboard.offer(CLIPBOARD, [fmt])
        assert await paste_when_offered(desk, CLIPBOARD, fmt) == image
        await desk.guest.copy(CLIPBOARD, {fmt: image})
        await desk.listener.heard(CLIPBOARD, fmt)
        assert await desk.clipboard.read(CLIPBOARD, fmt) == image


@desktops
@pytest.mark.parametrize("size", [0, 1, 262_076, 262_077, 10_000_000, 50_000_000])
async def test_sizes_from_the_viewer(kind: str, size: int, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        data = noise(size)
        desk.listener.contents[CLIPBOARD, TEXT] = data
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        pasted = await paste_when_offered(desk, CLIPBOARD, TEXT)
        assert (len(pasted), digest(pasted)) == (size, digest(data))


@desktops
@pytest.mark.parametrize("size", [0, 1, 99_999, 10_000_000, 50_000_000])
async def test_sizes_from_the_guest(kind: str, size: int, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        data = noise(size)
        await desk.guest.copy(CLIPBOARD, {PNG: data})
        await desk.listener.heard(CLIPBOARD, PNG)
        read = await desk.clipboard.read(CLIPBOARD, PNG)
        assert (len(read), digest(read)) == (size, digest(data))


@desktops
async def test_formats_in_the_owners_order(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        await desk.guest.copy(PRIMARY, {PNG: b"png", TEXT: b"text", BMP: b"bmp"})
        await desk.listener.heard(PRIMARY, PNG, TEXT, BMP)
        reads = [desk.clipboard.read(PRIMARY, fmt) for fmt in (TEXT, BMP, PNG)]
        assert [bytes(data) for data in await asyncio.gather(*reads)] == [b"text", b"bmp", b"png"]
        with pytest.raises(DesktopError):
            await desk.clipboard.read(PRIMARY, TIFF)
        with pytest.raises(DesktopError):
            await desk.clipboard.read(CLIPBOARD, TEXT)


@desktops
async def test_the_selections_are_independent(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        desk.listener.contents[CLIPBOARD, TEXT] = b"from the viewer"
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await desk.guest.copy(PRIMARY, {TEXT: b"from the guest"})
        await desk.listener.heard(PRIMARY, TEXT)
        assert await desk.clipboard.read(PRIMARY, TEXT) == b"from the guest"
        assert await paste_when_offered(desk, CLIPBOARD, TEXT) == b"from the viewer"
        with pytest.raises(DesktopError):
            await desk.clipboard.read(CLIPBOARD, TEXT)


async def told(desk: ClipboardDesk, owners: Sequence[object]) -> None:
    """Wait until the viewer has heard of these owners, and of no other."""
    await until(lambda: desk.listener.owners == owners, f"{owners} told")


@desktops
async def test_every_copy_is_told(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        for number in range(1, 4):
            await desk.guest.copy(CLIPBOARD, {TEXT: b"%d" % number})
            await told(desk, [(CLIPBOARD, (TEXT,))] * number)
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"3"


@not_gnome
async def test_unsupported_contents_and_the_owners_exit_end_an_offer(
    kind: str, tmp_path: Path
) -> None:
    async with open_desk(kind, tmp_path) as desk:
        await desk.guest.copy(CLIPBOARD, {TEXT: b"text"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        await desk.guest.copy_unsupported(CLIPBOARD)
        await desk.listener.heard(CLIPBOARD)
        await desk.guest.copy(CLIPBOARD, {TEXT: b"text"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        await desk.guest.exit()
        await desk.listener.heard(CLIPBOARD)
        with pytest.raises(DesktopError):
            await desk.clipboard.read(CLIPBOARD, TEXT)


@desktops
async def test_a_guest_copy_replaces_our_offer(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await paste_when_offered(desk, CLIPBOARD, TEXT)
        await desk.guest.copy(CLIPBOARD, {TEXT: b"mine"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        desk.clipboard.release(CLIPBOARD)  # no longer ours: must not take it from the guest
        assert await desk.guest.paste(CLIPBOARD, TEXT) == b"mine"
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"mine"


@desktops
async def test_release(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        desk.clipboard.release(CLIPBOARD)  # nothing to release
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        desk.clipboard.release(CLIPBOARD)  # before it has even been claimed
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        assert await paste_when_offered(desk, CLIPBOARD, TEXT) == b""
        desk.clipboard.release(CLIPBOARD)
        with pytest.raises(DesktopError):
            await desk.guest.paste(CLIPBOARD, TEXT)
        assert desk.listener.owners == []


@desktops
async def test_a_new_offer_replaces_the_former(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await paste_when_offered(desk, CLIPBOARD, TEXT)
        desk.listener.contents[CLIPBOARD, PNG] = b"image"
        desk.clipboard.offer(CLIPBOARD, [PNG])
        assert await paste_when_offered(desk, CLIPBOARD, PNG) == b"image"
        with pytest.raises(DesktopError):
            await desk.guest.paste(CLIPBOARD, TEXT)


@not_gnome
async def test_twenty_pastes_at_once(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        listener = desk.listener
        contents = {TEXT: noise(1000), PNG: noise(3_000_000), BMP: noise(300_000)}
        for fmt, data in contents.items():
            listener.contents[CLIPBOARD, fmt] = data
        listener.contents[PRIMARY, TEXT] = b"primary"
        desk.clipboard.offer(CLIPBOARD, list(contents))
        desk.clipboard.offer(PRIMARY, [TEXT])
        await paste_when_offered(desk, CLIPBOARD, TEXT)
        listener.pastes = 0
        listener.gate = asyncio.Event()
        asked = [(CLIPBOARD, fmt) for fmt in contents] * 6 + [(PRIMARY, TEXT)] * 2
        pastes = [asyncio.create_task(desk.guest.paste(s, f)) for s, f in asked]
        await until(lambda: listener.pastes == 20, "all twenty asked")
        listener.gate.set()
        for (selection, fmt), pasted in zip(asked, await asyncio.gather(*pastes), strict=True):
            assert digest(pasted) == digest(listener.contents[selection, fmt])


@desktops
async def test_a_waiting_paste_survives_a_new_offer(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await paste_when_offered(desk, CLIPBOARD, TEXT)
        desk.listener.contents[CLIPBOARD, TEXT] = b"first"
        desk.listener.gate, desk.listener.pastes = asyncio.Event(), 0
        paste = asyncio.create_task(desk.guest.paste(CLIPBOARD, TEXT))
        await until(lambda: desk.listener.pastes, "the paste asked")
        desk.clipboard.offer(CLIPBOARD, [PNG])
        desk.listener.gate.set()
        assert await paste == b"first"


@desktops
async def test_a_picture_the_viewer_does_not_send_is_refused(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        desk.clipboard.offer(CLIPBOARD, [TEXT, PNG])
        assert await paste_when_offered(desk, CLIPBOARD, TEXT) == b""
        with pytest.raises(DesktopError):
            await desk.guest.paste(CLIPBOARD, PNG)


@desktops
async def test_contents_over_the_limit_are_refused(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path, Patience(max_bytes=1_000_000)) as desk:
        await desk.guest.copy(CLIPBOARD, {PNG: noise(3_000_000)})
        await desk.listener.heard(CLIPBOARD, PNG)
        with pytest.raises(DesktopError, match="larger than 1000000"):
            await desk.clipboard.read(CLIPBOARD, PNG)
        await desk.guest.copy(CLIPBOARD, {TEXT: b"small"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"small"


@desktops
async def test_close_lets_go(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path, IMPATIENT) as desk:
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await paste_when_offered(desk, CLIPBOARD, TEXT)
        await desk.clipboard.close()
        with pytest.raises(DesktopError):
            await desk.guest.paste(CLIPBOARD, TEXT)
