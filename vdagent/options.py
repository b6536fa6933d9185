# SPDX-License-Identifier: MIT
"""Which options do the commands have?

Those of daemon and session agent are the C peer's: same letters, same names, same defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PORT_NAME = "com.redhat.spice.0"
PORT = f"/dev/virtio-ports/{PORT_NAME}"
SOCKET = "/run/spice-vdagentd/spice-vdagent-sock"
UINPUT = "/dev/uinput"
CONFIG = "/etc/vdagent/config.toml"

Found = dict[str, "str | int"]  # option name → value, or for flags how often


class UsageError(Exception):
    """What is wrong with a command line."""


class HelpWanted(Exception):
    """-h, --help: the text to print."""


class Option(NamedTuple):
    """One option; `value` names its argument, "" means it is a flag (counted).

    Without `help` it is taken and not shown.
    """

    letter: str
    name: str
    value: str
    help: str


AT_PORT = Option("s", "virtio-serial-port-path", "PATH", f"port device or UNIX socket ({PORT})")
AT_SOCKET = Option("S", "vdagentd-socket", "PATH", f"the daemon's socket ({SOCKET})")
AT_UINPUT = Option("u", "uinput-device", "PATH", f"uinput node ({UINPUT})")
SYSTEM_CONFIG = Option("", "config", "PATH", f"the system's settings ({CONFIG})")
DAEMON = (
    Option("d", "debug", "", "log what happens; twice: pointer events too"),
    AT_PORT,
    Option("S", "vdagentd-socket", "PATH", f"socket for session agents ({SOCKET})"),
    AT_UINPUT,
    Option("f", "fake-uinput", "", "write events only, to a FIFO or file"),
    Option("x", "foreground", "", "stay attached, log to stderr"),
    Option("o", "one-session", "", "exit when the active session ends"),
    Option("X", "disable-session-integration", "", "do not ask logind who is active"),
    SYSTEM_CONFIG,
)
SESSION = (
    Option("d", "debug", "", "log what happens"),
    Option("s", "virtio-serial-port-path", "PATH", f"without this path: exit quietly ({PORT})"),
    AT_SOCKET,
    Option("x", "foreground", "", "stay attached, log to stderr"),
    Option("f", "file-xfer-save-dir", "DIR", "xdg-desktop, xdg-download or a directory"),
    Option("o", "file-xfer-open-dir", "0|1", "open the directory after a transfer"),
    Option("", "no-port-check", "", "start also where there is no SPICE port"),
    Option("", "no-follow", "", "leave the size the host gives the GPU to the desktop"),
    Option("", "display", "NAME", "X display instead of $DISPLAY"),
    SYSTEM_CONFIG,
    Option("y", "x11-abort-on-error", "", ""),  # the C agent's, for who debugs it
)
STATUS = (
    AT_SOCKET,
    Option("", "json", "", "for machines"),
    Option("", "watch", "", "show it again whenever it changes, until interrupted"),
)
MONITOR = (
    AT_SOCKET,
    Option("", "no-pointer", "", "leave out the pointer's messages"),
    Option("", "json", "", "for machines: the lines of a capture"),
    Option("", "record", "FILE", "also write a capture to FILE, which must not be there yet"),
    Option("", "read", "FILE", "show a capture instead"),
)
DOCTOR = (
    AT_PORT,
    AT_SOCKET,
    AT_UINPUT,
    Option("", "probe", "", "let viewer and session agent answer, and measure; takes up to 16 s"),
    Option("", "json", "", "for machines: a list of {name, ok, detail, hint}"),
)
VERSION = Option("", "version", "", "print the version")
HELP = Option("h", "help", "", "this text")
HELP_ALL = Option("?", "help-all", "", "")


def usage(program: str, summary: str, options: Sequence[Option]) -> str:
    """The --help text."""
    lines = [f"Usage: {program} [OPTION…]", "", summary, ""]
    for option in (*options, VERSION, HELP):
        if not option.help:
            continue
        letter = f"-{option.letter}, " if option.letter else "    "
        name = f"--{option.name}{'=' + option.value if option.value else ''}"
        lines.append(f"  {letter}{name:38} {option.help}")
    return "\n".join(lines)


def parse(
    program: str,
    summary: str,
    options: Sequence[Option],
    arguments: Sequence[str],
    unused: list[str] | None = None,
) -> Found:
    """What was given. Raises UsageError or HelpWanted.

    Understands what getopt_long does: -dd, -sPATH, -s PATH, --name=VALUE, --name VALUE, and
    unambiguous beginnings of long names. With `unused`, also what the C programs let pass: words
    that are no options, and a flag's value. They are put there.
    """
    known = (*options, VERSION, HELP, HELP_ALL)
    found: Found = {}
    stray: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            stray += rest
            break
        if word.startswith("--"):
            stray += _long(known, word[2:], rest, found)
        elif word.startswith("-") and len(word) > 1:
            _letters(known, word[1:], rest, found)
        else:
            stray.append(word)
    if unused is not None:
        unused += stray
    elif stray:
        raise UsageError(f"unexpected argument {stray[0]!r}")
    if HELP.name in found or HELP_ALL.name in found:
        raise HelpWanted(usage(program, summary, options))
    return found


def _long(known: Sequence[Option], word: str, rest: list[str], found: Found) -> list[str]:
    """Take one long option; a value that a flag was given comes back."""
    name, equals, value = word.partition("=")
    option = _by_name(known, name)
    if option.value:
        found[option.name] = value if equals else _argument(option, rest)
        return []
    found[option.name] = int(found.get(option.name, 0)) + 1
    return [f"={value}"] if equals else []


def _letters(known: Sequence[Option], letters: str, rest: list[str], found: Found) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        option = next((o for o in known if o.letter == letter), None)
        if option is None:
            raise UsageError(f"unknown option -{letter}")
        if option.value:
            found[option.name] = letters or _argument(option, rest)
            return
        found[option.name] = int(found.get(option.name, 0)) + 1


def _by_name(known: Sequence[Option], name: str) -> Option:
    exact = [o for o in known if o.name == name]
    starting = [o for o in known if name and o.help and o.name.startswith(name)]
    if len(exact or starting) != 1:
        raise UsageError(f"unknown option --{name}")
    return (exact or starting)[0]


def _argument(option: Option, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"--{option.name} needs {option.value}")
    return rest.pop(0)
