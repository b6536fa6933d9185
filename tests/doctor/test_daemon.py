# SPDX-License-Identifier: MIT
"""Does the doctor tell a daemon that is not there, has died, is another one, or cannot be reached?"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doctor.report import PYTHON, Report, doctor, environment, status
from tests.support.processes import spawn, stop, wait_control, wait_for
from tests.support.rig import Rig, program
from tests.support.tools import require
from vdagent.control import control_path
from vdagent.doctor import daemon as examined
from vdagent.doctor.finding import Scope

START = "vdagent"  # which command exactly is a matter of this machine's init, see the last test


def ask(rig: Rig, *options: str) -> Report:
    """The doctor, where this rig's things are."""
    where = ("-s", rig.directory / "port", "-S", rig.socket, "-u", rig.uinput)
    return doctor(*where, *options)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        wait_control(rig.socket)
        yield rig


def test_all_is_well(rig: Rig) -> None:
    rig.ready()
    report = ask(rig)
    report.fine("machine", "port", "tablet", "daemon", "port open", "session agent")
    report.fine("session's turn", "viewer")
    assert report.status == 0 and report.wrong() == []


def test_the_daemon_does_not_run(rig: Rig) -> None:
    rig.end()
    report = ask(rig)
    report.says("daemon", False, f"it does not run: there is no {rig.socket}", START)
    assert report.status == 1
    assert "nobody" not in status(rig.socket, code=1)["error"]


def test_a_dead_daemon(rig: Rig) -> None:
    """Killed, it leaves its sockets behind."""
    rig.daemon.kill()
    rig.daemon.wait()
    report = ask(rig)
    report.says("daemon", False, f"it has died: nobody listens on {rig.socket}", START)
    assert status(rig.socket, code=1)["running"] is False


def test_the_c_daemon_instead_of_ours(tmp_path: Path) -> None:
    with Rig(tmp_path, "C") as rig:
        rig.ready()
        report = ask(rig)
    report.says("daemon", False, "another agent daemon (spice-vdagentd?)", "either keep it")
    report.says("daemon", False, str(tmp_path), "disable --now spice-vdagentd.socket")


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


@pytest.mark.parametrize(
    "told",
    [
        b"* OK IMAP4rev1 ready\n",
        b"[]\n",
        b'{"ok": true}\n',
        b'{"ok": true, "status": 3}\n',
        b"3\n",
    ],
)
def test_a_control_socket_that_is_not_the_daemons(tmp_path: Path, told: bytes) -> None:
    """Somebody listens at both and talks nonsense."""
    path = tmp_path / "sock"
    with listening(path), listening(Path(control_path(str(path)))) as control:

        def talk() -> None:
            connection, _ = control.accept()
            with connection:
                connection.recv(100)
                connection.sendall(told)

        thread = threading.Thread(target=talk)
        thread.start()
        report = doctor("-S", path)
        thread.join()
    report.says("daemon", False, f"no answer at {path}.control", "vdagent")


def test_a_stale_control_socket_beside_a_live_daemon(rig: Rig) -> None:
    """It died and was followed by the C one, say: the file is there and nobody answers."""
    rig.daemon.kill()
    rig.daemon.wait()
    rig.socket.unlink()
    with listening(rig.socket):
        ask(rig).says("daemon", False, "no answer at", "vdagent")


def test_a_daemon_that_its_first_caller_starts(tmp_path: Path) -> None:
    """systemd holds its socket, and nobody has come yet: the doctor is the first."""
    require("systemd-socket-activate")
    (tmp_path / "uinput").touch()
    socket = tmp_path / "sock"
    where = ("-s", tmp_path / "port", "-S", socket, "-u", tmp_path / "uinput")
    activate = ("systemd-socket-activate", "-l", str(socket))
    argv = [*activate, *program("daemon"), "-x", "-X", "-f", *map(str, where)]
    daemon = spawn(argv, log=tmp_path / "log")
    try:
        wait_for(socket.exists, 10, "systemd's socket")
        report = doctor("-s", tmp_path / "port", "-S", socket)
    finally:
        stop(daemon)
    report.says("daemon", True, f"pid {daemon.pid}")


