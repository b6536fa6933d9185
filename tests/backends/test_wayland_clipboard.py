# SPDX-License-Identifier: MIT
"""Do the Wayland selections stand up to programs that are slow, silent, hurried or secretive?"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from tests.backends.desks import IMPATIENT
from tests.backends.test_clipboard_contract import digest, noise, paste_when_offered
from tests.backends.wayland_desks import WaylandDesk, open_wayland_desk, wayland_desk
from tests.support.logs import faultless
from tests.support.processes import spawn, stop
from tests.support.waiting import until
from vdagent.backends.base import Format, Patience, Selection
from vdagent.backends.wayland import desktop
from vdagent.backends.wayland.clipboard import MARKER
from vdagent.errors import DesktopError

CLIPBOARD, PRIMARY = Selection.CLIPBOARD, Selection.PRIMARY
TEXT, PNG = Format.TEXT, Format.PNG
UTF8 = "text/plain;charset=utf-8"
PASTE_PNG = "wl-paste -n -t image/png"

compositors = pytest.mark.parametrize("kind", ["sway", "kwin"])


def memory_kb(field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert match is not None
    return int(match[1])


class Peak:
    """How much memory this process had at most within the block, over what it had before."""

    def __enter__(self) -> Peak:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = memory_kb("VmRSS")
        return self

    def __exit__(self, *exception: object) -> None:
        self.bytes = (memory_kb("VmHWM") - self._before) * 1024


@compositors
async def test_memory_for_50_megabytes(kind: str, tmp_path: Path) -> None:
    size = 50_000_000
    async with open_wayland_desk(kind, tmp_path, Patience()) as desk:
        data = noise(size)
        await desk.guest.copy(CLIPBOARD, {PNG: data})
        await desk.listener.heard(CLIPBOARD, PNG)
        with Peak() as reading:
            assert len(await desk.clipboard.read(CLIPBOARD, PNG)) == size
        assert reading.bytes < 2 * size + 20_000_000
        desk.listener.contents[CLIPBOARD, PNG] = data
        desk.clipboard.offer(CLIPBOARD, [PNG])
        argv = f"{PASTE_PNG} | wc -c"
        await paste_when_offered(desk, CLIPBOARD, PNG)
        with Peak() as serving:
            paste = await asyncio.create_subprocess_shell(
                argv, stdout=asyncio.subprocess.PIPE, env=desk.compositor.environment
            )
            out, _ = await paste.communicate()
        assert int(out) == size
        assert serving.bytes < 20_000_000


@compositors
async def test_a_hundred_copies_in_a_burst(kind: str, tmp_path: Path) -> None:
    async with open_wayland_desk(kind, tmp_path, Patience()) as desk:
        app = desk.guest.app()
        await app.own_many(selection="CLIPBOARD", mime=UTF8, count=100)
        await until(lambda: desk.listener.owners, "the burst told")

        async def newest() -> bytes:
            return bytes(await desk.clipboard.read(CLIPBOARD, TEXT))

        async with asyncio.timeout(10):
            while await newest() != b"copy 99":
                await asyncio.sleep(0.01)
        assert await newest() == b"copy 99"
        assert set(desk.listener.owners) == {(CLIPBOARD, (TEXT,))}


@compositors
async def test_a_silent_owner_keeps_nobody_waiting(kind: str, tmp_path: Path) -> None:
    async with open_wayland_desk(kind, tmp_path, IMPATIENT) as desk:
        app = desk.guest.app()
        contents = {UTF8: "text", "image/png": "half a picture", "image/bmp": "bmp"}
        await app.own(selection="CLIPBOARD", contents=contents, mute=[UTF8], stall=["image/png"])
        await desk.listener.heard(CLIPBOARD, TEXT, PNG, Format.BMP)
        silent = asyncio.create_task(desk.clipboard.read(CLIPBOARD, TEXT))
        stuck = asyncio.create_task(desk.clipboard.read(CLIPBOARD, PNG))
        assert await desk.clipboard.read(CLIPBOARD, Format.BMP) == b"bmp"
        assert not silent.done()
        with pytest.raises(DesktopError, match="does not answer"):
            await silent
        with pytest.raises(DesktopError, match="stopped after 7 bytes"):
            await stuck


async def test_an_owner_that_answers_too_late_is_not_harmed(tmp_path: Path) -> None:
    """wl-copy with a text of its command line writes it itself, and dies if nobody reads."""
    async with open_wayland_desk("sway", tmp_path, IMPATIENT) as desk:
        owner = spawn(["wl-copy", "-f", "kept"], env=desk.compositor.environment)
        try:
            await desk.listener.heard(CLIPBOARD, TEXT)
            owner.send_signal(signal.SIGSTOP)
            with pytest.raises(DesktopError, match="does not answer"):
                await desk.clipboard.read(CLIPBOARD, TEXT)
            owner.send_signal(signal.SIGCONT)
            assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"kept"
            assert owner.poll() is None
        finally:
            stop(owner)


@compositors
async def test_a_paste_that_is_given_up_harms_nobody(kind: str, tmp_path: Path) -> None:
    async with open_wayland_desk(kind, tmp_path, Patience()) as desk:
        data = noise(20_000_000)
        desk.listener.contents[CLIPBOARD, PNG] = data
        desk.clipboard.offer(CLIPBOARD, [PNG])
        await paste_when_offered(desk, CLIPBOARD, PNG)
        paste = await asyncio.create_subprocess_shell(
            f"{PASTE_PNG} | head -c 1000 | wc -c",
            stdout=asyncio.subprocess.PIPE,
            env=desk.compositor.environment,
        )
        out, _ = await paste.communicate()
        assert int(out) == 1000
        desk.listener.gate = asyncio.Event()
        waiting = asyncio.create_task(desk.guest.paste(CLIPBOARD, PNG))
        await until(lambda: desk.listener.pastes >= 3, "the paste asked")
        waiting.cancel()
        await asyncio.wait([waiting])
        desk.listener.gate.set()
        assert digest(await desk.guest.paste(CLIPBOARD, PNG)) == digest(data)


@compositors
async def test_a_slow_reader_does_not_stop_the_loop(kind: str, tmp_path: Path) -> None:
    async with open_wayland_desk(kind, tmp_path, Patience(first_s=0.5)) as desk:
        desk.listener.contents[CLIPBOARD, PNG] = noise(20_000_000)
        desk.listener.contents[CLIPBOARD, TEXT] = b"text"
        desk.clipboard.offer(CLIPBOARD, [PNG, TEXT])
        await paste_when_offered(desk, CLIPBOARD, TEXT)
        desk.listener.pastes = 0
        stuck = await asyncio.create_subprocess_shell(
            f"{PASTE_PNG} | sleep 1000",
            env=desk.compositor.environment,
            start_new_session=True,
        )
        try:
            await until(lambda: desk.listener.pastes, "the paste asked")
            assert await desk.guest.paste(CLIPBOARD, TEXT) == b"text"
            await until(lambda: not desk.clipboard._tasks, "the stuck paste given up")
        finally:
            os.killpg(stuck.pid, signal.SIGKILL)
            await stuck.wait()


@compositors
async def test_types_that_are_no_text(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A program offers some, and asks for one without end: nothing is said, no descriptor kept."""
    async with open_wayland_desk(kind, tmp_path, IMPATIENT) as desk:
        app = desk.guest.app()
        await app.own_raw(mimes=["\xff\xfe", UTF8, "\xc3"])
        await desk.listener.heard(CLIPBOARD, TEXT)
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"raw"
        desk.listener.contents[CLIPBOARD, TEXT] = b"text"
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await paste_when_offered(desk, CLIPBOARD, TEXT)
        before = len(os.listdir("/proc/self/fd"))
        await app.ask_raw(mime="\xff", count=200)
        assert await desk.guest.paste(CLIPBOARD, TEXT) == b"text"
        await until(lambda: len(os.listdir("/proc/self/fd")) < before + 20, "descriptors let go of")
    assert faultless(capfd.readouterr().err)


