# SPDX-License-Identifier: MIT
"""Which program was asked for, and with which options?"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from . import __version__, options
from .errors import VdagentError
from .options import Found

BAD_OPTIONS_DAEMON, BAD_OPTIONS_SESSION = 1, 255
BAD_USAGE = 2
INTERRUPTED = 130  # what a shell makes of SIGINT

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
    words = sys.argv[1:] if arguments is None else list(arguments)
    return _for_people(lambda: _command(words or ["--help"]))


def _command(words: list[str]) -> int:
    command, *rest = words
    if command in _MAINS:
        return _MAINS[command](rest)
    if command == "--version":
        print(f"vdagent {__version__}")
        return 0
    if command in ("-h", "--help", "help"):
        print(COMMANDS)
        return 0
    print(f"vdagent: unknown command {command!r}; try vdagent --help", file=sys.stderr)
    return BAD_USAGE


def _for_people(run: Callable[[], int]) -> int:
    """Run; a reader that has seen enough, ^C and a terminal with few characters are no faults."""
    _have_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="replace")
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        from .terminal import leave_output

        leave_output()
        if isinstance(error, BrokenPipeError):
            return 0
        print(f"vdagent: cannot go on: {_words(error)}", file=sys.stderr)
        return 1


def _have_standard_streams() -> None:
    """Started without them (`>&-`), a program's first socket would be its stdin, or take its log."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # its number is the lowest that is free
            nothing = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nothing, mode, encoding="utf-8"))


def _words(error: VdagentError | OSError) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def daemon_main(arguments: Sequence[str] | None = None) -> int:
    """`spice-vdagentd`, which is `vdagent daemon`."""
    return _for_people(lambda: _daemon_command(arguments))


def _daemon_command(arguments: Sequence[str] | None) -> int:
    summary, wrong = "SPICE guest agent daemon.", BAD_OPTIONS_DAEMON
    return _start("vdagent daemon", summary, options.DAEMON, arguments, _daemon, wrong, [])


def _daemon(found: Found) -> int:
    from .programs import run_daemon

    return _guarded("vdagent-daemon", found, run_daemon)


def session_main(arguments: Sequence[str] | None = None) -> int:
    """`spice-vdagent`, which is `vdagent session`."""
    return _for_people(lambda: _session_command(arguments))


def _session_command(arguments: Sequence[str] | None) -> int:
    summary, wrong = "SPICE session agent.", BAD_OPTIONS_SESSION
    return _start("vdagent session", summary, options.SESSION, arguments, _session, wrong, [])


def _session(found: Found) -> int:
    try:  # any number but 0 is yes, as with the C agent
        if "file-xfer-open-dir" in found:
            found["file-xfer-open-dir"] = int(str(found["file-xfer-open-dir"]), 0)
    except ValueError:
        return _bad_options("vdagent session", "-o takes 0 or 1", BAD_OPTIONS_SESSION)
    path = str(found.get("virtio-serial-port-path", options.PORT))
    if not found.get("no-port-check") and not os.path.exists(path):
        if found.get("debug") or sys.stderr.isatty():
            print(f"vdagent session: there is no {path}: nothing to do", file=sys.stderr)
        return 0
    from .programs import run_session

    return _guarded("vdagent-session", found, run_session)


def install_main(command: str, arguments: Sequence[str]) -> int:
    """`vdagent install`, `vdagent uninstall`."""
    from . import install

    summary, known, run = {
        "install": ("Make this system start vdagent.", install.INSTALL, install.install),
        "uninstall": ("Undo vdagent install.", install.UNINSTALL, install.uninstall),
    }[command]

    def guarded(found: Found) -> int:
        return _guarded("vdagent", found, lambda _, options: run(options))

    program = f"vdagent {command}"
    return _start(program, summary, known, arguments, guarded)


def lab_main(arguments: Sequence[str]) -> int:
    """`vdagent lab`."""
    from .lab.cli import run

    return run(arguments)


def settings_main(command: str, arguments: Sequence[str]) -> int:
    """`vdagent config`, `vdagent clipboard`, `vdagent reload`."""
    from .config.cli import run

    return run(command, arguments)


