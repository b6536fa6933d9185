# SPDX-License-Identifier: MIT
"""Does the session agent start, refuse and end as a process should, whatever its desktop does?"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.test_process import END_S
from tests.support.logs import faultless
from tests.support.processes import spawn, stop, wait_for
from tests.support.rig import program
from tests.support.xservers import xvfb


def session(tmp_path: Path, *options: str, port: str = "port") -> list[str]:
    """A session's command line with a daemon socket of its own."""
    (tmp_path / "port").touch()
    argv = [*program("session"), "-s", str(tmp_path / port), "-S", str(tmp_path / "sock")]
    return [*argv, *options]


def test_without_a_port_the_session_has_nothing_to_do(tmp_path: Path) -> None:
    argv = session(tmp_path, "-x", port="missing")
    run = subprocess.run(argv, capture_output=True, timeout=30)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """No desktop but the given one."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP")
    env = {k: v for k, v in os.environ.items() if k not in names}
    return {**env, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), **more}


@pytest.mark.parametrize("display", ["", ":54321", "nonsense"])
@pytest.mark.parametrize("foreground", ["-x", "-d"])
def test_without_a_desktop_it_says_so(tmp_path: Path, display: str, foreground: str) -> None:
    argv = session(tmp_path, foreground)
    env = environment(tmp_path, DISPLAY=display)
    run = subprocess.run(argv, capture_output=True, text=True, timeout=30, env=env)
    assert run.returncode == 1
    assert "display" in run.stderr.lower() or "X server" in run.stderr
    assert faultless(run.stderr)


@contextmanager
def silent_x() -> Iterator[tuple[socket.socket, str]]:
    """An X server that takes connections and never answers, and its display."""
    with socket.socket(socket.AF_UNIX) as listener:
        number = 10_000 + os.getpid() % 50_000
        listener.bind(f"\0/tmp/.X11-unix/X{number}")
        listener.listen()
        listener.settimeout(10)
        yield listener, f":{number}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_x_server_that_never_answers_does_not_hold_it(tmp_path: Path, number: int) -> None:
    with silent_x() as (silent, display):
        env = environment(tmp_path, DISPLAY=display)
        process = spawn(session(tmp_path, "-x"), log=tmp_path / "log", env=env)
        try:
            connection, _ = silent.accept()
            start = time.monotonic()
            process.send_signal(number)
            status = process.wait(15)
            connection.close()
            assert time.monotonic() - start < END_S
            assert status == 0
        finally:
            stop(process)


def test_the_daemon_is_woken_before_there_is_a_desktop(tmp_path: Path) -> None:
    """systemd starts the daemon at the first connection: that is not to wait for the desktop's answer."""
    with silent_x() as (_, display), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        listener.listen()
        listener.settimeout(10)
        env = environment(tmp_path, DISPLAY=display)
        process = spawn(session(tmp_path, "-x"), log=tmp_path / "log", env=env)
        try:
            connection, _ = listener.accept()
            with connection:
                pid = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                assert int.from_bytes(pid[:4], sys.byteorder) == process.pid
                connection.settimeout(0.2)
                with pytest.raises(TimeoutError):  # it has no screens to report yet
                    connection.recv(1)
        finally:
            stop(process)


def test_a_session_agent_that_waits_for_the_daemon_lets_go_of_its_terminal(tmp_path: Path) -> None:
    code = (
        "from vdagent import cli, programs\n"
        "programs.LATE_S = 0.3\n"
        f"raise SystemExit(cli.session_main(['--no-port-check', '-S', '{tmp_path}/sock']))\n"
    )
    with xvfb(tmp_path) as server:
        environment = os.environ | {"DISPLAY": server.display, "XDG_RUNTIME_DIR": str(tmp_path)}
        environment.pop("WAYLAND_DISPLAY", None)
        argv = [sys.executable, "-c", code]
        run = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30)
        assert run.returncode == 1
        assert run.stderr == (
            f"vdagent-session: there is no daemon yet at {tmp_path}/sock; waiting for it\n"
        )
    # It has ended with its desktop: nobody holds its lock.
    (lock,) = tmp_path.glob("vdagent-session-*.lock")
    with lock.open() as file:

        def is_free() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        wait_for(is_free, 10, "the end of the session agent")
