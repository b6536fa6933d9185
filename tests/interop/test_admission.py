# SPDX-License-Identifier: MIT
"""Which connections become session agents, with logind and without, and in a flood of them?"""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.support import wire
from tests.support.agent_processes import AgentProcess
from tests.support.login_rig import ANNA, BORIS, ROOT, SERVED, STRANGER, LoginRig
from tests.support.tools import require_root
from tests.support.wire import PNG, TEXT, Uds

# -- who is it? ----------------------------------------------------------------------------------


def test_an_agent_in_another_users_session_is_refused(rig: LoginRig) -> None:
    agent = rig.serve_one()
    rig.do(rig.logind.add("2", STRANGER))
    rig.knock(ANNA, "2").wait_closed()
    rig.wait_log("it is in session 2 of uid 12003, another user's")
    rig.host.send(wire.grab(0, TEXT))
    agent.expect(Uds.GRAB)


def test_root_may_speak_for_a_session(rig: LoginRig) -> None:
    require_root("its agent is another user's")
    rig.start_logind()
    rig.do(rig.logind.add("c1", ANNA))
    rig.do(rig.logind.activate("c1"))
    rig.start_daemon()
    rig.join(0, "c1")
    rig.host.accept()


def test_agents_of_root_without_a_session_wait(rig: LoginRig) -> None:
    require_root("its agent is another user's")
    agent = rig.serve_one()
    first, second = rig.join(0), rig.join(0)
    for early in (first, second):
        early.send(wire.frame(Uds.REQUEST, 0, TEXT))
        assert early.expect(Uds.DATA) == (0, TEXT, b"")
    rig.host.send(wire.grab(0, TEXT))
    agent.expect(Uds.GRAB)


def test_a_second_agent_of_a_session_is_refused_and_the_first_undisturbed(rig: LoginRig) -> None:
    agent = rig.serve_one()
    rig.host.send(wire.grab(0, TEXT))
    agent.expect(Uds.GRAB)
    rig.knock(ANNA, "c1").wait_closed()
    rig.wait_log("session c1 of uid 12001 has an agent already" if ROOT else "already")
    rig.host.send(wire.grab(1, PNG))
    assert agent.expect(Uds.GRAB) == (0, 0, wire.u32(PNG))
    # It may come again when the first has gone.
    agent.close()
    rig.host.wait_closed()
    rig.join(ANNA, "c1")
    rig.host.accept()


def test_an_agent_of_the_user_manager_is_in_the_graphical_session(rig: LoginRig) -> None:
    rig.start_logind()
    rig.do(rig.logind.add("c1", ANNA, Type="tty"))
    rig.do(rig.logind.add("3", ANNA, Type="wayland"))
    rig.do(rig.logind.activate("3"))
    rig.do(rig.logind.contain(1, "c1"))
    rig.start_daemon()
    rig.join(ANNA)
    rig.host.accept()


def test_an_agent_without_a_session_is_served_once_it_has_one(rig: LoginRig) -> None:
    rig.start_two()
    if not ROOT:  # there the user has sessions, all with agents
        return rig.knock(ANNA).wait_closed()
    early = rig.join(STRANGER)
    early.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert early.expect(Uds.DATA) == (0, TEXT, b"")
    rig.do(rig.logind.add("4", STRANGER))
    rig.do(rig.logind.activate("4"))
    rig.host.wait_closed()
    rig.host.accept()
    early.expect(Uds.CLIENT_DISCONNECTED)
    rig.host.send(wire.grab(0, TEXT))
    assert early.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))


def test_an_agent_that_outlives_its_session_is_served_in_the_next_one(rig: LoginRig) -> None:
    """A compositor crashed, its user logs in on the console again, and the next one has its name."""
    rig.start_logind()
    rig.do(rig.logind.add("1", ANNA, Type="wayland"))
    rig.do(rig.logind.activate("1"))
    rig.start_daemon()
    anna = rig.join(ANNA, "1")
    rig.host.accept()
    rig.do(rig.logind.end("1"))
    rig.do(rig.logind.add("2", ANNA, Type="tty"))
    rig.do(rig.logind.activate("2"))
    rig.host.wait_closed()
    rig.do(rig.logind.become("2", "wayland"))
    rig.host.accept()
    anna.expect(Uds.CLIENT_DISCONNECTED)
    rig.host.send(wire.grab(0, TEXT))
    assert anna.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    # That one has no process that outlives it.
    rig.do(rig.logind.remove("2"))
    rig.do(rig.logind.add("3", ANNA, Type="wayland"))
    rig.do(rig.logind.activate("3"))
    rig.host.accept()
    # And it gives way to one that has.
    anna.expect(Uds.CLIENT_DISCONNECTED)
    own = rig.join(ANNA, "3")
    rig.host.send(wire.grab(0, TEXT))
    assert own.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    assert anna.is_silent()


def test_an_agent_that_outlives_its_session_does_not_push_in(rig: LoginRig) -> None:
    """Anna leaves the newer of her two desktops for the older one."""
    rig.start_logind()
    for session in ("1", "2"):
        rig.do(rig.logind.add(session, ANNA, Type="wayland"))
    rig.do(rig.logind.activate("2"))
    rig.start_daemon()
    older = rig.join(ANNA, "1")
    newer = rig.join(ANNA, "2")
    rig.host.accept()
    rig.do(rig.logind.end("2"))
    rig.do(rig.logind.activate("1"))
    rig.wait_log(f"active is the session agent (pid {older.pid}")
    rig.wait_log(f"session agent (pid {newer.pid}, uid {ANNA}) is in session 1 of")
    rig.host.send(wire.grab(0, TEXT))
    assert older.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    assert newer.is_silent()


