# SPDX-License-Identifier: MIT
"""Which program was asked for, with which options, and how does it start and end?"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import __version__, lean, options
from .errors import SystemFault, VdagentError

if TYPE_CHECKING:
    import asyncio

PID_FILE = "/run/spice-vdagentd/spice-vdagentd.pid"
# The parent of a daemonising session agent waits that long for the daemon, like the C peer's.
READY_S = 10.0
BAD_OPTIONS_DAEMON, BAD_OPTIONS_SESSION = 1, 255
BAD_USAGE = 2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

COMMANDS = """\
Usage: vdagent COMMAND [OPTION…]

  daemon    the system daemon: port, tablet, sessions (also: spice-vdagentd)
  session   the session agent: clipboard, resolution (also: spice-vdagent)
  install   make this system start the program of a virtual environment
  uninstall undo that
  doctor    what is wrong between the host and this desktop, and what to do about it
  status    what the daemon is doing
  monitor   the messages between host, daemon and sessions, as they pass
  clipboard which way the clipboard passes, until you log out
  config    the settings: are they well, what counts and why
  reload    read the settings anew, without dropping the viewer
  lab       a real QEMU and spice-server with this program as the guest

vdagent COMMAND --help tells the options; --version the version."""


def main(arguments: Sequence[str] | None = None) -> int:
    """`vdagent COMMAND …`; the exit status."""
    command, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    if command == "daemon":
        return daemon_main(rest)
    if command == "session":
        return session_main(rest)
    if command in ("install", "uninstall"):
        return install_main(command, rest)
    if command == "lab":
        from .lab.cli import run

        return run(rest)
    if command == "status":
        return status_main(rest)
    if command == "monitor":
        return monitor_main(rest)
    if command == "doctor":
        return doctor_main(rest)
    if command in ("config", "clipboard", "reload"):
        from .config.cli import run as run_config

        return run_config(command, rest)
    if command == "--version":
        print(f"vdagent {__version__}")
        return 0
    if command in ("-h", "--help", "help"):
        print(COMMANDS)
        return 0
    print(f"vdagent: unknown command {command!r}; try vdagent --help", file=sys.stderr)
    return 1


def daemon_main(arguments: Sequence[str] | None = None) -> int:
    """`vdagent daemon`, `spice-vdagentd`."""
    found = _parse("vdagent daemon", "SPICE guest agent daemon.", options.DAEMON, arguments)
    if isinstance(found, str):
        return _bad_options("vdagent daemon", found, BAD_OPTIONS_DAEMON)
    if found.get("version"):
        print(f"vdagent {__version__}")
        return 0
    return _guarded("vdagent-daemon", found, _run_daemon)


def session_main(arguments: Sequence[str] | None = None) -> int:
    """`vdagent session`, `spice-vdagent`."""
    found = _parse("vdagent session", "SPICE session agent.", options.SESSION, arguments)
    if isinstance(found, str):
        return _bad_options("vdagent session", found, BAD_OPTIONS_SESSION)
    if found.get("version"):
        print(f"vdagent {__version__}")
        return 0
    if found.get("file-xfer-open-dir", "0") not in ("0", "1"):
        return _bad_options("vdagent session", "-o takes 0 or 1", BAD_OPTIONS_SESSION)
    path = str(found.get("virtio-serial-port-path", options.PORT))
    if not found.get("no-port-check") and not os.path.exists(path):
        if found.get("debug"):
            print(f"vdagent session: there is no {path}: nothing to do", file=sys.stderr)
        return 0
    return _guarded("vdagent-session", found, _run_session)


def install_main(command: str, arguments: Sequence[str]) -> int:
    """`vdagent install`, `vdagent uninstall`."""
    from . import install

    summary, known, run = {
        "install": ("Make this system start vdagent.", install.INSTALL, install.install),
        "uninstall": ("Undo vdagent install.", install.UNINSTALL, install.uninstall),
    }[command]
    found = _parse(f"vdagent {command}", summary, known, arguments)
    if isinstance(found, str):
        return _bad_options(f"vdagent {command}", found, BAD_OPTIONS_DAEMON)
    return _guarded("vdagent", found, lambda _, options: run(options))


def status_main(arguments: Sequence[str]) -> int:
    """`vdagent status`."""
    found = _parse("vdagent status", "What the daemon is doing.", options.STATUS, arguments)
    if isinstance(found, str):
        return _bad_options("vdagent status", found, BAD_USAGE)
    if found.get("version"):
        print(f"vdagent {__version__}")
        return 0
    from .status import run

    path = str(found.get("vdagentd-socket", options.SOCKET))
    try:
        return run(path, as_json="json" in found, watch="watch" in found)
    except KeyboardInterrupt:
        return 0


def monitor_main(arguments: Sequence[str]) -> int:
    """`vdagent monitor`."""
    what = "Show the messages on both wires as they pass, without their content. For root."
    found = _parse("vdagent monitor", what, options.MONITOR, arguments)
    if isinstance(found, str):
        return _bad_options("vdagent monitor", found, BAD_USAGE)
    if found.get("version"):
        print(f"vdagent {__version__}")
        return 0
    from .monitor import run

    def watch(_: str, found: Found) -> int:
        return run(
            str(found.get("vdagentd-socket", options.SOCKET)),
            pointer="no-pointer" not in found,
            as_json="json" in found,
            record=_text(found.get("record")),
            read=_text(found.get("read")),
        )

    try:
        return _guarded("vdagent monitor", found, watch)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # what reads us has seen enough; nothing is left to be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def doctor_main(arguments: Sequence[str]) -> int:
    """`vdagent doctor`."""
    found = _parse("vdagent doctor", "Find the broken link.", options.DOCTOR, arguments)
    if isinstance(found, str):
        return _bad_options("vdagent doctor", found, BAD_USAGE)
    if found.get("version"):
        print(f"vdagent {__version__}")
        return 0
    from .doctor.cli import run
    from .doctor.finding import Scope

    scope = Scope(
        str(found.get("virtio-serial-port-path", options.PORT)),
        str(found.get("vdagentd-socket", options.SOCKET)),
        str(found.get("uinput-device", "/dev/uinput")),
    )
    return run(scope, as_json="json" in found, probe="probe" in found)


Found = dict[str, "str | int"]


def _parse(
    program: str, summary: str, known: Sequence[options.Option], arguments: Sequence[str] | None
) -> Found | str:
    """The options, or what is wrong with them. Ends the process after --help."""
    try:
        return options.parse(
            program, summary, known, sys.argv[1:] if arguments is None else arguments
        )
    except options.HelpWanted as text:
        print(text)
        raise SystemExit(0) from None
    except options.UsageError as error:
        return str(error)


def _bad_options(program: str, what: str, status: int) -> int:
    print(f"{program}: {what}; try {program} --help", file=sys.stderr)
    return status


def _guarded(ident: str, found: Found, run: Callable[[str, Found], int]) -> int:
    """Run; an error is one sentence with a hint, and its traceback only with --debug."""
    try:
        return run(ident, found)
    except VdagentError as error:
        import logging

        if logging.getLogger().handlers:
            logging.getLogger().error("%s", error, exc_info=bool(found.get("debug")))
        else:
            print(f"{ident}: {error}", file=sys.stderr)
        return 1


def _run_daemon(ident: str, found: Found) -> int:
    lean.before_imports()
    from . import daemonise, log
    from .daemon import Settings, run
    from .transport.unix_socket import activated_socket, bind

    defaults = Settings()
    settings = Settings(
        port=str(found.get("virtio-serial-port-path", defaults.port)),
        socket=str(found.get("vdagentd-socket", defaults.socket)),
        uinput=str(found.get("uinput-device", defaults.uinput)),
        fake_uinput="fake-uinput" in found,
        one_session="one-session" in found,
        session_integration="disable-session-integration" not in found,
        config=str(found.get("config", defaults.config)),
        debug=int(found.get("debug", 0)),
    )
    foreground = "foreground" in found
    listener = activated_socket()
    own_socket = listener is None
    if listener is None:
        # By hand a missing device is a mistake to be told; under systemd's socket it may yet come.
        _must_exist(settings.port, "port", "has this VM a SPICE channel? is virtio_console loaded?")
        _must_exist(settings.uinput, "tablet", "load the kernel module: modprobe uinput")
        listener = bind(settings.socket)
    ready = None if foreground else daemonise.daemonise(READY_S)
    log.set_up(ident, foreground=foreground, debug=int(found.get("debug", 0)))
    daemonise.tell_systemd("READY=1")
    wrote_pid = False
    if ready is not None:
        wrote_pid = daemonise.write_pid_file(PID_FILE)
        ready(True)
    try:
        return _serve(lambda stop: run(settings, listener, stop))
    finally:
        if own_socket:
            _unlink(settings.socket)
        if wrote_pid:
            _unlink(PID_FILE)


def _run_session(ident: str, found: Found) -> int:
    lean.before_imports()
    from . import daemonise, log, single
    from .config.configuration import control_path
    from .session import Settings, run

    defaults = Settings()
    open_dir = found.get("file-xfer-open-dir")
    socket = str(found.get("vdagentd-socket", defaults.socket))
    display = _text(found.get("display")) or ":".join(
        os.environ.get(name, "") for name in ("WAYLAND_DISPLAY", "DISPLAY")
    )
    settings = Settings(
        port=str(found.get("virtio-serial-port-path", defaults.port)),
        socket=socket,
        control=control_path(single.name_of(display, socket)),
        config=str(found.get("config", defaults.config)),
        save_dir=_text(found.get("file-xfer-save-dir")),
        open_dir=None if open_dir is None else open_dir == "1",
        display=_text(found.get("display")),
        follow="no-follow" not in found,
    )
    if not single.claim(display, settings.socket):
        print(f"{ident}: another session agent serves this desktop already", file=sys.stderr)
        return 0
    foreground = "foreground" in found
    ready = None if foreground else daemonise.daemonise(READY_S)
    log.set_up(ident, foreground=foreground, debug=int(found.get("debug", 0)))
    say_ready = (lambda: ready(True)) if ready is not None else (lambda: None)
    try:
        return _serve(lambda stop: run(settings, stop, say_ready))
    except BaseException as error:
        if ready is not None:
            if isinstance(error, VdagentError):
                print(f"{ident}: {error}", file=sys.stderr)
            ready(False)
        raise


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

    async def serve(asked: int) -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(asked)
            stop.set()

        loop.add_reader(asked, end)
        return await program(stop)

    with _stop_signals() as asked:
        return asyncio.run(serve(asked))
