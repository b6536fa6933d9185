# SPDX-License-Identifier: MIT
"""Does everything work behind QEMU's own agent host as well, where a VNC viewer or a D-Bus one sits?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.buses import PrivateBus, private_bus
from tests.support.dbus_display import DBusViewer, dbus_viewer
from tests.support.lab_guest import ABS_X, ABS_Y, BTN_LEFT, EV_ABS, EV_KEY, Guest, InputEvent
from tests.support.processes import stop, wait_for
from tests.support.tools import require
from tests.support.vnc_viewer import VncViewer

TRACE = ("--trace", "vdagent_*", "--trace", "virtio_serial_handle_control_message")
ANNOUNCED = "vdagent_recv_msg msg announce-capabilities"
OPENED = "virtio_serial_handle_control_message event 6, value 1"
# A paste that gets no answer ends after 10 s; the rest is for a busy machine.
PASTE_ENDS_S = 18.0


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[PrivateBus]:
    with private_bus(tmp_path) as bus:
        yield bus


@pytest.fixture
def guest(tmp_path: Path, bus: PrivateBus) -> Iterator[Guest]:
    """Daemon and session announced to QEMU's own host, which shows the guest by VNC and D-Bus."""
    require("qemu-system-x86_64", "Xvfb", "xclip", "xrandr")
    with Guest(tmp_path, "--chardev", "qemu-vdagent", "--dbus", bus.address, *TRACE) as guest:
        guest.daemon()
        guest.session()
        wait_for(lambda: count(guest, ANNOUNCED), 10, "the announcement")
        yield guest


@pytest.fixture
def viewer(guest: Guest) -> Iterator[VncViewer]:
    with VncViewer(vnc_socket(guest)) as viewer:
        yield viewer


def vnc_socket(guest: Guest) -> Path:
    return Path(guest.lab.uri.removeprefix("vnc+unix://"))


def count(guest: Guest, words: str) -> int:
    """How often QEMU's trace says so."""
    return sum(words in line for line in guest.lab.trace())


def copy(guest: Guest, text: str) -> None:
    """Copy on the guest's desktop, and go on owning the selection."""
    guest._stack.callback(stop, guest.desktop.copy(text.encode(), "UTF8_STRING"))


def copied(guest: Guest, viewer: VncViewer, text: str) -> None:
    """Copy on the desktop and wait until the viewer has heard of it."""
    since = viewer.mark()
    copy(guest, text)
    viewer.wait("notify", since)


def test_text_both_ways_by_vnc(guest: Guest, viewer: VncViewer) -> None:
    for text in ("from the viewer ✓", "and once more"):
        viewer.offer(text)
        guest.offered("UTF8_STRING")
        wait_for(partial(pastes, guest, text), 5, text)  # without the NUL that ends it
        copied(guest, viewer, f"{text} and back")
        assert viewer.paste() == f"{text} and back"


def test_a_megabyte_from_the_guest(guest: Guest, viewer: VncViewer) -> None:
    text = "a line of text\n" * 60_000
    copied(guest, viewer, text)
    assert viewer.paste() == text


def test_the_pointer_by_vnc(guest: Guest, viewer: VncViewer) -> None:
    def arrives(x: int, y: int, buttons: int, *expected: tuple[int, int, int]) -> None:
        viewer.point(x, y, buttons)
        wait_for(
            lambda: all(any(near(e, want) for e in guest.input_events()) for want in expected),
            10,
            f"{expected} in {guest.input_events()}",
        )

    arrives(300, 200, 0, (EV_ABS, ABS_X, 300), (EV_ABS, ABS_Y, 200))
    arrives(100, 50, 0, (EV_ABS, ABS_X, 100), (EV_ABS, ABS_Y, 50))
    arrives(100, 50, 1, (EV_KEY, BTN_LEFT, 1))
    arrives(100, 50, 0, (EV_KEY, BTN_LEFT, 0))


