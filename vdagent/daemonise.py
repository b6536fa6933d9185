# SPDX-License-Identifier: MIT
"""How does a program leave its terminal, and tell its parent or systemd when it is ready?"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable


def daemonise(timeout_s: float) -> Callable[[bool], None]:
    """Fork; the parent exits 0 when the child says it is ready, 1 when it fails or is too late.

    Returns, in the child, the function to say so with.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        ready = bool(select.select([reader], [], [], timeout_s)[0]) and os.read(reader, 1) == b"1"
        os._exit(0 if ready else 1)
    os.close(reader)
    os.setsid()
    said = False

    def say(ready: bool) -> None:
        nonlocal said
        if not said:
            said = True
            _detach()
            _write(writer, b"1" if ready else b"0")
            os.close(writer)

    return say


def _detach() -> None:
    """Point stdin, stdout and stderr at nothing: errors up to here still reach the terminal."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def _write(fd: int, data: bytes) -> None:
    try:
        os.write(fd, data)
    except BrokenPipeError:  # the parent was too impatient
        pass


def write_pid_file(path: str) -> bool:
    """Write our pid; whether that worked (not being able to is no reason to stop)."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError:
        return False
    return True


def tell_systemd(state: str) -> None:
    """Send `state` to whoever started this as a service that notifies (sd_notify(3)), if anybody did."""
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # abstract
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
            notifier.sendto(state.encode(), address)
    except OSError:  # it will find out by its own deadline
        pass
