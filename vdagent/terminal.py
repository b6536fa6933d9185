# SPDX-License-Identifier: MIT
"""How are words shown to a person, whoever they come from, and whoever has stopped listening?"""

from __future__ import annotations

import os
import sys


def harmless(text: str) -> str:
    """`text` as one line that shows something and does nothing.

    Names and versions come from hosts, viewers and programs: a line feed in one would forge a line, an
    escape sequence would act on the terminal, a bidirectional override would turn the rest around.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(*lines: str, before: str = "") -> bool:
    """Print lines, now; False if nobody reads them any more. `before` may be for the terminal."""
    try:
        print(before + "\n".join(map(harmless, lines)), flush=True)
    except BrokenPipeError:
        leave_output()
        return False
    return True


def leave_output() -> None:
    """Let go of what cannot be written: else it would be tried, and complained about, at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
