# SPDX-License-Identifier: MIT
"""Which value counts where several are set, and can a user get round a lock?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vdagent.config.configuration import (
    ConfigFiles,
    Paths,
    control_path,
    runtime_directory,
    user_paths,
)
from vdagent.config.keys import KEYS
from vdagent.config.meaning import clipboard_policy, file_policy, held_back, save_directory
from vdagent.handlers.policy import ClipboardPolicy, Direction, FilePolicy
from vdagent.protocol.constants import ClipboardType


class Desk:
    """The files of a system, a user and a login."""

    def __init__(self, directory: Path) -> None:
        self.paths = Paths(*(str(directory / name) for name in ("system", "user", "login")))
        self.files = ConfigFiles(self.paths)

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            Path(getattr(self.paths, name)).write_text(text)

    def value(self, name: str) -> Any:
        return self.files.load().value(name)

    def mistakes(self) -> list[str]:
        return [str(mistake) for mistake in self.files.load().mistakes]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_without_files_everything_is_as_built_in(desk: Desk) -> None:
    config = desk.files.load()
    assert config.mistakes == []
    assert all(config.value(key.name) == key.default for key in KEYS)
    assert {str(config[key.name].origin) for key in KEYS} == {"built in"}
    assert clipboard_policy(config) == ClipboardPolicy(
        types=frozenset(ClipboardType) - {ClipboardType.NONE}
    )
    assert file_policy(config) == FilePolicy()
    assert save_directory(config) is None


def test_who_is_nearer_to_the_user_counts(desk: Desk) -> None:
    name = "clipboard.direction"
    desk.write(system='clipboard.direction = "to-host"')
    assert desk.value(name) is Direction.TO_HOST
    desk.write(user='[clipboard]\ndirection = "both"')
    assert desk.value(name) is Direction.BOTH
    assert str(desk.files.load()[name].origin) == f"{desk.paths.user}:2"
    desk.write(login='clipboard.direction = "off"')
    assert desk.value(name) is Direction.OFF
    files = ConfigFiles(desk.paths, {"display.follow": False, "files.directory": "/in"})
    assert files.load()["display.follow"][:2] == (False, ("command line", None))
    assert save_directory(files.load()) == "/in"


LOCKABLE: Mapping[str, tuple[str, str, str]] = {  # locked at, stricter, looser
    "clipboard.direction": ('"to-guest"', '"off"', '"to-host"'),
    "clipboard.primary": ('"to-host"', '"off"', '"both"'),
    "clipboard.types": ('["text", "png"]', '["png"]', '["png", "bmp"]'),
    "clipboard.max-size": ('"1 MiB"', '"1023 KiB"', "1048577"),
    "clipboard.secrets": ("true", "false", ""),
    "files.enabled": ("false", "false", "true"),
    "files.directory": ('"/in"', '"/in"', '"/out"'),
    "files.max-size": ('"1 GiB"', "0", '"unlimited"'),
    "files.notify": ("true", "true", "false"),
    "display.follow": ("true", "true", "false"),
    "limits.transfers": ("7", "6", "8"),
}


def test_the_table_of_locks_is_complete() -> None:
    assert set(LOCKABLE) == {key.name for key in KEYS if not key.system}


@pytest.mark.parametrize("name", LOCKABLE)
@pytest.mark.parametrize("by", ["user", "login"])
def test_a_lock_can_be_tightened_and_not_loosened(desk: Desk, name: str, by: str) -> None:
    locked, stricter, looser = LOCKABLE[name]
    desk.write(system=f'locked = ["{name}"]\n{name} = {locked}\n')
    at = desk.value(name)
    desk.write(**{by: f"{name} = {stricter}"})
    assert desk.mistakes() == []
    here = getattr(desk.paths, by)
    assert str(desk.files.load()[name].origin) == f"{here}:1"
    if looser:
        desk.write(**{by: f"\n{name} = {looser}\n"})
        [mistake] = desk.mistakes()
        assert mistake.startswith(f"{here}:2: {name} is locked at ")
        assert mistake.endswith(f"by {desk.paths.system}:1")
        assert desk.value(name) == at


def test_a_lock_without_a_value_locks_what_is_built_in(desk: Desk) -> None:
    desk.write(system='locked = ["clipboard.secrets"]', user="clipboard.secrets = true")
    assert desk.value("clipboard.secrets") is False
    assert len(desk.mistakes()) == 1


def test_the_login_cannot_use_a_stricter_user_as_a_lock(desk: Desk) -> None:
    desk.write(
        system='locked = ["clipboard.direction"]\nclipboard.direction = "to-guest"',
        user='clipboard.direction = "off"',
        login='clipboard.direction = "to-guest"',
    )
    assert desk.value("clipboard.direction") is Direction.TO_GUEST
    assert desk.mistakes() == []


def test_a_file_that_breaks_later_counts_as_it_was(desk: Desk) -> None:
    desk.write(system='locked = ["files.enabled"]\nfiles.enabled = false')
    assert desk.value("files.enabled") is False
    desk.write(system="locked = [", user="files.enabled = true")
    assert desk.value("files.enabled") is False
    assert desk.mistakes()[0].startswith(f"{desk.paths.system}:1: is not TOML")
    desk.write(system="")
    assert desk.value("files.enabled") is True


def test_one_broken_file_leaves_the_others(desk: Desk) -> None:
    desk.write(system="rubbish", user='clipboard.direction = "off"')
    assert desk.value("clipboard.direction") is Direction.OFF
    assert len(desk.mistakes()) == 1


def test_the_daemon_goes_by_locks_alone(desk: Desk) -> None:
    desk.write(
        system='locked = ["files.enabled", "clipboard.types"]\n'
        'clipboard.direction = "off"\nclipboard.while-locked = true\n'
        'files.enabled = false\nclipboard.types = ["text"]\nlimits.sessions = 5',
        user="limits.transfers = 1",
    )
    config = desk.files.locked()
    assert config.value("clipboard.direction") is Direction.BOTH
    assert config.value("files.enabled") is False
    assert config.value("limits.transfers") == 128
    assert (config.value("clipboard.while-locked"), config.value("limits.sessions")) == (True, 5)
    assert clipboard_policy(config).types == {ClipboardType.UTF8_TEXT}


def test_what_is_held_back(desk: Desk) -> None:
    assert held_back(desk.files.load()) == ""
    desk.write(user='clipboard.types = ["text", "png", "bmp", "tiff", "jpeg"]')
    assert held_back(desk.files.load()) == "no files in the clipboard"
    desk.write(user="files.enabled = false", login='[clipboard]\nprimary = "off"')
    assert held_back(desk.files.load()) == "PRIMARY off, files off"


def test_where_the_files_are(tmp_path: Path) -> None:
    home = {"HOME": "/home/me"}
    assert user_paths(environment=home) == (
        "/etc/vdagent/config.toml",
        "/home/me/.config/vdagent/config.toml",
        "",
    )
    there = home | {"XDG_CONFIG_HOME": "/cfg", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert user_paths("/s", there) == (
        "/s",
        "/cfg/vdagent/config.toml",
        f"{tmp_path}/vdagent/clipboard.toml",
    )
    ignored = home | {"XDG_CONFIG_HOME": "relative", "XDG_RUNTIME_DIR": str(tmp_path / "none")}
    assert user_paths(environment=ignored) == user_paths(environment=home)
    assert runtime_directory(ignored) == ""


def test_the_control_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert control_path("abc") == f"{tmp_path}/vdagent/abc.control"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert control_path("abc") == ""


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_what_is_written_is_read_again(key: Any) -> None:
    import tomllib

    raw = tomllib.loads(f"x = {key.kind.write(key.default)}")["x"]
    assert key.kind.read(raw) == key.default
    assert key.kind.is_within(key.default, key.default)
    assert key.kind.wanted
