# SPDX-License-Identifier: MIT
"""Does the session agent go by its settings, and by new ones when it reads them anew?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vdagent.handlers.policy import Direction
from vdagent.session import Session, Settings


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    (tmp_path / "vdagent").mkdir()
    return tmp_path / "vdagent" / "config.toml"


def session(user: Path, **options: Any) -> Session:
    config = str(user.with_name("system.toml"))
    return Session(Settings(config=config, **options), lambda: None)


def in_force(agent: Session) -> tuple[Direction, int | None, str | None, bool]:
    """What the clipboard's and the files' handlers go by, and whether the guest follows the viewer."""
    assert agent._store is not None
    return (
        agent.clipboard._policy.clipboard,
        agent.files._policy.max_bytes,
        agent._store._save_dir,
        agent._follow is not None,
    )


async def test_each_setting_reaches_its_handler(user: Path) -> None:
    user.write_text(
        'clipboard.direction = "to-host"\n'
        '[files]\nmax-size = 5\ndirectory = "/in"\nnotify = false\n[display]\nfollow = false\n'
    )
    agent = session(user)
    store = agent._make_store()
    assert in_force(agent) == (Direction.TO_HOST, 5, "/in", False)
    assert agent.files._progress.notify is False
    assert agent._store is store

    user.write_text("x = 1\n")
    assert agent.load_config() == [f"{user}:1: there is no setting 'x'"]
    assert in_force(agent) == (Direction.BOTH, None, None, True)
    user.write_text("display.follow = false\n")
    agent.load_config()
    assert agent._follow is None
    await agent.close()


async def test_the_command_line_is_stronger_but_for_a_lock(user: Path) -> None:
    user.write_text('files.directory = "/in"\n')
    user.with_name("system.toml").write_text('locked = ["display.follow"]\n')
    agent = session(user, save_dir="/elsewhere", follow=False)
    assert agent._save_dir == "/elsewhere"
    assert agent._follow is not None
    [mistake] = agent.load_config()
    assert mistake.startswith("command line: display.follow is locked at true by ")
    await agent.close()
