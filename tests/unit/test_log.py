# SPDX-License-Identifier: MIT
"""Is the log one line a message, and no longer than it has to be, whatever peers do and are called?"""

from __future__ import annotations

import subprocess
import sys

from vdagent.log import MOST, WITHIN_S, Enough


def said(code: str) -> list[str]:
    program = f"from vdagent import log; import logging\n{code}"
    run = subprocess.run(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, check=True, timeout=30
    )
    return run.stderr.splitlines()


def test_a_name_cannot_forge_a_line_or_act_on_a_terminal() -> None:
    lines = said(
        'log.set_up("me", foreground=True, debug=0)\n'
        'logging.info("files: saved %s", "a\\n<0>me: fire\\x1b[2J\\u202e\\ud800")'
    )
    assert lines == ["me: files: saved a\\n<0>me: fire\\x1b[2J\\u202e\\ud800"]


def test_a_traceback_has_its_lines() -> None:
    lines = said(
        'log.set_up("me", foreground=True, debug=1)\n'
        'try: 1 / 0\nexcept ZeroDivisionError: logging.exception("it\\nbroke")'
    )
    assert lines[0] == "me: it\\nbroke" and lines[1].startswith("Traceback") and len(lines) > 3


def test_a_mistake_of_ours_is_one_line_without_content() -> None:
    lines = said(
        'log.set_up("me", foreground=True, debug=0)\nlast = log.LastError()\n'
        "logging.getLogger().addHandler(last)\n"
        'try: bytes.fromhex("ff").decode() + "secret"\n'
        'except ValueError as error: logging.exception("future: <%r>", "secret")\n'
        "import sys; print(last.text, file=sys.stderr)"
    )
    place = "UnicodeDecodeError in <string>, line 5"
    text = f"internal error: {place}; please report it with what --debug says"
    assert lines == [f"me: {text}", text]


def test_what_is_said_all_the_time_is_left_out_and_that_is_said() -> None:
    loop = 'for n in range(1000): logging.info("client %d", n)\nlogging.info("other")'
    lines = said(f'log.set_up("me", foreground=True, debug=0)\n{loop}')
    assert len(lines) == MOST + 1 and lines[-1] == "me: other"
    assert lines[0] == "me: client 0"
    assert lines[-2] == f"me: client {MOST - 1} (more of these are left out for a while)"
    assert len(said(f'log.set_up("me", foreground=True, debug=1)\n{loop}')) == 1001


def test_after_a_while_it_is_said_again() -> None:
    import logging

    now = [0.0]
    enough = Enough(lambda: now[0])

    def passes() -> bool:
        return enough.filter(logging.LogRecord("n", 20, "", 0, "text", (), None))

    assert [passes() for _ in range(MOST + 1)] == [True] * MOST + [False]
    now[0] = WITHIN_S
    assert passes()
