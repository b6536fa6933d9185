# SPDX-License-Identifier: MIT
"""Does the right session speak for the guest, whoever comes and goes?"""

from __future__ import annotations

import pytest

from tests.unit.handlers.fakes import FakeAgent, FakeLogins, desktop, login
from vdagent.handlers.sessions import Agent, Sessions
from vdagent.protocol.udscs import GuestResolution


class Log(list[Agent | None]):
    """Every agent that became active, in order."""


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def sessions(log: Log) -> Sessions:
    return Sessions(log.append)


A, B, C = FakeAgent("a"), FakeAgent("b"), FakeAgent("c")


@pytest.fixture(autouse=True)
def fresh() -> None:
    for agent in (A, B, C):
        agent.desktop = agent.login = None


def test_a_connection_has_no_say_until_it_reports(sessions: Sessions, log: Log) -> None:
    sessions.add(A)
    assert log == []
    sessions.reported(A, desktop())
    assert sessions.active is A
    assert log == [A]


def test_the_newest_report_counts_and_the_one_before_comes_back(
    sessions: Sessions, log: Log
) -> None:
    for agent in (A, B, C):
        sessions.add(agent)
    for agent in (B, A, C):
        sessions.reported(agent, desktop())
    assert log == [B, A, C]
    sessions.remove(C)
    assert sessions.active is A
    sessions.remove(B)
    assert sessions.active is A
    sessions.remove(A)
    assert sessions.active is None


def test_another_report_of_the_same_agent_changes_nobody(sessions: Sessions, log: Log) -> None:
    for agent in (A, B):
        sessions.add(agent)
        sessions.reported(agent, desktop())
    sessions.reported(A, desktop(800, 600))
    assert log == [A, B]
    assert A.desktop == desktop(800, 600)


@pytest.mark.parametrize(
    "report", [GuestResolution(1024, 768, ()), desktop(0, 768), desktop(1024, 0)]
)
def test_a_desktop_without_screens_is_none(
    sessions: Sessions, log: Log, report: GuestResolution
) -> None:
    sessions.add(A)
    sessions.reported(A, report)
    assert sessions.active is None
    sessions.reported(A, desktop())
    sessions.reported(A, report)
    assert log == [A, None]


def test_silent_connections_disturb_nobody(sessions: Sessions, log: Log) -> None:
    sessions.add(A)
    sessions.reported(A, desktop())
    for _ in range(3):
        silent = FakeAgent("silent")
        sessions.add(silent)
        sessions.remove(silent)
    assert log == [A]
    sessions.remove(FakeAgent("never added"))
    assert log == [A]


# -- where logins are tracked ----------------------------------------------------------------------


@pytest.fixture
def logins(sessions: Sessions) -> FakeLogins:
    """Agents A in session "1" and B in "c2", both with screens; nobody is at the seat."""
    logins = FakeLogins()
    sessions.track(logins)
    for agent, key in ((A, "1"), (B, "c2")):
        agent.login = login(key)
        sessions.add(agent)
        sessions.reported(agent, desktop())
    return logins


def test_the_session_at_the_seat_is_served_not_the_newest(
    sessions: Sessions, log: Log, logins: FakeLogins
) -> None:
    assert sessions.active is None
    for key in ("1", "c2", None, "other", "c2", "1"):
        logins.active = key
        sessions.decide()
    assert log == [A, B, None, B, A]
    sessions.remove(A)
    assert sessions.active is None


def test_an_agent_without_a_session_is_never_served(
    sessions: Sessions, log: Log, logins: FakeLogins
) -> None:
    sessions.add(C)
    sessions.reported(C, desktop())
    logins.active = "elsewhere"
    sessions.decide()
    assert log == []


def test_an_agent_at_the_seat_without_screens_is_not_served(
    sessions: Sessions, log: Log, logins: FakeLogins
) -> None:
    logins.active = "1"
    sessions.decide()
    sessions.reported(A, GuestResolution(0, 0, ()))
    assert log == [A, None]


def test_tracking_that_begins_late_keeps_who_is_right(sessions: Sessions, log: Log) -> None:
    for agent in (A, B):
        sessions.add(agent)
        sessions.reported(agent, desktop())
    logins = FakeLogins()
    B.login, logins.active = login("c2"), "c2"
    sessions.track(logins)
    assert log == [A, B]


def test_one_agent_per_session_is_known(sessions: Sessions, logins: FakeLogins) -> None:
    assert A.login is not None
    assert sessions.has_agent(A.login)
    assert not sessions.has_agent(login("1"))  # another session of that name
    sessions.remove(A)
    assert not sessions.has_agent(A.login)


# -- lock and greeter ------------------------------------------------------------------------------
