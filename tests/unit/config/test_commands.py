# SPDX-License-Identifier: MIT
"""Do `vdagent config`, `clipboard` and `reload` say what counts, and refuse what may not be?"""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from vdagent import cli
from vdagent.config.configuration import control_path
from vdagent.config.keys import KEYS
from vdagent.control import Caller, ControlServer, Line
from vdagent.control import control_path as daemon_control_path


class Home:
    """A user's files, and what the commands say."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self._capsys = directory, capsys
        self.system = directory / "system.toml"
        self.user = directory / "vdagent" / "config.toml"
        self.login = directory / "run" / "vdagent" / "clipboard.toml"
        self.user.parent.mkdir()
        (directory / "run").mkdir(mode=0o700)

    def run(self, *words: str) -> tuple[int, str, str]:
        status = cli.main([*words, "--config", str(self.system)])
        return (status, *self._capsys.readouterr())


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Home:
    home = Home(tmp_path, capsys)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return home


NOBODY = "vdagent: it will count when a session agent starts\n"


def test_check(home: Home) -> None:
    assert home.run("config", "check") == (0, "vdagent: the settings are well\n", "")
    home.system.write_text("locked = 1\n")
    home.user.write_text("\nfiles.enabled = 1\n")
    status, out, err = home.run("config", "check")
    assert (status, out) == (1, "")
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        f"{home.system}:1",
        f"{home.user}:2",
    ]


def test_show(home: Home) -> None:
    home.system.write_text('locked = ["files.enabled"]\nfiles.enabled = false\n')
    home.user.write_text('[clipboard]\nprimary = "off"\n')
    status, out, _ = home.run("config", "show")
    assert status == 0
    document = tomllib.loads(out)
    assert document["files"]["enabled"] is False
    assert document["clipboard"]["primary"] == "off"
    lines = {line.partition(" ")[0]: line for line in out.splitlines()}
    assert lines["enabled"].endswith(f"# {home.system}:2, locked by {home.system}:1")
    assert lines["primary"].endswith(f"# {home.user}:2")
    assert lines["secrets"].endswith("# built in")

    found = json.loads(home.run("config", "show", "--json")[1])
    assert set(found) == {key.name for key in KEYS}
    assert found["files.enabled"] == {
        "value": False,
        "origin": f"{home.system}:2",
        "locked": f"{home.system}:1",
    }
    home.user.write_text(
        out
    )  # what it shows is a file that says the same, but for the system's own
    assert [
        line.partition(" in the ")[0][-20:] for line in home.run("config", "check")[2].splitlines()
    ]
    assert tomllib.loads(home.run("config", "show")[1]) == document


def test_the_clipboard_is_switched_and_back(home: Home) -> None:
    assert home.run("clipboard") == (0, "clipboard: both\nprimary:   both\n", "")
    home.user.write_text('clipboard.primary = "to-host"\n')
    for word, primary in (("to-guest", "off"), ("to-host", "to-host"), ("both", "to-host")):
        said = f"clipboard: {word}\nprimary:   {primary}\n"
        assert home.run("clipboard", word) == (0, said, NOBODY)
        assert home.run("clipboard") == (0, said, "")
    assert home.login.parent.stat().st_mode & 0o777 == 0o700
    assert home.run("clipboard", "off")[1] == "clipboard: off\nprimary:   off\n"
    assert home.run("clipboard", "on")[1] == "clipboard: both\nprimary:   to-host\n"
    assert not home.login.exists()
    assert list(home.login.parent.iterdir()) == []


def test_it_can_be_wider_than_what_the_user_set(home: Home) -> None:
    home.user.write_text('clipboard.direction = "off"\n')
    assert home.run("clipboard", "both")[1].startswith("clipboard: both\n")
    assert home.run("clipboard", "on")[1].startswith("clipboard: off\n")


def test_a_lock_holds(home: Home) -> None:
    home.system.write_text('locked = ["clipboard.direction"]\nclipboard.direction = "to-guest"\n')
    status, out, err = home.run("clipboard", "both")
    assert (status, out) == (1, "")
    assert err == f'vdagent: clipboard: it is locked at "to-guest" by {home.system}:1\n'
    assert not home.login.exists()
    assert home.run("clipboard", "off")[1].startswith("clipboard: off\n")
    assert home.run("clipboard", "to-guest")[1].startswith("clipboard: to-guest\n")


def test_without_a_place_for_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    status, _, err = home.run("clipboard", "off")
    assert status == 1
    assert "XDG_RUNTIME_DIR" in err
    assert home.run("clipboard")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        "config",
        "config nonsense",
        "config check -z",
        "config show more",
        "clipboard of",
        "clipboard off x",
        "reload now",
    ],
)
def test_wrong_usage(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize("command", ["config", "clipboard", "reload"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: vdagent {command} ")


# -- reload ----------------------------------------------------------------------------------------


async def serve(path: str, *mistakes: str) -> tuple[ControlServer, list[Line]]:
    """A program that has these mistakes to tell."""
    asked: list[Line] = []

    async def reload(question: Line, caller: Caller) -> Line:
        caller.must_be_root()
        asked.append(question)
        return {"mistakes": list(mistakes)}

    server = ControlServer(path, {"reload": reload})
    await server.start()
    return server, asked


async def test_reload_tells_daemon_and_sessions(home: Home) -> None:
    os.mkdir(home.directory / "run" / "vdagent")
    agents = str(home.directory / "agents")
    servers = [
        await serve(daemon_control_path(agents), "a:1: both", "a:2: daemon"),
        await serve(control_path("one"), "a:1: both", "a:3: one"),
        await serve(control_path("two")),
    ]
    dead = await serve(control_path("dead"))
    assert dead[0]._server is not None
    dead[0]._server.close()  # as a crash leaves it
    try:
        result = await asyncio.to_thread(cli.main, ["reload", "-S", agents])
        assert result == 1
        assert home._capsys.readouterr().err.splitlines() == [
            "vdagent: a:1: both",
            "vdagent: a:2: daemon",
            "vdagent: a:3: one",
        ]
        assert [asked for _, asked in servers] == [[{"do": "reload"}]] * 3
        servers.pop(0)[0].close()
        servers.pop(0)[0].close()
        assert await asyncio.to_thread(cli.main, ["reload", "-S", agents]) == 0
    finally:
        for server, _ in servers:
            server.close()


def test_nobody_to_reload(home: Home) -> None:
    assert cli.main(["reload", "-S", str(home.directory / "agents")]) == 1
    assert "no session agent of yours" in home._capsys.readouterr().err


@pytest.mark.parametrize("uid", [0, os.getuid(), 65534])
async def test_only_root_and_the_owner_are_heard(uid: int, tmp_path: Path) -> None:
    server, asked = await serve(str(tmp_path / "control"))
    caller: Any = Caller.__new__(Caller)
    caller.uid = uid
    answer = await server.reply(b'{"do": "reload"}', caller)
    assert answer["ok"] is (uid in (0, os.getuid()))
    assert len(asked) == answer["ok"]
    server.close()