def test_a_process_that_ended_meanwhile_is_nobody(rig: LoginRig) -> None:
    """Its pid may be another user's by now (CVE-2020-25653)."""
    with rig.logind_hangs() as agent:
        agent.connect(rig.socket).report()
        rig.wait_log(f"(pid {agent.pid}, uid {ANNA}) connected")
        agent.end_process()
    agent.wait_closed()
    rig.wait_log("its process ended before it was known whose it was")


def test_nothing_said_early_is_lost(rig: LoginRig) -> None:
    """What an agent says while logind is slow waits."""
    with rig.logind_hangs() as agent:
        agent.connect(rig.socket).report()
        agent.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT, PNG)))
        rig.wait_log("connected")
        assert "reports" not in rig.log.read_text()
    rig.host.accept()
    rig.host.expect_grab(TEXT, PNG)


# -- with and without logind ---------------------------------------------------------------------


def test_a_restart_of_the_bus_disturbs_nobody(rig: LoginRig) -> None:
    anna, boris = rig.start_two()
    rig.logind.stop()
    rig.bus.stop()
    rig.wait_log("going by what was known last")
    rig.points(5, 6, at=(5, 6))
    rig.host.send(wire.grab(0, TEXT))
    anna.expect(Uds.GRAB)
    with rig.unseen():
        rig.bus.start()
        rig.do(rig.logind.start())
        # Who waits is refused after 10 s: not earlier, for a busy machine starts a logind in as long.
        late = rig.knock(STRANGER) if ROOT else None
    rig.do(rig.logind.activate("c1"))
    assert boris.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    if late is not None:
        late.send(wire.frame(Uds.REQUEST, 0, TEXT))
        assert late.expect(Uds.DATA) == (0, TEXT, b"")


def test_without_a_bus_the_newest_is_served_until_there_is_one(rig: LoginRig) -> None:
    rig.start_daemon(wait="not tracking sessions")
    anna, boris = rig.agent(ANNA), rig.agent(BORIS)
    anna.connect(rig.socket).report()
    rig.host.accept()
    boris.connect(rig.socket).report()
    rig.wait_log(f"active is the session agent (pid {boris.pid}")
    rig.host.send(wire.grab(0, TEXT))
    boris.expect(Uds.GRAB)
    with rig.unseen():
        rig.bus.start()
        rig.do(_logind_with(rig, anna, boris))
    rig.wait_log(SERVED)
    assert anna.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))


async def _logind_with(rig: LoginRig, anna: AgentProcess, boris: AgentProcess) -> None:
    rig.logind.plan("2", ANNA)
    rig.logind.plan("c1", BORIS)
    rig.logind.plan_active("2", {anna.pid: "2", boris.pid: "c1"})
    await rig.logind.start()


def test_minus_x_asks_nobody(rig: LoginRig) -> None:
    rig.start_logind()
    rig.do(rig.logind.add("c1", ANNA))
    rig.do(rig.logind.activate("c1"))
    rig.start_daemon("-X", wait="", PYTHONPROFILEIMPORTTIME="1")
    rig.join(BORIS)
    rig.host.accept()
    assert "dbus" not in rig.log.read_text()


# -- floods --------------------------------------------------------------------------------------


def connect_as(uid: int, path: Path) -> socket.socket:
    """A connection of a user, from this very process."""
    connection = socket.socket(socket.AF_UNIX)
    own = os.geteuid()
    if ROOT:
        os.seteuid(uid)
    try:
        connection.connect(str(path))
    finally:
        os.seteuid(own)
    connection.settimeout(10)
    return connection


def test_one_user_cannot_take_all_places(rig: LoginRig) -> None:
    agent = rig.serve_one()
    with ExitStack() as stack:
        user = STRANGER if ROOT else os.geteuid()
        for _ in range(32):
            stack.enter_context(connect_as(user, rig.socket))
        late = stack.enter_context(connect_as(user, rig.socket))
        assert late.recv(1) == b""
        rig.host.send(wire.grab(0, TEXT))
        agent.expect(Uds.GRAB)
        if ROOT:
            rig.do(rig.logind.add("2", BORIS))
            boris = rig.join(BORIS, "2")
            rig.do(rig.logind.activate("2"))
            boris.expect(Uds.GRAB)
    assert "32 of uid" in rig.log.read_text()


def test_the_129th_connection_is_refused(rig: LoginRig) -> None:
    require_root("several users connect")
    agent = rig.serve_one()
    with ExitStack() as stack:
        for number in range(127):
            stack.enter_context(connect_as(13000 + number // 30, rig.socket))
        late = stack.enter_context(connect_as(14000, rig.socket))
        assert late.recv(1) == b""
        rig.host.send(wire.grab(0, TEXT))
        agent.expect(Uds.GRAB)
    assert "128 are connected" in rig.log.read_text()


def test_a_flood_of_connections_does_not_stop_the_pointer(rig: LoginRig) -> None:
    rig.serve_one()
    user = STRANGER if ROOT else os.geteuid()
    took = []
    for number in range(300):
        connect_as(user, rig.socket).close()
        if number % 30 == 0:
            start = time.monotonic()
            rig.points(10 + number, 20 + number, at=(10 + number, 20 + number))
            took.append(time.monotonic() - start)
    assert median(took) < 0.3, took  # of one the machine may be the reason