@contextmanager
def open_directory() -> Iterator[Path]:
    """One that every user may look into."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def ordinary(directory: Path) -> list[str]:
    """How an ordinary user runs the doctor: by a copy of the program that it may read."""
    if os.geteuid() != 0:
        return [sys.executable, "-m", "vdagent", "doctor"]
    require("setpriv")
    package = Path(examined.__file__).parents[1]
    shutil.copytree(package, directory / "vdagent", ignore=shutil.ignore_patterns("__pycache__"))
    paths = [str(directory), sysconfig.get_path("purelib")]
    code = f"import sys; sys.path[:0] = {paths}; from vdagent.cli import main; sys.exit(main())"
    user = ["setpriv", "--reuid=12004", "--regid=12004", "--clear-groups", "--no-new-privs"]
    return [*user, PYTHON, "-B", "-c", code, "doctor"]


def test_a_socket_that_cannot_be_reached() -> None:
    """By an ordinary user: the daemon's directory is closed."""
    with open_directory() as directory:
        command = ordinary(directory)
        closed = directory / "run"
        closed.mkdir(0o700)
        with Rig(closed) as rig:
            if os.geteuid() != 0:
                closed.chmod(0)
            report = doctor("-S", rig.socket, command=command)
            closed.chmod(0o700)
    report.says("daemon", False, "cannot be reached: Permission denied", f"ls -ld {closed}")


def test_an_ordinary_user_is_told_all_of_its_own() -> None:
    """And nothing about others: the agent here is not one of theirs, where the tests run as root."""
    with open_directory() as directory:
        command = ordinary(directory)
        with Rig(directory) as rig:
            rig.ready()
            wait_control(rig.socket)
            where = ("-s", directory / "port", "-S", rig.socket, "-u", rig.uinput)
            probe = ["--probe"] if os.geteuid() == 0 else []
            report = doctor(*where, *probe, command=command)
    report.fine("machine", "port", "daemon", "port open", "viewer")
    if os.geteuid() == 0:
        report.says("session agent", False, "none of yours is connected", "vdagent session")
        report.says(
            "probe", None, "only root and users with a session", "sudo vdagent doctor --probe"
        )
    else:
        report.fine("session agent")


def test_the_program_was_upgraded_under_a_running_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import vdagent; vdagent.__version__ = '0.0.9'\n"
        "from vdagent.cli import daemon_main; raise SystemExit(daemon_main())"
    )
    old = [sys.executable, "-c", code]
    monkeypatch.setattr("tests.support.rig.daemon_command", lambda kind: old)
    with Rig(tmp_path) as rig:
        wait_control(rig.socket)
        report = ask(rig)
    report.says("daemon", False, "vdagent 0.0.9 runs, but", "restart it after the upgrade")


@pytest.mark.parametrize(
    ("init", "command"),
    [
        ("run/systemd/system", "systemctl start vdagentd.socket"),
        ("run/openrc/softlevel", "rc-service vdagentd start"),
        ("run/runit", "sv up vdagentd"),
        ("run", "as root: vdagent daemon"),
    ],
)
def test_how_this_init_starts_it(tmp_path: Path, init: str, command: str) -> None:
    (tmp_path / init).mkdir(parents=True)
    scope = Scope("port", str(tmp_path / "sock"), root=str(tmp_path))
    assert examined.without_status(scope, "").hint == command


def test_another_port_than_the_daemons(rig: Rig, tmp_path: Path) -> None:
    """The doctor looks where it is told, the daemon where that was told: they may differ."""
    rig.host.close()
    rig.agent()
    wait_for(lambda: "cannot open" in rig.log.read_text(), 10, "the daemon's complaint")
    report = doctor("-s", tmp_path / "other", "-S", rig.socket, "-u", rig.uinput)
    report.says("port open", False, f"cannot open {rig.directory}/port", "started with -s")


def test_a_daemon_that_hangs_is_not_waited_for_ever(rig: Rig) -> None:
    os.kill(rig.daemon.pid, signal.SIGSTOP)
    try:
        ask(rig).says("daemon", False, "no answer at", "vdagent")
    finally:
        os.kill(rig.daemon.pid, signal.SIGCONT)


def test_wrong_usage_is_told_apart(tmp_path: Path) -> None:
    for words in (("--nonsense",), ("extra",), ("-S",)):
        run = subprocess.run(
            [*program("doctor"), *words], capture_output=True, text=True, env=environment()
        )
        assert run.returncode == 2
        assert run.stderr.count("\n") == 1 and "--help" in run.stderr


def test_a_daemon_that_is_about_to_answer_is_waited_for(tmp_path: Path) -> None:
    """Its control socket is there, and nobody listens yet."""
    with Rig(tmp_path) as rig:
        control = Path(control_path(str(rig.socket)))
        wait_for(control.exists, 10, "the control socket")
        ready = tmp_path / "ready"
        control.rename(ready)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(control))
            later = threading.Timer(1, lambda: ready.replace(control))
            later.start()
            doctor("-S", rig.socket, "-s", tmp_path / "port", "-u", rig.uinput).fine("daemon")
            later.join()
