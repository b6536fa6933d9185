# SPDX-License-Identifier: MIT
"""Does everything work through a real host where the guest's desktop is a Wayland compositor?"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab_guest import ABS_X, ABS_Y, C_PEER, EV_ABS, InputEvent
from tests.support.lab_images import png
from tests.support.processes import wait_for
from tests.support.tools import require
from tests.support.wayland_guest import WaylandGuest

pytestmark = pytest.mark.unless(C_PEER)  # it has no Wayland clipboard

UTF8 = "text/plain;charset=utf-8"
TEXT = "Grüße — 你好 🖱\nsecond line\n"
PNG = png(640, 400)


@pytest.fixture(params=["sway", "kwin", "mutter"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WaylandGuest]:
    require("qemu-system-x86_64", "wl-copy", "wl-paste")
    with WaylandGuest(tmp_path, request.param) as guest:
        yield guest.start()


@pytest.fixture
def on_sway(tmp_path: Path) -> Iterator[WaylandGuest]:
    require("qemu-system-x86_64", "sway")
    with WaylandGuest(tmp_path, "sway") as guest:
        yield guest.start()


def test_text_both_ways(running: WaylandGuest) -> None:
    running.viewer.do("offer", text=TEXT)
    running.offered(UTF8)
    assert running.desktop.paste(UTF8).decode() == TEXT
    since = running.copy(TEXT.encode(), UTF8)
    running.viewer.do("request")
    assert running.viewer.wait("guest-data", since=since)["text"] == TEXT


def test_a_picture_both_ways(running: WaylandGuest) -> None:
    picture = running.directory / "picture.png"
    picture.write_bytes(PNG)
    running.viewer.do("offer", files={"png": str(picture)})
    running.offered("image/png")
    assert running.desktop.paste("image/png") == PNG
    since = running.copy(PNG, "image/png")
    running.viewer.do("request", type="png")
    data = running.viewer.wait("guest-data", since=since)
    assert data["sha256"] == hashlib.sha256(PNG).hexdigest()


def test_50_megabytes_both_ways(on_sway: WaylandGuest) -> None:
    picture = on_sway.directory / "picture.png"
    content = random.Random(50).randbytes(50_000_000)
    picture.write_bytes(content)
    on_sway.viewer.do("offer", files={"png": str(picture)})
    on_sway.offered("image/png")
    assert hashlib.sha256(on_sway.desktop.paste("image/png")).digest() == (
        hashlib.sha256(content).digest()
    )
    since = on_sway.copy(content, "image/png")
    on_sway.viewer.do("request", type="png")
    data = on_sway.viewer.wait("guest-data", since=since)
    assert data["sha256"] == hashlib.sha256(content).hexdigest()


def test_primary(on_sway: WaylandGuest) -> None:
    on_sway.viewer.do("offer", text=TEXT, selection="primary")
    on_sway.offered(UTF8, "primary")
    assert on_sway.desktop.paste(UTF8, "primary").decode() == TEXT
    since = on_sway.copy(b"from the guest", UTF8, "primary")
    on_sway.viewer.do("request", selection="primary")
    assert on_sway.viewer.wait("guest-data", since=since)["text"] == "from the guest"


def test_the_size_of_the_viewers_window(on_sway: WaylandGuest) -> None:
    on_sway.viewer.do("mouse_mode", mode="client")
    on_sway.viewer.wait("mouse-mode", predicate=lambda e: e["mode"] == "client")
    on_sway.viewer.do("resize", monitors=[[1111, 777, 0, 0]])
    wait_for(lambda: on_sway.desktop.size() == (1111, 777), 10, "a desktop of 1111x777")

    def clamped() -> bool:
        on_sway.viewer.do("position", x=1500, y=1100)
        events = on_sway.input_events()
        return {InputEvent(EV_ABS, ABS_X, 1110), InputEvent(EV_ABS, ABS_Y, 776)} <= set(events)

    wait_for(clamped, 10, "a position inside the new size")


def test_the_compositor_restarts(running: WaylandGuest) -> None:
    running.viewer.do("offer", text=TEXT)
    running.offered(UTF8)
    running.desktop.compositor.restart()
    running.offered(UTF8)
    assert running.desktop.paste(UTF8).decode() == TEXT
    since = running.copy(b"after the restart", UTF8)
    running.viewer.do("request")
    assert running.viewer.wait("guest-data", since=since)["text"] == "after the restart"


def test_one_agent_however_it_is_started(on_sway: WaylandGuest) -> None:
    """sway's own line knows of XWayland, a unit of systemd need not."""
    said = on_sway.one_more_session(DISPLAY=":99")
    assert said == "vdagent-session: another session agent serves this desktop already"
