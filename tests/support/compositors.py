# SPDX-License-Identifier: MIT
"""How does a test get a Wayland compositor of its own, without GPU, seat, session or user?"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.support.buses import CONFIG as BUS_CONFIG
from tests.support.processes import spawn, stop, wait_for
from tests.support.tools import require
from tests.support.xservers import xvfb

START_S = 20.0
MONITORS = (sys.executable, "-m", "tests.support.mutter_monitors")
SWAY_UID = 1000  # sway refuses to run as root; this user need not exist


@dataclass
class Compositor:
    """A running compositor; `environment` is that of a program of its session."""

    kind: str
    directory: Path
    environment: dict[str, str]
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def socket(self) -> Path:
        return self.directory / self.environment["WAYLAND_DISPLAY"]

    def restart(self) -> None:
        """Kill it like a crash would, and start it again under the same name."""
        self.kill()
        self.process = self.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def run(self, *argv: str, timeout_s: float = 20.0) -> str:
        """What a program of the session prints."""
        return subprocess.run(
            argv,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=True,
        ).stdout


def _runnable(program: str, directory: Path) -> Path:
    """A copy in `directory`: an installed KWin has capabilities, with which no container runs it.

    The copy has none, and the same name, at which KWin looks.
    """
    copy = directory / program
    shutil.copyfile(shutil.which(program) or "", copy)
    copy.chmod(0o755)
    return copy


@cache
def version(program: str) -> tuple[int, ...]:
    """What a program on this machine says of itself, for what came or went with one."""
    with tempfile.TemporaryDirectory() as directory:
        said = subprocess.run(
            [_runnable(program, Path(directory)), "--version"],
            env={"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            text=True,
            timeout=20,
        ).stdout
    found = re.search(r"\d+(\.\d+)*", said)
    assert found, f"{program} --version: {said}"
    return tuple(map(int, found[0].split(".")))


def _environment(directory: Path) -> dict[str, str]:
    """Nothing of the caller's: no DISPLAY, no WAYLAND_DISPLAY, no bus."""
    directory.chmod(0o700)
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin",
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(directory),
    }


def _answers(path: Path) -> bool:
    """A socket is there a moment before its server listens."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _spawn_until(
    path: Path, argv: list[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a server that makes a socket at `path`."""
    path.unlink(missing_ok=True)
    process = spawn(argv, env=environment, log=log)
    try:
        wait_for(lambda: _answers(path) or process.poll() is not None, START_S, f"{path}")
        if process.poll() is not None:
            raise RuntimeError(f"{argv[0]} did not start: {log.read_text()[-2000:]}")
    except BaseException:
        stop(process)
        raise
    return process


@contextmanager
def _running(compositor: Compositor) -> Iterator[Compositor]:
    compositor.process = compositor.start()
    try:
        yield compositor
    finally:
        stop(compositor.process)


@contextmanager
def sway(
    directory: Path, outputs: int = 2, config: str = "", after_a_crash: bool = False
) -> Iterator[Compositor]:
    """A sway with `outputs` headless outputs, HEADLESS-1 to HEADLESS-n of 1280x720.

    `after_a_crash` a socket is left over at SWAYSOCK: sway takes another name for its own then.
    """
    require("sway", "setpriv")
    runtime = directory / "sway"
    runtime.mkdir()
    environment = _environment(runtime) | {"WAYLAND_DISPLAY": "wayland-1"}
    heads = "".join(f"output HEADLESS-{n + 1} resolution 1280x720\n" for n in range(outputs))
    (runtime / "config").write_text(f"{heads}seat seat0 fallback true\n{config}\n")
    argv = ["sway", "-c", str(runtime / "config")]
    if os.getuid() == 0:
        os.chown(runtime, SWAY_UID, SWAY_UID)
        user = str(SWAY_UID)
        # A change of user forgets the death signal that spawn has set.
        drop = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        argv = [*drop, "--pdeathsig", "KILL", *argv]
    own = {
        "WLR_BACKENDS": "headless",
        "WLR_LIBINPUT_NO_DEVICES": "1",
        "WLR_RENDERER": "pixman",
        "WLR_HEADLESS_OUTPUTS": str(outputs),
        "SWAYSOCK": str(runtime / "ipc"),
    }
    environment["SWAYSOCK"] = own["SWAYSOCK"]

    def start() -> subprocess.Popen[bytes]:
        for old in (runtime / "wayland-1", runtime / "wayland-1.lock", runtime / "ipc"):
            old.unlink(missing_ok=True)
        if after_a_crash:
            with socket.socket(socket.AF_UNIX) as left_over:
                left_over.bind(own["SWAYSOCK"])
        log = directory / "sway.log"
        process = _spawn_until(runtime / "wayland-1", argv, environment | own, log)
        # swaymsg's comes after that.
        theirs = "sway-ipc.*" if after_a_crash else "ipc"
        wait_for(lambda: any(map(_answers, runtime.glob(theirs))), START_S, "sway's own socket")
        return process

    with _running(Compositor("sway", runtime, environment, start)) as compositor:
        yield compositor


