# SPDX-License-Identifier: MIT
"""What is the demo inside a real guest? Both programs in the foreground, for the desktop there.

It changes nothing but what the viewer asks for. The port has one user at a time: where the
installed agent has it, that is said and left alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from ..errors import HostError, SystemFault
from ..options import PORT, UINPUT
from ..transport.holders import holders
from .children import die_with_parent, stop, wait_for


def is_in_guest() -> bool:
    """Whether this machine has the SPICE port."""
    return os.path.exists(PORT)


def check() -> None:
    """Raises an error that says what is missing and how to get it."""
    if "DISPLAY" not in os.environ and "WAYLAND_DISPLAY" not in os.environ:
        raise SystemFault("there is no desktop here", "run it in a terminal of the desktop")
    busy = holders(PORT)
    if busy:
        who = ", ".join(f"{name} (pid {pid})" for pid, name in busy)
        raise HostError(f"{who} holds {PORT}", how_to_stop(busy))
    for device in (PORT, UINPUT):
        if not os.access(device, os.R_OK | os.W_OK):
            raise SystemFault(
                f"{device} is not ours to open",
                "sudo modprobe uinput" if not os.path.exists(device) else "sudo -E make demo",
            )


def how_to_stop(busy: list[tuple[int, str]]) -> str:
    """The command that frees the port: by the unit of the process where it has one."""
    pid, _ = busy[0]
    try:
        group = Path(f"/proc/{pid}/cgroup").read_text().strip().rpartition("/")[2]
    except OSError:
        group = ""
    if not group.endswith(".service"):
        return f"stop it with: sudo kill {pid}"
    unit = group.removesuffix(".service")
    # The socket unit would start the service again.
    return f"stop it with: sudo systemctl stop {unit}.socket {unit}.service"


def run() -> int:
    """Run daemon and session until one ends or SIGINT; the exit status."""
    check()
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="vdagent-demo-"))
        socket = Path(directory) / "agent"
        where = ("-x", "-d", "-s", PORT, "-S", str(socket))
        print("The agent runs for this desktop; use the viewer. Ctrl-C ends it.", flush=True)
        daemon = _start(stack, "daemon", *where, "-X")
        wait_for(lambda: socket.exists() or daemon.poll() is not None, 10, "daemon")
        session = _start(stack, "session", *where)
        while daemon.poll() is None and session.poll() is None:
            time.sleep(0.2)
        raise HostError("daemon or session has ended", "what it said is above")


def _start(stack: ExitStack, *argv: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "vdagent", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_parent,
    )
    stack.callback(stop, process)
    if process.stdout is not None:
        threading.Thread(target=_print, args=(argv[0], process.stdout), daemon=True).start()
    return process


def _print(program: str, lines: IO[bytes]) -> None:
    for line in lines:
        print(f"{program}: {line.decode(errors='replace').rstrip()}", flush=True)