def status_main(arguments: Sequence[str]) -> int:
    """`vdagent status`."""
    summary = "What the daemon is doing."
    return _start("vdagent status", summary, options.STATUS, arguments, _status)


def _status(found: Found) -> int:
    from .status import run

    path = str(found.get("vdagentd-socket", options.SOCKET))
    try:
        return run(path, as_json="json" in found, watch="watch" in found)
    except KeyboardInterrupt:
        return 0


def monitor_main(arguments: Sequence[str]) -> int:
    """`vdagent monitor`."""
    summary = "Show the messages on both wires as they pass, without their content. For root."
    return _start("vdagent monitor", summary, options.MONITOR, arguments, _monitor)


def _monitor(found: Found) -> int:
    try:
        return _guarded("vdagent monitor", found, _run_monitor)
    except KeyboardInterrupt:
        return 0


def _run_monitor(_: str, found: Found) -> int:
    from .monitor import run

    return run(
        str(found.get("vdagentd-socket", options.SOCKET)),
        pointer="no-pointer" not in found,
        as_json="json" in found,
        record=_file(found, "record"),
        read=_file(found, "read"),
    )


def doctor_main(arguments: Sequence[str]) -> int:
    """`vdagent doctor`."""
    summary = "Find the broken link."
    return _start("vdagent doctor", summary, options.DOCTOR, arguments, _doctor)


def _doctor(found: Found) -> int:
    from .doctor.cli import run
    from .doctor.finding import Scope

    scope = Scope(
        str(found.get("virtio-serial-port-path", options.PORT)),
        str(found.get("vdagentd-socket", options.SOCKET)),
        str(found.get("uinput-device", options.UINPUT)),
    )
    return run(scope, as_json="json" in found, probe="probe" in found)


_MAINS: dict[str, Callable[[Sequence[str]], int]] = {
    "daemon": _daemon_command,
    "session": _session_command,
    "install": lambda arguments: install_main("install", arguments),
    "uninstall": lambda arguments: install_main("uninstall", arguments),
    "doctor": doctor_main,
    "status": status_main,
    "monitor": monitor_main,
    "clipboard": lambda arguments: settings_main("clipboard", arguments),
    "config": lambda arguments: settings_main("config", arguments),
    "reload": lambda arguments: settings_main("reload", arguments),
    "lab": lab_main,
}


def _start(
    program: str,
    summary: str,
    known: Sequence[options.Option],
    arguments: Sequence[str] | None,
    run: Callable[[Found], int],
    bad_options: int = BAD_USAGE,
    unused: list[str] | None = None,
) -> int:
    """Run with the options found; what --version, --help and wrong ones come to is settled here.

    With `unused`, words that mean nothing are no error, only said.
    """
    try:
        given = sys.argv[1:] if arguments is None else arguments
        found = options.parse(program, summary, known, given, unused)
    except options.HelpWanted as text:
        print(text)
        raise SystemExit(0) from None
    except options.UsageError as error:
        return _bad_options(program, str(error), bad_options)
    if found.get("version"):
        print(f"vdagent {__version__}")
        return 0
    for word in filter(None, unused or ()):  # a unit's "$EXTRA_ARGS" may well be empty
        print(f"{program}: {word!r} is ignored", file=sys.stderr)
    return run(found)


def _bad_options(program: str, what: str, status: int) -> int:
    print(f"{program}: {what}; try {program} --help", file=sys.stderr)
    return status


def _guarded(ident: str, found: Found, run: Callable[[str, Found], int]) -> int:
    """Run; an error is one sentence with a hint, and its traceback only with --debug."""
    try:
        return run(ident, found)
    except (VdagentError, OSError) as error:
        import logging

        from .terminal import harmless

        if logging.getLogger().handlers:
            logging.getLogger().error("%s", _words(error), exc_info=bool(found.get("debug")))
        elif isinstance(error, OSError):
            raise
        else:
            print(f"{ident}: {harmless(str(error))}", file=sys.stderr)
        return 1
    except Exception:
        import logging

        if not logging.getLogger().handlers:
            raise
        logging.getLogger().critical("", exc_info=True)
        return 1


def _file(found: Found, name: str) -> str | None:
    return str(found[name]) if name in found else None
