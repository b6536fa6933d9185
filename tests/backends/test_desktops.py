# SPDX-License-Identifier: MIT
"""Does a session find the best way to its desktop, and say why?"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.desks import Listener
from tests.backends.mutter_desks import ready
from tests.support.app_process import AppProcess
from tests.support.compositors import kwin, mutter, sway, version, weston
from tests.support.xservers import xvfb
from vdagent import desktops
from vdagent.backends.base import Format, Selection
from vdagent.backends.memory import MemoryClipboard
from vdagent.backends.split import OnlyFor, SplitClipboard
from vdagent.backends.x11.starts import runs
from vdagent.desktops import (
    NO_XWAYLAND,
    NOT_TOLD,
    ONE_WAY,
    Choice,
    Listeners,
    connect,
    no_data_control,
)
from vdagent.errors import DesktopError


@pytest.fixture
def directory() -> Iterator[Path]:
    """One that every user may look into: sway runs as another one."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[Listener]:
    caplog.set_level(logging.INFO, "desktop")
    yield Listener()


def listeners(heard: Listener) -> Listeners:
    return Listeners(heard, heard, heard.lost.append)


def data_control(program: str, *since: int) -> str:
    """The newer of its two protocols where this compositor has it."""
    which = "ext" if version(program) >= since else "zwlr"
    return f"{which}_data_control_manager_v1"


async def test_wlroots(directory: Path, heard: Listener, caplog: pytest.LogCaptureFixture) -> None:
    with sway(directory) as compositor:
        desktop = await connect(listeners(heard), environment=compositor.environment)
        assert desktop.clipboard.selections == frozenset(Selection)
        assert len((await desktop.display.layout()).outputs) == 2
        await desktop.close()
        assert caplog.messages == [
            f"desktop: CLIPBOARD and PRIMARY by {data_control('sway', 1, 11)}, "
            f"Wayland at {compositor.socket}",
            "desktop: outputs by zwlr_output_management_v1",
        ]


async def test_kde(directory: Path, heard: Listener, caplog: pytest.LogCaptureFixture) -> None:
    with kwin(directory) as compositor:
        desktop = await connect(listeners(heard), environment=compositor.environment)
        assert desktop.clipboard.selections == frozenset(Selection)
        await desktop.close()
        assert caplog.messages == [
            f"desktop: CLIPBOARD and PRIMARY by {data_control('kwin_wayland', 6, 4)}, "
            f"Wayland at {compositor.socket}",
            "desktop: outputs by kde_output_management_v2",
        ]


