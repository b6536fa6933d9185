# SPDX-License-Identifier: MIT
"""Which words and options do `vdagent config`, `clipboard` and `reload` take?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .. import __version__, options
from ..errors import VdagentError
from ..options import Found
from ..terminal import harmless
from . import commands

BAD_USAGE = 2

CONFIG_HELP = """\
The settings, in /etc/vdagent/config.toml and ~/.config/vdagent/config.toml.

  check      what is wrong with them
  show       the value of every one, and where it comes from"""

CLIPBOARD_HELP = """\
Which way the clipboard passes between viewer and guest, until you log out.

  off        not at all
  to-guest   what the viewer copies can be pasted here
  to-host    what is copied here can be pasted at the viewer
  both       both ways
  on         what the settings say
Without a word: which way it passes now."""

RELOAD_HELP = "Have your session agents read the settings anew; as root the daemon and all of them."


class Command(NamedTuple):
    """What it takes, and what it does with the word and the options."""

    help: str
    words: tuple[str, ...]
    options: tuple[options.Option, ...]
    run: Callable[[str, Found], int]


def _config(word: str, found: Found) -> int:
    if word == "check":
        return commands.check(_system(found))
    return commands.show(_system(found), as_json="json" in found)


def _clipboard(word: str, found: Found) -> int:
    return commands.clipboard(word, _system(found))


def _reload(word: str, found: Found) -> int:
    return commands.reload(str(found.get("vdagentd-socket", options.SOCKET)))


def _system(found: Found) -> str:
    return str(found.get("config", options.CONFIG))


COMMANDS = {
    "config": Command(
        CONFIG_HELP,
        ("check", "show"),
        (options.SYSTEM_CONFIG, options.Option("", "json", "", "for machines (show)")),
        _config,
    ),
    "clipboard": Command(
        CLIPBOARD_HELP,
        ("off", "on", "both", "to-guest", "to-host"),
        (options.SYSTEM_CONFIG,),
        _clipboard,
    ),
    "reload": Command(
        RELOAD_HELP,
        (),
        (options.AT_SOCKET,),
        _reload,
    ),
}


def run(name: str, arguments: Sequence[str]) -> int:
    """`vdagent NAME …`; the exit status."""
    command, program = COMMANDS[name], f"vdagent {name}"
    word = arguments[0] if arguments and arguments[0] in command.words else ""
    usage = f"{program} [{'|'.join(command.words)}]" if command.words else program
    rest = arguments[1:] if word else arguments
    try:
        found = options.parse(usage, command.help, command.options, rest)
        if name == "config" and not word and "version" not in found:
            raise options.UsageError("check or show?")
    except options.HelpWanted as text:
        print(text)
        return 0
    except options.UsageError as error:
        print(f"{program}: {error}; try {program} --help", file=sys.stderr)
        return BAD_USAGE
    if "version" in found:
        print(f"vdagent {__version__}")
        return 0
    try:
        return command.run(word, found)
    except VdagentError as error:
        print(f"vdagent: {harmless(str(error))}", file=sys.stderr)
        return 1
