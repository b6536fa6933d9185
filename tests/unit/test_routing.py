# SPDX-License-Identifier: MIT
"""Has every message its row in the tables of daemon and session agent, and is it the right one?

The tables' types cannot say that. A row is right if its handler's last parameter is of the row's class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from tests.unit.handlers.fakes import Clock, FakeHost, FakeTablet
from vdagent.protocol.host_connection import Event
from vdagent.protocol.messages import MESSAGES
from vdagent.protocol.messages.base import Message
from vdagent.protocol.udscs import FromAgent, FromDaemon
from vdagent.routing import Routing
from vdagent.session import Session, Settings


def check(rows: Mapping[type, Callable[..., None]], messages: set[Any]) -> None:
    assert rows.keys() == messages
    for kind, handler in rows.items():
        if handler.__name__ != "<lambda>":  # those stand in the table itself
            *_, last = inspect.signature(handler).parameters
            assert get_type_hints(handler)[last] in (kind, object), handler


def test_the_daemons() -> None:
    routing = Routing(FakeHost(), FakeTablet, Clock().call_later, print, print)
    check(routing._FROM_HOST, {*get_args(Event), *MESSAGES.values()} - {Message})
    check(routing._FROM_AGENT, {*get_args(FromAgent)})


async def test_the_sessions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    session = Session(Settings(config=str(tmp_path / "none")), lambda: None)
    check(session._FROM_DAEMON, {*get_args(FromDaemon)})
    await session.close()