@contextmanager
def buses(directory: Path, environment: dict[str, str]) -> Iterator[None]:
    """A session bus and a system bus without services, put into `environment`."""
    require("dbus-daemon")
    with ExitStack() as stack:
        for name in ("SESSION", "SYSTEM"):
            path = directory / f"bus-{name.lower()}"
            config = path.with_suffix(".conf")
            config.write_text(BUS_CONFIG.format(path=path))
            argv = ["dbus-daemon", f"--config-file={config}", "--nofork"]
            log = directory / "dbus.log"
            stack.callback(stop, _spawn_until(path, argv, environment, log))
            environment[f"DBUS_{name}_BUS_ADDRESS"] = f"unix:path={path}"
        yield


@contextmanager
def kwin(directory: Path, outputs: int = 2) -> Iterator[Compositor]:
    """A KWin with `outputs` virtual outputs of 1280x720."""
    require("kwin_wayland")
    runtime = directory / "kwin"
    runtime.mkdir()
    environment = _environment(runtime) | {"WAYLAND_DISPLAY": "wl-kwin"}
    own = {
        "XDG_CURRENT_DESKTOP": "KDE",
        "XDG_SESSION_TYPE": "wayland",
        "KWIN_COMPOSE": "Q",
        "KWIN_WAYLAND_NO_PERMISSION_CHECKS": "1",  # for the pointing device of the tests
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }
    argv = [
        str(_runnable("kwin_wayland", runtime)),
        "--virtual",
        "--width",
        "1280",
        "--height",
        "720",
    ]
    argv += ["--output-count", str(outputs), "--no-lockscreen", "--no-global-shortcuts"]
    argv += ["--socket", "wl-kwin"]

    def start() -> subprocess.Popen[bytes]:
        (runtime / "wl-kwin.lock").unlink(missing_ok=True)
        log = directory / "kwin.log"
        return _spawn_until(runtime / "wl-kwin", argv, environment | own, log)

    with (
        buses(runtime, environment),
        _running(Compositor("kwin", runtime, environment, start)) as compositor,
    ):
        yield compositor


@contextmanager
def weston(directory: Path) -> Iterator[Compositor]:
    """A Weston of 1280x720 in an X server, with XWayland: 10 has neither data-control nor output management."""
    require("weston", "Xwayland", "Xvfb")
    runtime = directory / "weston"
    runtime.mkdir()
    environment = _environment(runtime) | {"WAYLAND_DISPLAY": "wl-weston"}
    log = directory / "weston.log"
    argv = ["weston", "--backend=x11-backend.so", "--width=1280", "--height=720", "--xwayland"]
    argv += ["--socket=wl-weston", f"--log={log}"]
    with xvfb(directory) as server:
        own = {"DISPLAY": server.display}

        def start() -> subprocess.Popen[bytes]:
            output = directory / "weston.out"
            process = _spawn_until(runtime / "wl-weston", argv, environment | own, output)
            found = wait_for(
                lambda: re.search(r"listening on display (:\d+)", log.read_text()), START_S
            )
            environment["DISPLAY"] = found[1]
            return process

        with _running(Compositor("weston", runtime, environment, start)) as compositor:
            yield compositor


