# SPDX-License-Identifier: MIT
"""Does the seat's session, and nobody else, speak for the guest: switch, greeter, lock?"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import wire
from tests.support.login_rig import BORIS, LoginRig
from tests.support.wire import PNG, TEXT, Port, Uds

SWITCH_S = 1.0  # what a switch of users may take
CAN_SEND_DATA, SUCCESS, SESSION_LOCKED, DISABLED = 0, 3, 5, 7  # file transfer statuses


def within(seconds: float, what: Callable[[], Any]) -> Any:
    """Do it, and look at the clock."""
    start = time.monotonic()
    result = what()
    assert time.monotonic() - start < seconds
    return result


def file_start(id_: int) -> bytes:
    return wire.message(Port.FILE_START, wire.u32(id_) + b"[vdagent-file-xfer]\nname=a\nsize=3\n\0")


def file_data(id_: int, data: bytes) -> bytes:
    return wire.message(Port.FILE_DATA, struct.pack("<IQ", id_, len(data)) + data)


def no_data(type_: int, selection: int = 0) -> bytes:
    """What a request of the host is answered with that gets nothing."""
    return wire.u32(selection, type_)


# -- switching -----------------------------------------------------------------------------------


def test_switching_users_moves_everything(rig: LoginRig) -> None:
    anna, boris = rig.start_two()
    boris.send(wire.resolution(1500, 768, (1024, 768, 100, 0, 0)))
    anna.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT)))
    rig.host.expect_grab(TEXT)
    rig.host.send(wire.monitors((800, 600)))
    rig.host.expect(Port.REPLY)
    anna.expect(Uds.MONITORS_CONFIG)
    rig.host.send(wire.grab(0, PNG, selection=1))
    anna.expect(Uds.GRAB)
    rig.points(5, 6, at=(5, 6))
    assert boris.is_silent()

    def switch() -> None:
        rig.do(rig.logind.activate("c1"))
        assert rig.host.expect(Port.RELEASE) == wire.u32(0)
        assert boris.expect(Uds.GRAB) == (1, 0, wire.u32(PNG))
        boris.expect(Uds.MONITORS_CONFIG)
        rig.points(7, 6, at=(107, 6))

    within(SWITCH_S, switch)
    assert anna.expect(Uds.RELEASE) == (1, 0, b"")
    # Anna's are not heard any more, and her pastes end empty.
    anna.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(TEXT, PNG)))
    anna.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert anna.expect(Uds.DATA) == (0, TEXT, b"")
    boris.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(PNG)))
    rig.host.expect_grab(PNG)
    # And back: her newest offer stands again.
    rig.do(rig.logind.activate("2"))
    assert rig.host.expect(Port.RELEASE) == wire.u32(0)
    rig.host.expect_grab(TEXT, PNG)
    rig.points(7, 6, at=(7, 6))


def test_a_text_console_closes_the_port_and_the_way_back_opens_it(rig: LoginRig) -> None:
    agent = rig.serve_one()
    rig.host.send(wire.monitors((800, 600)))
    agent.expect(Uds.MONITORS_CONFIG)
    rig.do(rig.logind.activate(None))
    rig.host.wait_closed()
    agent.expect(Uds.CLIENT_DISCONNECTED)
    rig.do(rig.logind.activate("c1"))
    within(SWITCH_S, rig.host.accept)
    agent.expect(Uds.MONITORS_CONFIG)
    rig.points(5, 6, at=(5, 6))


def test_a_session_without_an_agent_is_nobody(rig: LoginRig) -> None:
    agent = rig.serve_one()
    rig.do(rig.logind.add("2", BORIS))
    rig.do(rig.logind.activate("2"))
    rig.host.wait_closed()
    boris = rig.join(BORIS, "2")
    rig.host.accept()
    agent.send(wire.frame(Uds.REQUEST, 0, TEXT))
    agent.expect(Uds.CLIENT_DISCONNECTED)
    assert agent.expect(Uds.DATA) == (0, TEXT, b"")
    assert boris.is_silent()


# -- greeter and lock ----------------------------------------------------------------------------


def test_a_greeter_has_pointer_and_monitors_only_until_a_user_comes(rig: LoginRig) -> None:
    greeter = rig.serve_one("c1", Class="greeter", Type="wayland")
    greeter.expect(Uds.FILE_DISABLE)
    rig.points(5, 6, at=(5, 6))
    rig.host.send(wire.grab(0, TEXT))
    rig.host.send(wire.message(Port.AUDIO, struct.pack("<BBBH", 1, 0, 1, 100)))
    rig.host.send(wire.request(TEXT))
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT)
    rig.host.send(file_start(1))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(1, DISABLED)
    greeter.send(wire.frame(Uds.GRAB, 0, 0, wire.u32(PNG)))
    greeter.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert greeter.expect(Uds.DATA) == (0, TEXT, b"")
    rig.host.send(wire.grab(1, TEXT))
    rig.host.send(wire.monitors((800, 600)))
    rig.host.expect(Port.REPLY)
    greeter.expect(Uds.MONITORS_CONFIG)

    rig.do(rig.logind.add("2", BORIS))
    boris = rig.join(BORIS, "2")
    rig.do(rig.logind.activate("2"))
    assert boris.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    boris.expect(Uds.MONITORS_CONFIG)
    rig.host.send(file_start(1))
    boris.expect(Uds.FILE_START)


def hint(rig: LoginRig, locked: bool) -> None:
    rig.do(rig.logind.hint("c1", locked))


def request(rig: LoginRig, locked: bool) -> None:
    rig.do(rig.logind.request("c1", "Lock" if locked else "Unlock"))


@pytest.mark.parametrize("lock", [hint, request])
def test_a_lock_stops_clipboard_and_new_files_only(
    rig: LoginRig, lock: Callable[[LoginRig, bool], None]
) -> None:
    agent = rig.serve_one("c1")
    rig.host.send(file_start(1))
    agent.expect(Uds.FILE_START)
    agent.send(wire.frame(Uds.FILE_STATUS, 1, CAN_SEND_DATA))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(1, CAN_SEND_DATA)
    agent.send(wire.frame(Uds.GRAB, 1, 0, wire.u32(TEXT)))
    assert rig.host.expect(Port.GRAB)[:4] == wire.u32(1)
    rig.host.send(wire.request(TEXT, selection=1))
    agent.expect(Uds.REQUEST)

    lock(rig, True)
    # What waited for the guest ends, and its late answer goes nowhere.
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT, 1)
    agent.send(wire.frame(Uds.DATA, 1, TEXT, b"secret"))
    rig.host.send(wire.request(TEXT, selection=1))
    assert rig.host.expect(Port.CLIPBOARD) == no_data(TEXT, 1)
    agent.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert agent.expect(Uds.DATA) == (0, TEXT, b"")
    # A transfer that runs goes on, a new one is refused.
    rig.host.send(file_start(2))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(2, SESSION_LOCKED)
    rig.host.send(file_data(1, b"abc"))
    agent.expect(Uds.FILE_DATA)
    agent.send(wire.frame(Uds.FILE_STATUS, 1, SUCCESS))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(1, SUCCESS)
    # Both sides copy; the pointer works.
    rig.host.send(wire.grab(0, PNG))
    agent.send(wire.frame(Uds.GRAB, 1, 0, wire.u32(TEXT, PNG)))
    agent.send(wire.frame(Uds.REQUEST, 0, TEXT))
    assert agent.expect(Uds.DATA) == (0, TEXT, b"")
    rig.points(5, 6, at=(5, 6))
    assert agent.is_silent()

    lock(rig, False)
    assert agent.expect(Uds.GRAB) == (0, 0, wire.u32(PNG))
    assert struct.unpack("<4I", rig.host.expect(Port.GRAB))[2:] == (TEXT, PNG)
    agent.send(wire.frame(Uds.REQUEST, 0, PNG))
    rig.host.expect(Port.REQUEST)


def test_a_lock_is_of_one_session(rig: LoginRig) -> None:
    """A user who locks and switches does not lock the other one out."""
    anna, boris = rig.start_two()
    rig.do(rig.logind.hint("2", True))
    rig.wait_log("wait for the unlock")
    rig.host.send(wire.grab(0, TEXT))
    rig.do(rig.logind.activate("c1"))
    assert boris.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
    rig.host.send(file_start(1))
    boris.expect(Uds.FILE_START)
    rig.switch("2", anna)
    rig.host.send(file_start(2))
    assert rig.host.expect(Port.FILE_STATUS) == wire.u32(2, SESSION_LOCKED)
    assert anna.expect(Uds.RELEASE) == (0, 0, b"")  # from when she left the seat
    assert anna.is_silent()
    rig.do(rig.logind.hint("2", False))
    assert anna.expect(Uds.GRAB) == (0, 0, wire.u32(TEXT))