@compositors
async def test_a_password_is_told_to_be_one(kind: str, tmp_path: Path) -> None:
    async with open_wayland_desk(kind, tmp_path, Patience()) as desk:
        app = desk.guest.app()
        hint = "x-kde-passwordManagerHint"
        await app.own(selection="CLIPBOARD", contents={UTF8: "hunter2", hint: "secret"})
        await until(lambda: desk.listener.secret, "the secret told")
        assert desk.listener.owners == [(CLIPBOARD, (TEXT,))]
        await app.own(selection="CLIPBOARD", contents={UTF8: "a name", hint: "public"})
        await until(lambda: not desk.listener.secret, "the name told")
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"a name"
        await app.own(
            selection="CLIPBOARD", contents={UTF8: "hunter3", hint: "secret"}, mute=[hint]
        )
        # A hint that does not come counts as one.
        await until(lambda: desk.listener.secret, "the secret told")


async def test_a_clipboard_manager_that_takes_over_is_no_echo(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        desk.listener.contents[CLIPBOARD, TEXT] = b"from the viewer"
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        await paste_when_offered(desk, CLIPBOARD, TEXT)
        types = desk.compositor.run("wl-paste", "-l").split()
        (marker,) = [mime for mime in types if mime.startswith(MARKER)]
        # A manager that leaves out what is empty keeps this.
        paste = ("wl-paste", "-n", "-t", marker)
        assert await asyncio.to_thread(desk.compositor.run, *paste) == marker
        manager, other = desk.guest.app(), desk.guest.app()
        await manager.own(selection="CLIPBOARD", contents=dict.fromkeys(types, "from the viewer"))
        await other.own(selection="PRIMARY", contents={UTF8: "a sign"})
        await desk.listener.heard(PRIMARY, TEXT)
        assert desk.listener.owners == [(PRIMARY, (TEXT,))]
        await other.own(selection="CLIPBOARD", contents={UTF8: "a copy"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        await manager.own(selection="CLIPBOARD", contents=dict.fromkeys(types, "from history"))
        await until(lambda: len(desk.listener.owners) == 3, "a later copy from its history told")
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"from history"


async def copies_pass_both_ways(desk: WaylandDesk) -> None:
    await desk.guest.copy(CLIPBOARD, {TEXT: b"from the guest"})
    await desk.listener.heard(CLIPBOARD, TEXT)
    assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"from the guest"
    desk.listener.contents[CLIPBOARD, TEXT] = b"from the viewer"
    desk.clipboard.offer(CLIPBOARD, [TEXT])
    async with asyncio.timeout(10):
        while await desk.guest.paste(CLIPBOARD, TEXT) != b"from the viewer":
            await asyncio.sleep(0.01)


@compositors
async def test_the_compositor_comes_back(kind: str, tmp_path: Path) -> None:
    async with open_wayland_desk(kind, tmp_path, Patience()) as desk:
        desk.listener.contents[PRIMARY, TEXT] = b"still there"
        desk.clipboard.offer(PRIMARY, [TEXT])
        await desk.guest.copy(CLIPBOARD, {TEXT: b"lost"})
        await desk.listener.heard(CLIPBOARD, TEXT)
        layout = await desk.display.layout()
        desk.compositor.kill()
        await desk.listener.heard(CLIPBOARD)
        with pytest.raises(DesktopError, match="no guest program owns"):
            await desk.clipboard.read(CLIPBOARD, TEXT)
        with pytest.raises(DesktopError, match="is away"):
            await desk.display.layout()
        await asyncio.to_thread(desk.compositor.restart)
        assert await paste_when_offered(desk, PRIMARY, TEXT) == b"still there"
        await copies_pass_both_ways(desk)
        assert await desk.display.layout() == layout
        assert desk.listener.lost == []


async def test_a_compositor_that_stays_away_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desktop, "GIVE_UP_S", 0.5)
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        desk.compositor.kill()
        await until(lambda: desk.listener.lost, "the loss told")
        assert len(desk.listener.lost) == 1


async def test_several_seats(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        desk.listener.contents[CLIPBOARD, TEXT] = b"from the viewer"
        desk.clipboard.offer(CLIPBOARD, [TEXT])
        desk.compositor.run("swaymsg", "seat seat1 fallback false")
        for seat in ("seat0", "seat1"):

            async def offered(name: str = seat) -> bool:
                paste = await asyncio.create_subprocess_exec(
                    *("wl-paste", "-n", "-s", name),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env=desk.compositor.environment,
                )
                out, _ = await paste.communicate()
                return out == b"from the viewer"

            async with asyncio.timeout(10):
                while not await offered():
                    await asyncio.sleep(0.01)
        app = desk.guest.app()
        await app.own(selection="CLIPBOARD", contents={UTF8: "on the second seat"}, seat=1)
        await desk.listener.heard(CLIPBOARD, TEXT)
        assert await desk.clipboard.read(CLIPBOARD, TEXT) == b"on the second seat"
        assert not await offered("seat0"), "the viewer's offer ends on every seat"


async def test_an_owner_from_before_us_is_told(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as first:
        await first.guest.copy(CLIPBOARD, {TEXT: b"earlier"})
        await first.listener.heard(CLIPBOARD, TEXT)
        async with wayland_desk(first.compositor) as second:
            await second.listener.heard(CLIPBOARD, TEXT)
            assert await second.clipboard.read(CLIPBOARD, TEXT) == b"earlier"
            second.listener.contents[CLIPBOARD, TEXT] = b"another agent's"
            second.clipboard.offer(CLIPBOARD, [TEXT])
            await until(lambda: len(first.listener.owners) == 2, "a foreign marker is a copy")
