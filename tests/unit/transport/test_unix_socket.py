# SPDX-License-Identifier: MIT
"""Does the daemon get its socket, and only its own, and does it know who connects?"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import until
from vdagent.errors import SessionError, SystemFault
from vdagent.transport import unix_socket
from vdagent.transport.peers import Peer
from vdagent.transport.unix_socket import bind, connect, serve


def test_everybody_may_connect(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        with bind(str(tmp_path / "s")) as listener:
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o666
            assert not listener.get_inheritable()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(umask)


def test_a_dead_daemons_socket_is_replaced(tmp_path: Path) -> None:
    bind(str(tmp_path / "s")).close()
    assert (tmp_path / "s").is_socket()
    with bind(str(tmp_path / "s")), connect(str(tmp_path / "s")):
        pass


def test_a_live_daemons_socket_is_not(tmp_path: Path) -> None:
    with bind(str(tmp_path / "s")):
        with pytest.raises(SystemFault, match="another agent daemon"):
            bind(str(tmp_path / "s"))
        with connect(str(tmp_path / "s")):
            pass


def test_a_busy_daemons_socket_is_not_either(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        with connect(str(tmp_path / "s")), pytest.raises(SystemFault, match="another"):
            bind(str(tmp_path / "s"))


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(SystemFault, match="not a socket"):
        bind(str(tmp_path / "s"))
    assert (tmp_path / "s").read_text() == "precious"


@pytest.mark.parametrize("path", ["missing/s", "x" * 200])
def test_what_cannot_be_bound_is_one_sentence(tmp_path: Path, path: str) -> None:
    with pytest.raises(SystemFault, match="daemon: cannot listen") as caught:
        bind(str(tmp_path / path))
    assert "\n" not in str(caught.value)


def test_a_missing_daemon_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="cannot reach"):
        connect(str(tmp_path / "s"))


async def test_who_connects(tmp_path: Path) -> None:
    came: list[Peer] = []

    def on_connection(connection: socket.socket, peer: Peer) -> None:
        assert not connection.getblocking()
        came.append(peer)
        connection.close()

    stop = serve(bind(str(tmp_path / "s")), on_connection)
    for _ in range(3):
        connect(str(tmp_path / "s")).close()
    await until(lambda: len(came) == 3)
    assert [(p.pid, p.uid) for p in came] == [(os.getpid(), os.getuid())] * 3
    for peer in came:
        peer.close()
    stop()
    with pytest.raises(SessionError):
        connect(str(tmp_path / "s"))


@pytest.mark.virtual_time
async def test_no_file_descriptor_left_is_a_pause_not_a_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    class Exhausted(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise OSError(24, "Too many open files")
            return super().accept()

    came: list[Peer] = []

    def on_connection(connection: socket.socket, peer: Peer) -> None:
        came.append(peer)
        connection.close()

    stop = serve(Exhausted(fileno=bind(str(tmp_path / "s")).detach()), on_connection)
    with connect(str(tmp_path / "s")):
        await until(lambda: tries)
        await until(lambda: came)
    assert tries == 2
    came[0].close()
    stop()


ACTIVATE = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = sys.argv[1]
from vdagent.errors import SystemFault
from vdagent.transport.peers import Peer
from vdagent.transport.unix_socket import activated_socket
try:
    s = activated_socket()
except SystemFault as error:
    print("fault", error)
else:
    print(s and s.getsockname(), "LISTEN_FDS" in os.environ, os.get_inheritable(3))
"""


@pytest.mark.parametrize(
    ("count", "says"), [("0", "None False"), ("1", "{path} False False"), ("2", "fault daemon: ")]
)
def test_systemd_passes_the_socket(tmp_path: Path, count: str, says: str) -> None:
    with bind(str(tmp_path / "s")) as listener:
        code = (
            f"import os; os.dup2({listener.fileno()}, 3); os.set_inheritable(3, True)\n{ACTIVATE}"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, count],
            pass_fds=[listener.fileno()],
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert run.stderr == ""
    assert run.stdout.startswith(says.format(path=tmp_path / "s"))


def test_sockets_for_somebody_else_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert unix_socket.activated_socket() is None


def test_where_it_is_somebody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the file may connect at once."""
    path, listen, answers = tmp_path / "s", socket.socket.listen, []

    class Late(socket.socket):
        def listen(self, backlog: int = 0, /) -> None:
            answers.append(path.exists())
            listen(self, backlog)

    (tmp_path / "s~").touch()
    with pytest.raises(SystemFault, match="is not a socket"):
        bind(str(path), str(tmp_path / "s~"))
    (tmp_path / "s~").unlink()
    monkeypatch.setattr(socket, "socket", Late)
    with bind(str(path), str(tmp_path / "s~")):
        assert answers == [False] and [p.name for p in tmp_path.iterdir()] == ["s"]
    with bind(str(path), str(tmp_path / "s~")):  # the one before has ended
        assert [p.name for p in tmp_path.iterdir()] == ["s"]
