# SPDX-License-Identifier: MIT
"""How do daemon and session agent start with the options they were given, and how do they end?"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import lean
from .errors import SystemFault, VdagentError

if TYPE_CHECKING:
    import asyncio
    import socket

    from .daemon import Settings as DaemonSettings
    from .options import Found
    from .session import Settings as SessionSettings

PID_FILE = "/run/spice-vdagentd/spice-vdagentd.pid"
# The parent of a daemonising session agent waits that long for the daemon, like the C peer's.
READY_S = 10.0
LATE_S = 9.0  # when it is told that it waits in vain
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _daemon_settings(found: Found) -> DaemonSettings:
    from .daemon import Settings

    defaults = Settings()
    return Settings(
        port=str(found.get("virtio-serial-port-path", defaults.port)),
        socket=str(found.get("vdagentd-socket", defaults.socket)),
        uinput=str(found.get("uinput-device", defaults.uinput)),
        fake_uinput="fake-uinput" in found,
        one_session="one-session" in found,
        session_integration="disable-session-integration" not in found,
        config=str(found.get("config", defaults.config)),
        debug=int(found.get("debug", 0)),
    )


def run_daemon(ident: str, found: Found) -> int:
    """`vdagent daemon`, until it is asked to end; the exit status. Raises VdagentError."""
    lean.before_imports()
    from . import daemonise, log
    from .daemon import run
    from .transport.unix_socket import activated_socket, bind

    foreground = "foreground" in found
    listener = activated_socket()
    own_socket = listener is None
    if listener is not None and isinstance(path := listener.getsockname(), str) and path:
        found = {**found, "vdagentd-socket": path}  # the control socket is to be found beside it
    settings = _daemon_settings(found)
    if listener is None:
        # By hand a missing device is a mistake to be told; under systemd's socket it may yet come.
        _must_exist(settings.port, "port", "has this VM a SPICE channel? is virtio_console loaded?")
        _must_exist(settings.uinput, "tablet", "load the kernel module: modprobe uinput")
        listener = bind(settings.socket)
    ready = None if foreground else daemonise.daemonise(READY_S)
    log.set_up(ident, foreground=foreground, debug=int(found.get("debug", 0)))
    wrote_pid = False

    def serving(stop: asyncio.Event) -> Coroutine[Any, Any, int]:
        # Not earlier: whoever is told may ask it to end at once, and then it has to clean up.
        nonlocal wrote_pid
        daemonise.tell_systemd("READY=1")
        if ready is not None:
            wrote_pid = daemonise.write_pid_file(PID_FILE)
            ready(True)
        return run(settings, listener, stop)

    try:
        return _serve(serving)
    finally:
        if own_socket:
            _unlink(settings.socket)
        if wrote_pid:
            _unlink(PID_FILE)


def _session_settings(found: Found, display: str, daemon: str) -> SessionSettings:
    from . import single
    from .config.configuration import control_path
    from .session import Settings

    defaults = Settings()
    open_dir = found.get("file-xfer-open-dir")
    return Settings(
        port=str(found.get("virtio-serial-port-path", defaults.port)),
        socket=daemon,
        control=control_path(single.name_of(display, daemon)),
        config=str(found.get("config", defaults.config)),
        save_dir=_from_here(_text(found.get("file-xfer-save-dir"))),
        open_dir=None if open_dir is None else bool(open_dir),
        display=_text(found.get("display")),
        follow="no-follow" not in found,
    )


def _from_here(directory: str | None) -> str | None:
    """On a command line a relative path begins where we were started; in a file, at home."""
    if not directory or directory in ("xdg-desktop", "xdg-download") or directory[0] == "~":
        return directory
    return os.path.abspath(directory)


def run_session(ident: str, found: Found) -> int:
    """`vdagent session`, until it or its desktop ends; the exit status. Raises VdagentError."""
    from . import options, single
    from .display_names import desktop_name

    display = desktop_name(os.environ, _text(found.get("display")))
    daemon = str(found.get("vdagentd-socket", options.SOCKET))
    # First of all: most desktops start two of us, and the other one is not to be slowed down.
    if not single.claim(display, daemon):
        print(f"{ident}: another session agent serves this desktop already", file=sys.stderr)
        return 0
    lean.before_imports()
    from . import daemonise

    foreground = "foreground" in found
    ready = None if foreground else daemonise.daemonise(READY_S)
    say_ready = (lambda: ready(True)) if ready is not None else (lambda: None)
    try:
        # As this process, and before the rest is imported: systemd starts the daemon meanwhile.
        connection = _knock(daemon)
        from . import log
        from .session import run

        log.set_up(ident, foreground=foreground, debug=int(found.get("debug", 0)))

        settings = _session_settings(found, display, daemon)

        def serving(stop: asyncio.Event) -> Coroutine[Any, Any, int]:
            import asyncio

            if ready is not None:
                asyncio.get_running_loop().call_later(LATE_S, _say_late, ident, daemon, ready)
            return run(settings, stop, say_ready, connection)

        return _serve(serving)
    except BaseException as error:
        if ready is not None:
            if isinstance(error, VdagentError):
                print(f"{ident}: {error}", file=sys.stderr)
            ready(False)
        raise


def _say_late(ident: str, daemon: str, ready: Callable[[bool], None]) -> None:
    """Let go of the terminal, and of whoever reads what we say, though nothing is served yet."""
    print(f"{ident}: there is no daemon yet at {daemon}; waiting for it", file=sys.stderr)
    ready(False)


def _knock(path: str) -> socket.socket | None:
    """A connection to the daemon if that is there, or can be started."""
    from .errors import SessionError
    from .transport.unix_socket import connect

    try:
        return connect(path)
    except SessionError:
        return None


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _must_exist(path: str, layer: str, hint: str) -> None:
    if not os.path.exists(path):
        raise SystemFault(f"{layer}: there is no {path}", hint)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


@contextmanager
def _stop_signals() -> Iterator[int]:
    """A descriptor that has something to read once this process has been asked to end.

    asyncio's own way imports inspect, 1 MB with all it needs, to look at the callback; and so does
    its runner's handler of SIGINT, which it does not set where there is one.
    """
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # whoever started us may block them
    try:
        yield reader
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(reader)
        os.close(writer)


def _serve(program: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> int:
    """Run a program until it ends by itself or a signal asks it to."""
    import asyncio

    from .transport.prompt_loop import PromptLoop

    async def serve(asked: int) -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(asked)
            stop.set()

        loop.add_reader(asked, end)
        return await program(stop)

    with _stop_signals() as asked, asyncio.Runner(loop_factory=PromptLoop) as runner:
        return runner.run(serve(asked))
