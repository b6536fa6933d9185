# SPDX-License-Identifier: MIT
"""Does a file reach the session it was started with, and nobody else have a word in it?"""

from __future__ import annotations

import pytest

from tests.unit.handlers.fakes import FakeAgent, FakeHost, desktop
from vdagent.handlers.file_routing import FileRouting
from vdagent.handlers.policy import MAX_TRANSFERS, FilePolicy
from vdagent.handlers.sessions import Sessions
from vdagent.protocol.constants import FileXferResult as Result
from vdagent.protocol.messages import FileError, FileXferData, FileXferStart, FileXferStatus


class Setup:
    """A host, two agents of which the second is active, and the routing between them."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.sessions = Sessions(lambda agent: None)
        self.files = FileRouting(self.host, self.sessions)
        self.other, self.agent = FakeAgent("other"), FakeAgent("active")
        for agent in (self.other, self.agent):
            self.sessions.add(agent)
            self.sessions.reported(agent, desktop())

    def start(self, id_: int) -> None:
        self.files.host_start(FileXferStart(id_, b"name"))


@pytest.fixture
def s() -> Setup:
    return Setup()


def test_the_whole_way(s: Setup) -> None:
    s.start(0)
    s.files.agent_status(s.agent, FileXferStatus(0, Result.CAN_SEND_DATA))
    s.files.host_data(FileXferData(0, b"abc"))
    s.files.agent_status(s.agent, FileXferStatus(0, Result.SUCCESS))
    assert s.agent.sent == [FileXferStart(0, b"name"), FileXferData(0, b"abc")]
    assert s.host.sent == [FileXferStatus(0, 0), FileXferStatus(0, 3)]
    s.files.host_data(FileXferData(0, b"late"))
    assert len(s.agent.sent) == 2
    assert s.other.sent == []


def test_nobody_is_there(s: Setup) -> None:
    s.sessions.remove(s.agent)
    s.sessions.remove(s.other)
    s.start(7)
    assert s.host.sent == [FileXferStatus(7, Result.VDAGENT_NOT_CONNECTED)]


def test_an_id_in_use_is_refused_and_its_transfer_goes_on(s: Setup) -> None:
    s.start(7)
    s.start(7)
    assert s.host.take() == [FileXferStatus(7, Result.ERROR)]
    s.files.host_data(FileXferData(7, b"x"))
    assert s.agent.sent == [FileXferStart(7, b"name"), FileXferData(7, b"x")]


def test_the_129th_is_refused(s: Setup) -> None:
    for id_ in range(MAX_TRANSFERS):
        s.start(id_ + 0xFFFFFF00)
    assert s.host.sent == []
    s.start(1)
    assert s.host.sent == [FileXferStatus(1, Result.ERROR, None, FileError(0, 31))]
    s.files.agent_status(s.agent, FileXferStatus(0xFFFFFF00, Result.ERROR))
    s.start(1)
    assert s.agent.sent[-1] == FileXferStart(1, b"name")


def test_ids_nobody_started_do_not_exist(s: Setup) -> None:
    """CVE-2020-25650: each status of an unknown id made an entry."""
    for id_ in range(1000):
        s.files.agent_status(s.agent, FileXferStatus(id_, Result.CAN_SEND_DATA))
    s.files.host_data(FileXferData(5, b"x"))
    s.files.host_status(FileXferStatus(5, Result.CANCELLED))
    assert s.host.sent == s.agent.sent == []
    assert not s.files.receivers


def test_another_sessions_word_does_not_count(s: Setup) -> None:
    """CVE-2020-25651."""
    s.start(7)
    s.files.agent_status(s.other, FileXferStatus(7, Result.CANCELLED))
    assert s.host.sent == []
    s.files.host_data(FileXferData(7, b"x"))
    assert s.agent.sent[-1] == FileXferData(7, b"x")
    assert s.other.sent == []


def test_a_transfer_stays_with_its_session(s: Setup) -> None:
    s.start(7)
    s.sessions.remove(s.other)
    newer = FakeAgent("newer")
    s.sessions.add(newer)
    s.sessions.reported(newer, desktop())
    s.files.host_data(FileXferData(7, b"x"))
    s.files.agent_status(s.agent, FileXferStatus(7, Result.SUCCESS))
    assert s.agent.sent[-1] == FileXferData(7, b"x")
    assert newer.sent == []
    assert s.host.sent == [FileXferStatus(7, Result.SUCCESS)]


def test_the_client_cancels(s: Setup) -> None:
    s.start(7)
    s.files.host_status(FileXferStatus(7, Result.CANCELLED))
    s.files.agent_status(s.agent, FileXferStatus(7, Result.SUCCESS))
    assert s.agent.sent[-1] == FileXferStatus(7, Result.CANCELLED)
    assert s.host.sent == []


def test_a_session_that_dies_cancels_its_own_transfers(s: Setup) -> None:
    s.start(7)
    s.start(8)
    s.sessions.remove(s.agent)
    s.start(9)
    s.files.agent_gone(s.agent)
    assert s.host.sent == [
        FileXferStatus(7, Result.CANCELLED),
        FileXferStatus(8, Result.CANCELLED),
    ]
    s.files.host_data(FileXferData(9, b"x"))
    assert s.other.sent[-1] == FileXferData(9, b"x")


def test_a_client_that_leaves_takes_its_ids_along(s: Setup) -> None:
    s.start(7)
    s.files.client_gone()
    s.files.agent_status(s.agent, FileXferStatus(7, Result.SUCCESS))
    assert s.host.sent == []
    s.start(7)
    assert s.agent.sent[-1] == FileXferStart(7, b"name")
    assert s.host.sent == []


def test_go_on_is_nothing_a_client_can_say(s: Setup) -> None:
    s.start(7)
    s.files.host_status(FileXferStatus(7, Result.CAN_SEND_DATA))
    s.files.host_data(FileXferData(7, b"abc"))
    assert s.agent.sent == [FileXferStart(7, b"name"), FileXferData(7, b"abc")]


def test_files_that_are_locked_off_never_reach_a_session(s: Setup) -> None:
    s.start(1)
    s.files.set_policy(FilePolicy(enabled=False))
    s.start(2)
    s.files.host_data(FileXferData(1, b"x"))
    assert s.host.sent == [FileXferStatus(1, Result.DISABLED), FileXferStatus(2, Result.DISABLED)]
    assert s.agent.sent == [FileXferStart(1, b"name"), FileXferStatus(1, Result.CANCELLED)]
    s.files.set_policy(FilePolicy())
    s.start(3)
    assert s.agent.sent[-1] == FileXferStart(3, b"name")


def test_a_file_larger_than_the_locked_limit_ends_at_it(s: Setup) -> None:
    s.files.set_policy(FilePolicy(max_bytes=4))
    s.start(1)
    s.files.host_data(FileXferData(1, b"1234"))
    s.files.host_data(FileXferData(1, b"5"))
    s.files.host_data(FileXferData(1, b"6"))
    assert s.agent.sent[1:] == [FileXferData(1, b"1234"), FileXferStatus(1, Result.CANCELLED)]
    assert s.host.sent == [FileXferStatus(1, Result.ERROR)]


def test_the_locked_number_of_files_at_once(s: Setup) -> None:
    s.files.set_policy(FilePolicy(transfers=1))
    s.start(1)
    s.start(2)
    assert s.host.sent == [FileXferStatus(2, Result.ERROR, None, FileError(0, 31))]