async def test_gnome(
    directory: Path,
    heard: Listener,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with mutter(directory, x11=True) as compositor:
        keyboard = await ready(compositor)
        monkeypatch.setenv("XAUTHORITY", compositor.environment["XAUTHORITY"])
        desktop = await connect(listeners(heard), environment=compositor.environment)
        assert desktop.clipboard.selections == frozenset(Selection)
        assert (await desktop.display.layout()).outputs[0].name == "Meta-0"
        await desktop.close()
        keyboard.close()
        assert heard.lost == []
        assert caplog.messages == [
            "desktop: CLIPBOARD and outputs by Mutter's D-Bus services, for it has no data-control",
            f"desktop: PRIMARY by XWayland at {compositor.environment['DISPLAY']}; "
            "Mutter passes it on both ways",
        ]


@pytest.mark.before("weston", 14)
async def test_a_compositor_without_data_control(
    directory: Path, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with weston(directory) as compositor, contextlib.ExitStack() as stack:
        desktop = await connect(listeners(heard), environment=compositor.environment)
        display = compositor.environment["DISPLAY"]
        assert [message.partition(":")[2].strip() for message in caplog.messages] == [
            no_data_control({}),
            "this compositor lets no program set its outputs, only read them",
            f"CLIPBOARD and PRIMARY by XWayland at {display}; {ONE_WAY}",
        ]
        assert (await desktop.display.layout()).outputs == (("screen0", (1280, 720, 0, 0), 1.0, 0),)
        heard.contents[Selection.CLIPBOARD, Format.TEXT] = b"from the viewer"
        desktop.clipboard.offer(Selection.CLIPBOARD, [Format.TEXT])
        app = AppProcess("x11_app", display, directory / "app.log")
        stack.callback(app.close)
        async with asyncio.timeout(10):
            while not (pasted := await app.convert(selection="CLIPBOARD", target="UTF8_STRING")):
                await asyncio.sleep(0.01)
        assert pasted["data"] == "from the viewer"
        await app.own(selection="CLIPBOARD", contents={"UTF8_STRING": "from the guest"})
        await heard.heard(Selection.CLIPBOARD, Format.TEXT)
        assert await desktop.clipboard.read(Selection.CLIPBOARD, Format.TEXT) == b"from the guest"
        await desktop.close()


@contextlib.contextmanager
def not_started() -> Iterator[tuple[str, socket.socket]]:
    """An X display as GNOME has it: somebody listens, who starts XWayland for the first program."""
    with socket.socket(socket.AF_UNIX) as listener:
        for number in range(700, 800):
            with contextlib.suppress(OSError):
                listener.bind(f"\0/tmp/.X11-unix/X{number}")
                break
        listener.listen()
        listener.setblocking(False)
        yield f":{number}", listener


async def test_no_xwayland_is_started_for_primary(
    directory: Path, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with mutter(directory) as compositor, not_started() as (display, listener):
        environment = compositor.environment | {"DISPLAY": display}
        chosen: list[Choice] = []
        desktop = await connect(
            listeners(heard)._replace(on_choice=chosen.append), environment=environment
        )
        desktop.clipboard.offer(Selection.PRIMARY, [Format.TEXT])
        with pytest.raises(DesktopError, match="no XWayland runs"):
            await desktop.clipboard.read(Selection.PRIMARY, Format.TEXT)
        await desktop.close()
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert chosen[-1] == Choice("PRIMARY", "nothing", NO_XWAYLAND)
    assert "no PRIMARY until an XWayland runs" in caplog.text


@pytest.mark.before("weston", 14)
async def test_an_xwayland_that_comes_back(
    directory: Path, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with weston(directory) as compositor, contextlib.ExitStack() as stack:
        desktop = await connect(listeners(heard), environment=compositor.environment)
        display = compositor.environment["DISPLAY"]

        def app() -> AppProcess:
            one = AppProcess("x11_app", display, directory / "app.log")
            stack.callback(one.close)
            return one

        assert runs(display)
        await app().own(selection="PRIMARY", contents={"UTF8_STRING": "from the guest"})
        await heard.heard(Selection.PRIMARY, Format.TEXT)
        os.kill(child(compositor.process.pid, "Xwayland"), signal.SIGKILL)
        await heard.heard(Selection.PRIMARY)
        assert not runs(display)
        assert "no CLIPBOARD and PRIMARY: the X server closed the connection" in caplog.text
        heard.contents[Selection.PRIMARY, Format.TEXT] = b"from the viewer"
        desktop.clipboard.offer(Selection.PRIMARY, [Format.TEXT])
        again = app()  # an X program, for which Weston starts another one
        async with asyncio.timeout(10):
            while not (pasted := await again.convert(selection="PRIMARY", target="UTF8_STRING")):
                await asyncio.sleep(0.01)
        assert pasted["data"] == "from the viewer"
        assert heard.lost == []
        await desktop.close()
        # As in a unit whose environment lacks the other name.
        desktop = await connect(listeners(heard), environment={"DISPLAY": display})
        assert caplog.messages[-1] == f"desktop: {NOT_TOLD}"
        await desktop.close()


def child(parent: int, name: str) -> int:
    """The process of this name that `parent` has started."""
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if Path(f"/proc/{pid}/comm").read_text().strip() == name:
            return int(pid)
    raise AssertionError(f"{parent} has no {name}")


async def test_x11(directory: Path, heard: Listener, caplog: pytest.LogCaptureFixture) -> None:
    with xvfb(directory) as server:
        desktop = await connect(listeners(heard), environment={"DISPLAY": server.display})
        assert (await desktop.display.layout()).outputs[0].name == "screen"
        await desktop.close()
        assert caplog.messages == [f"desktop: X11 at {server.display}, no Wayland"]


async def test_an_x_display_that_was_asked_for(directory: Path, heard: Listener) -> None:
    with xvfb(directory) as server:
        environment = {"WAYLAND_DISPLAY": "/nowhere", "DISPLAY": ":9999"}
        desktop = await connect(listeners(heard), server.display, environment)
        assert (await desktop.display.layout()).outputs[0].name == "screen"
        await desktop.close()


async def x_is_taken(directory: Path, heard: Listener, environment: dict[str, str]) -> str:
    """Connect where there is an X server as well; its display."""
    with xvfb(directory) as server:
        with_x = environment | {"DISPLAY": server.display}
        desktop = await connect(listeners(heard), environment=with_x)
        await desktop.close()
        return server.display


async def test_a_compositor_that_does_not_answer(
    directory: Path, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {"WAYLAND_DISPLAY": "gone", "XDG_RUNTIME_DIR": str(directory)}
    with pytest.raises(
        DesktopError, match=r"no compositor answers at .*/gone: No such file or directory$"
    ):
        await connect(listeners(heard), environment=environment)
    display = await x_is_taken(directory, heard, environment)
    assert f"X11 at {display}, for no compositor answers" in caplog.text


async def test_a_broken_installation_is_explained(
    directory: Path,
    heard: Listener,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after an upgrade of Python, which leaves an environment's compiled modules behind."""
    monkeypatch.setitem(sys.modules, "vdagent.backends.wayland.clipboard", None)
    environment = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(directory)}
    with pytest.raises(DesktopError, match=r"Wayland cannot be used: .*pywayland is missing"):
        await connect(listeners(heard), environment=environment)
    display = await x_is_taken(directory, heard, environment)
    assert f"X11 at {display}, for Wayland cannot be used" in caplog.text
    monkeypatch.setitem(sys.modules, "vdagent.backends.x11.desktop", None)
    with pytest.raises(DesktopError, match="X11 cannot be used"):
        await connect(listeners(heard), environment=environment | {"DISPLAY": display})


async def test_no_desktop(heard: Listener) -> None:
    with pytest.raises(DesktopError, match="neither WAYLAND_DISPLAY nor DISPLAY is set"):
        await connect(listeners(heard), environment={})


def test_why_there_is_no_data_control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktops, "FLATPAK_INFO", tmp_path / ".flatpak-info")
    assert "neither ext_data_control_v1 nor zwlr" in no_data_control({})
    assert "sandbox such as this Snap" in no_data_control({"SNAP": "/snap/vdagent/1"})
    (tmp_path / ".flatpak-info").touch()
    assert "sandbox such as this Flatpak" in no_data_control({})


async def test_two_backends_for_one_desktop() -> None:
    heard = Listener()
    one = MemoryClipboard(OnlyFor(frozenset({Selection.CLIPBOARD}), heard))
    two = MemoryClipboard(OnlyFor(frozenset({Selection.PRIMARY}), heard))
    both = SplitClipboard({Selection.CLIPBOARD: one, Selection.PRIMARY: two})
    assert both.selections == frozenset(Selection)
    two.copy(Selection.CLIPBOARD, {Format.TEXT: b"seen by the other one too"})
    one.copy(Selection.CLIPBOARD, {Format.TEXT: b"clipboard"})
    await heard.heard(Selection.CLIPBOARD, Format.TEXT)
    two.copy(Selection.PRIMARY, {Format.PNG: b"primary"})
    await heard.heard(Selection.PRIMARY, Format.PNG)
    assert len(heard.owners) == 2
    assert await both.read(Selection.CLIPBOARD, Format.TEXT) == b"clipboard"
    assert await both.read(Selection.PRIMARY, Format.PNG) == b"primary"
    heard.contents[Selection.PRIMARY, Format.TEXT] = b"from the viewer"
    both.offer(Selection.PRIMARY, [Format.TEXT])
    assert await two.paste(Selection.PRIMARY, Format.TEXT) == b"from the viewer"
    assert one.offered(Selection.PRIMARY) == ()
    both.release(Selection.PRIMARY)
    assert two.offered(Selection.PRIMARY) == ()
    await both.close()
    nothing = SplitClipboard({})
    nothing.offer(Selection.CLIPBOARD, [Format.TEXT])
    with pytest.raises(DesktopError, match="no CLIPBOARD"):
        await nothing.read(Selection.CLIPBOARD, Format.TEXT)
