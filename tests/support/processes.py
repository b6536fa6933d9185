# SPDX-License-Identifier: MIT
"""How do tests start processes that can never outlive them, and wait for things to happen?"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

from vdagent.control import control_path
from vdagent.lab.children import die_with_parent, stop

__all__ = ["die_with_parent", "spawn", "stop", "wait_control", "wait_for"]

T = TypeVar("T")


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv`; it is killed when this process dies. Output goes to `log` (or nowhere)."""
    sink: int | IO[bytes] = log.open("ab") if log is not None else subprocess.DEVNULL
    try:
        return subprocess.Popen(
            [os.fspath(a) for a in argv],
            stdin=stdin,
            stdout=sink if stdout is None else stdout,
            stderr=sink,
            env=None if env is None else dict(env),
            pass_fds=pass_fds,
            cwd=cwd,
            preexec_fn=_as_from_a_terminal,
        )
    finally:
        if not isinstance(sink, int):
            sink.close()


def _as_from_a_terminal() -> None:
    """^C counts, also where these tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()


def wait_for(
    condition: Callable[[], T | None], timeout_s: float = 10.0, what: str | None = None
) -> T:
    """Poll `condition` until it is truthy and return it; TimeoutError naming `what` after the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what or condition} did not happen within {timeout_s} s")
        time.sleep(0.01)


def wait_control(session_socket: Path) -> None:
    """Until the daemon with this session socket answers questions, a moment after its start."""
    wait_for(Path(control_path(str(session_socket))).exists, 10, "the control socket")
