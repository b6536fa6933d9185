# SPDX-License-Identifier: MIT
"""How does the lab start programs that can never outlive it, and end them?"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """To be run in the child before exec: the kernel kills it when its parent is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def stop(process: subprocess.Popen[bytes], timeout_s: float = 5.0) -> int:
    """SIGTERM, after `timeout_s` SIGKILL; the exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def wait_for(condition: Callable[[], T | None], timeout_s: float, what: str) -> T:
    """Ask `condition` until it gives something true; TimeoutError naming `what` after that."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {timeout_s:g} s")
        time.sleep(0.01)
    return result