@contextmanager
def mutter(
    directory: Path, *monitors: str, x11: bool = False, no_monitor: bool = False
) -> Iterator[Compositor]:
    """A Mutter with a virtual monitor for each of `monitors` (1280x720 by default), and XWayland."""
    require("mutter")
    runtime = directory / "mutter"
    runtime.mkdir()
    environment = _environment(runtime) | {"WAYLAND_DISPLAY": "wl-mutter"}
    own = {
        "XDG_SESSION_TYPE": "wayland",
        "GSETTINGS_BACKEND": "memory",
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }
    argv = ["mutter", "--headless", "--wayland", "--wayland-display", "wl-mutter"]
    if x11:
        require("Xwayland")
    else:
        argv.append("--no-x11")
    for monitor in () if no_monitor else monitors or ("1280x720",):
        argv += ["--virtual-monitor", monitor]

    def start() -> subprocess.Popen[bytes]:
        (runtime / "wl-mutter.lock").unlink(missing_ok=True)
        log = directory / "mutter.log"
        log.unlink(missing_ok=True)
        for old in runtime.glob(".mutter-Xwaylandauth.*"):
            old.unlink()
        process = _spawn_until(runtime / "wl-mutter", argv, environment | own, log)
        if x11:
            found = wait_for(
                lambda: re.search(r"X11 display (:\d+)", log.read_text()), START_S, "XWayland"
            )
            environment["DISPLAY"] = found[1]
            authority = wait_for(lambda: list(runtime.glob(".mutter-Xwaylandauth.*")), START_S)
            environment["XAUTHORITY"] = str(authority[0])
        return process

    with (
        buses(runtime, environment),
        _running(Compositor("mutter", runtime, environment, start)) as compositor,
    ):
        yield compositor


@contextmanager
def mutter_with_modes(directory: Path, *scales: int, logical: bool = False) -> Iterator[Compositor]:
    """A Mutter with monitors of several modes and of these scales, named by `mode_monitors`.

    All start with 1280x720. They are laid out in physical pixels, unless `logical`; newer Mutters
    always lay out in logical ones.
    """
    with (
        _nested(directory, scales, logical) if _nests() else _cast(directory, scales) as compositor
    ):
        yield compositor


def mode_monitors() -> tuple[str, str]:
    """The connectors of the first two monitors of `mutter_with_modes`."""
    return ("LVDS1", "LVDS2") if _nests() else ("Meta-0", "Meta-1")


def _nests() -> bool:
    """Whether Mutter can be run in an X server, with monitors to be tested with."""
    return shutil.which("mutter") is None or version("mutter") < (49,)


@contextmanager
def _cast(directory: Path, scales: Sequence[int]) -> Iterator[Compositor]:
    """Headless, with monitors as those of a remote desktop."""
    require("mutter", "pipewire")
    with mutter(directory, no_monitor=True) as compositor:
        pipewire = spawn(["pipewire"], env=compositor.environment, log=directory / "pipewire.log")
        try:
            wait_for((compositor.directory / "pipewire-0").exists, START_S, "PipeWire")
            monitors = spawn(
                [*MONITORS, compositor.environment["DBUS_SESSION_BUS_ADDRESS"], *map(str, scales)],
                cwd=Path(__file__).parents[2],
                log=directory / "monitors.log",
            )
            try:
                said = directory / "monitors.log"
                wait_for(lambda: b"ready" in said.read_bytes(), START_S, "monitors")
                yield compositor
            finally:
                stop(monitors)
        finally:
            stop(pipewire)


@contextmanager
def _nested(directory: Path, scales: Sequence[int], logical: bool) -> Iterator[Compositor]:
    """In an X server, with monitors that Mutter has for its own tests."""
    require("mutter", "Xvfb")
    runtime = directory / "nested"
    runtime.mkdir()
    environment = _environment(runtime) | {"WAYLAND_DISPLAY": "wl-nested"}
    own = {
        "XDG_SESSION_TYPE": "wayland",
        "GSETTINGS_BACKEND": "keyfile",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "MUTTER_DEBUG_NUM_DUMMY_MONITORS": str(len(scales)),
        "MUTTER_DEBUG_DUMMY_MONITOR_SCALES": ",".join(map(str, scales)),
        "MUTTER_DEBUG_DUMMY_MODE_SPECS": "1280x720:1920x1080:1024x768:800x600",
    }
    if logical:
        keyfile = runtime / ".config/glib-2.0/settings/keyfile"
        keyfile.parent.mkdir(parents=True)
        features = "experimental-features=['scale-monitor-framebuffer']"
        keyfile.write_text(f"[org/gnome/mutter]\n{features}\n")
    argv = ["mutter", "--wayland", "--nested", "--no-x11", "--wayland-display", "wl-nested"]

    def start() -> subprocess.Popen[bytes]:
        (runtime / "wl-nested.lock").unlink(missing_ok=True)
        log = directory / "nested.log"
        return _spawn_until(runtime / "wl-nested", argv, environment | own, log)

    with (
        xvfb(directory, "4096x4096") as server,
        buses(runtime, environment),
    ):
        own["DISPLAY"] = server.display
        with _running(Compositor("mutter", runtime, environment, start)) as compositor:
            yield compositor