def near(event: InputEvent, wanted: tuple[int, int, int]) -> bool:
    """The same event; QEMU scales positions and may end one pixel short."""
    slack = 1 if event.type == EV_ABS else 0
    return event[:2] == wanted[:2] and abs(event.value - wanted[2]) <= slack


def test_one_announcement_per_connection(guest: Guest, viewer: VncViewer) -> None:
    """From QEMU 10 on a second one closes the port."""
    viewer.offer("anything")
    guest.offered("UTF8_STRING")
    copied(guest, viewer, "anything else")
    viewer.paste()
    assert count(guest, ANNOUNCED) == count(guest, OPENED) == 1


def test_another_viewer_takes_over(guest: Guest, viewer: VncViewer) -> None:
    """QEMU tells the guest nothing of it, and the new viewer nothing of what was copied before."""
    copied(guest, viewer, "copied before")
    viewer.close()
    with VncViewer(vnc_socket(guest)) as second:
        copied(guest, second, "copied for the second")
        assert second.paste() == "copied for the second"
        second.offer("from the second")
        wait_for(lambda: guest.desktop.paste("UTF8_STRING") == b"from the second", 5, "its text")


async def test_text_both_ways_by_dbus(guest: Guest, bus: PrivateBus) -> None:
    async with registered(guest, bus) as viewer:
        for text in ("from the viewer ✓", "and once more"):
            await viewer.offer(text)
            await until_pasted(guest, text)
            since = viewer.mark()
            copy(guest, f"{text} and back")
            await viewer.wait("Grab", since)
            assert await viewer.paste() == f"{text} and back"


async def test_the_host_counts_serials_anew(guest: Guest, bus: PrivateBus) -> None:
    """A D-Bus viewer that comes makes QEMU close its side of the port, and wait for ours."""
    copy(guest, "copied before")
    await until(guest, "vdagent_cb_grab_selection", 1)
    for number in (2, 3):
        async with registered(guest, bus, number) as viewer:
            await viewer.wait("Grab")
            assert await viewer.paste() == "copied before"
            assert count(guest, OPENED) == number
            await viewer.offer(f"from viewer {number}")
            await until_pasted(guest, f"from viewer {number}")
            since = viewer.mark()
            copy(guest, "copied before")
            await viewer.wait("Grab", since)


async def test_more_than_a_megabyte_to_the_guest_ends_empty(guest: Guest, bus: PrivateBus) -> None:
    """QEMU drops such a message whole, and so the paste never gets an answer."""
    async with registered(guest, bus) as viewer:
        await viewer.offer("x" * (2 << 20))
        await asyncio.to_thread(guest.offered, "UTF8_STRING")
        start = time.monotonic()
        assert await asyncio.to_thread(guest.desktop.paste, "UTF8_STRING") == b""
        assert time.monotonic() - start < PASTE_ENDS_S
        await viewer.offer("short again")
        await until_pasted(guest, "short again")


@asynccontextmanager
async def registered(guest: Guest, bus: PrivateBus, number: int = 2) -> AsyncIterator[DBusViewer]:
    """A D-Bus viewer, once QEMU has had the announcement that its coming makes it wait for.

    What it offers before that, QEMU sends on the connection that it then closes.
    """
    async with dbus_viewer(bus.address) as viewer:
        await until(guest, ANNOUNCED, number)
        yield viewer


async def until(guest: Guest, words: str, number: int) -> None:
    """Wait until QEMU's trace says so that often."""
    await asyncio.to_thread(
        wait_for, lambda: count(guest, words) >= number, 10, f"{words}, {number} times"
    )


async def until_pasted(guest: Guest, text: str) -> None:
    """Wait until a program of the guest that pastes gets just that."""
    await asyncio.to_thread(wait_for, partial(pastes, guest, text), 10, f"pasting {text!r}")


def pastes(guest: Guest, text: str) -> bool:
    """Whether a program of the guest that pastes now gets just that."""
    return "UTF8_STRING" in guest.desktop.targets() and (
        guest.desktop.paste("UTF8_STRING") == text.encode()
    )
