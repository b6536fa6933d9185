# SPDX-License-Identifier: MIT
"""Does the daemon hold session agents to what is locked, and read it anew for nobody but root?"""

from __future__ import annotations

import itertools
import json
import subprocess

from tests.interop.test_sessions import SESSION_LOCKED, file_start, no_data
from tests.support import wire
from tests.support.login_rig import BORIS, LoginRig
from tests.support.processes import wait_control, wait_for
from tests.support.wire import PNG, TEXT, Port, Uds
from vdagent.control import control_path

# Runs as another user, who may not be able to read this tree.
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(sys.argv[2].encode() + b"\\n")
    print(connection.makefile().readline())
"""


def ask(rig: LoginRig, do: str, uid: int) -> dict[str, object]:
    path = control_path(str(rig.socket))
    argv = ["/usr/bin/python3", "-I", "-c", ASK, path, json.dumps({"do": do})]
    done = subprocess.run(argv, user=uid, cwd="/", capture_output=True, timeout=10, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_lock_comes_and_goes_while_the_viewer_stays(rig: LoginRig) -> None:
    agent = rig.serve_one()
    wait_control(rig.socket)
    agent.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT, PNG)))
    rig.host.expect_grab(TEXT, PNG)

    rig.config.write_text('locked = ["clipboard.direction"]\nclipboard.direction = "to-guest"\n')
    refused = {"ok": False, "error": "control: only root may do that", "hint": "sudo"}
    assert ask(rig, "reload", BORIS) == refused
    rig.host.send(wire.request(TEXT))
    agent.expect(Uds.REQUEST)  # nothing has changed
    assert ask(rig, "reload", 0) == {"ok": True, "mistakes": []}
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT)
    assert rig.host.expect(Port.RELEASE) == wire.u32(0)
    rig.host.send(wire.request(TEXT))
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT)

    rig.config.write_text('locked = ["clipboard.types"]\nclipboard.types = ["png"]\nx = 1\n')
    problem = f"{rig.config}:3: there is no setting 'x'"
    answer = ask(rig, "reload", 0)
    assert answer["ok"] and str(answer["mistakes"]).startswith(f'["{problem}')
    rig.host.expect_grab(PNG)
    rig.config.unlink()
    assert ask(rig, "reload", 0) == {"ok": True, "mistakes": []}
    assert rig.host.expect(Port.RELEASE) == wire.u32(0)
    rig.host.expect_grab(TEXT, PNG)
    assert agent.is_silent()


def test_what_is_not_locked_is_the_session_agents_affair(rig: LoginRig) -> None:
    rig.config.write_text('clipboard.direction = "off"\nfiles.enabled = false\n')
    agent = rig.serve_one()
    agent.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT)))
    rig.host.expect_grab(TEXT)
    rig.host.send(file_start(1))
    agent.expect(Uds.FILE_START)


def test_the_clipboard_of_a_locked_screen(rig: LoginRig) -> None:
    rig.config.write_text("clipboard.while-locked = true\n")
    agent = rig.serve_one("c1")
    agent.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT)))
    rig.host.expect_grab(TEXT)
    rig.do(rig.logind.hint("c1", True))
    ids = itertools.count(1)

    def refuses_files() -> bool:  # which are another matter
        id_ = next(ids)
        rig.host.send(file_start(id_))
        return (Port.FILE_STATUS, wire.u32(id_, SESSION_LOCKED)) in rig.host.fence()

    wait_for(refuses_files, 10, "the lock known to the daemon")
    rig.host.send(wire.request(TEXT))
    while agent.read()[0] != Uds.REQUEST:
        pass
    agent.send(wire.frame(Uds.DATA, 0, TEXT, b"passes"))
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT) + b"passes"
