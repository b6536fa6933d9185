# SPDX-License-Identifier: MIT
"""Is a file of settings read as far as it is right, and each mistake told with its line?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vdagent.config.files import MAX_FILE, Unreadable, read
from vdagent.config.keys import KEYS
from vdagent.handlers.policy import Direction

EVERYTHING = """\
locked = ["clipboard.direction", "files.enabled"]

[clipboard]
direction = "to-guest"   # a comment
primary = "off"
types = ["text", "png"]
max-size = "16 MiB"
secrets = true
while-locked = true

[files]
enabled = false
directory = "~/In coming"
max-size = 1000
notify = false

[display]
follow = false

[limits]
transfers = 3
sessions = 4
sessions-per-user = 2
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_every_setting_is_read(path: Path) -> None:
    path.write_text(EVERYTHING)
    layer = read(str(path), system=True)
    assert layer.mistakes == []
    assert {name: value for name, (value, _) in layer.values.items()} == {
        "clipboard.direction": Direction.TO_GUEST,
        "clipboard.primary": Direction.OFF,
        "clipboard.types": frozenset({"text", "png"}),
        "clipboard.max-size": 16 << 20,
        "clipboard.secrets": True,
        "clipboard.while-locked": True,
        "files.enabled": False,
        "files.directory": "~/In coming",
        "files.max-size": 1000,
        "files.notify": False,
        "display.follow": False,
        "limits.transfers": 3,
        "limits.sessions": 4,
        "limits.sessions-per-user": 2,
    }
    assert set(layer.values) == {key.name for key in KEYS}
    assert layer.values["clipboard.direction"][1] == (str(path), 4)
    assert str(layer.values["limits.sessions-per-user"][1]) == f"{path}:23"
    assert {name: origin.line for name, origin in layer.locked.items()} == {
        "clipboard.direction": 1,
        "files.enabled": 1,
    }


@pytest.mark.parametrize(
    "text",
    [
        'clipboard.direction = "off"',
        'clipboard = { direction = "off" }',
        '["clipboard"]\n"direction"="off"',
    ],
)
def test_other_ways_to_write_it(path: Path, text: str) -> None:
    path.write_text(text)
    value, origin = read(str(path), system=False).values["clipboard.direction"]
    assert value is Direction.OFF
    assert origin.line == text.count("\n") + 1


def test_no_file_says_nothing(path: Path) -> None:
    layer = read(str(path), system=False)
    assert (layer.values, layer.locked, layer.mistakes) == ({}, {}, [])
    assert read(str(path / "below"), system=False).mistakes == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('direction = "to_guest"', 'has to be "both", "to-guest", "to-host" or "off"'),
        ("direction = 1", 'has to be "both"'),
        ("secrets = 1", "has to be true or false"),
        ('secrets = "yes"', "has to be true or false"),
        ('types = "text"', "has to be a list with any of"),
        ('types = ["text", "gif"]', "has to be a list with any of"),
        ("types = [[]]", "has to be a list with any of"),
        ('max-size = "16 MB"', 'at most "256 MiB"'),
        ('max-size = "1.5 MiB"', 'a size such as "16 MiB"'),
        ('max-size = "257 MiB"', 'at most "256 MiB"'),
        ('max-size = "unlimited"', 'at most "256 MiB"'),
        ("max-size = -1", 'a size such as "16 MiB"'),
        ("max-size = true", 'a size such as "16 MiB"'),
        ("max-size = inf", 'a size such as "16 MiB"'),
        ('max-size = "²  MiB"', 'a size such as "16 MiB"'),
        ('dirction = "off"', "did you mean clipboard.direction?"),
        ("max_size = 1", "did you mean clipboard.max-size?"),
        ("notify = true", "did you mean files.notify?"),
        ("zzzzzzzzzzzzz = 1", "there is no setting 'clipboard.zzzzzzzzzzzzz'"),
    ],
)
def test_a_mistake_costs_its_own_line_only(path: Path, line: str, said: str) -> None:
    path.write_text(f'[clipboard]\n{line}\nprimary = "off"\n')
    layer = read(str(path), system=True)
    [mistake] = layer.mistakes
    assert str(mistake).startswith(f"{path}:2: ")
    assert said in str(mistake)
    assert layer.values == {"clipboard.primary": (Direction.OFF, (str(path), 3))}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[clipbord]\ndirection = 1", "'clipbord'; did you mean clipboard?"),
        ("clipboard = 3", "clipboard is a table: [clipboard]"),
        ("[[clipboard]]", "clipboard is a table: [clipboard]"),
        ("lock = []", "did you mean locked?"),
        ('locked = "files.enabled"', "has to be a list"),
        ('locked = ["files.enable"]', "did you mean files.enabled?"),
    ],
)
def test_mistakes_outside_of_tables(path: Path, text: str, said: str) -> None:
    path.write_text(f"\n{text}\n")
    [mistake] = read(str(path), system=True).mistakes
    assert mistake.origin == (str(path), 2)
    assert said in mistake.problem


def test_what_a_users_file_cannot_say(path: Path) -> None:
    path.write_text(EVERYTHING)
    layer = read(str(path), system=False)
    assert not layer.locked
    assert [mistake.origin.line for mistake in layer.mistakes] == [1, 9, 22, 23]
    assert "only the system's file" in layer.mistakes[0].problem
    assert "in the system's file only" in layer.mistakes[1].problem


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b'[clipboard]\ndirection = "off\n', 2, "is not TOML"),
        (b"[clipboard]\n\nrubbish\n", 3, "is not TOML"),
        (b"[files]\nenabled = ", 2, "is not TOML"),
        (b"[files]\n# \xff", 2, "is not UTF-8"),
        (b"a = " + b"[" * 5000, None, "brackets"),
        (b"#" * (MAX_FILE + 1), None, "larger than"),
        (b"a = " + b"9" * 5000, None, "is not TOML"),
    ],
)
def test_a_file_that_says_nothing(path: Path, data: bytes, line: int | None, said: str) -> None:
    path.write_bytes(data)
    with pytest.raises(Unreadable) as caught:
        read(str(path), system=False)
    assert caught.value.mistake.origin == (str(path), line)
    assert said in caught.value.mistake.problem


@pytest.mark.parametrize("what", ["directory", "pipe", "forbidden"])
def test_what_cannot_be_read(path: Path, what: str) -> None:
    if what == "directory":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif os.geteuid() == 0:
        path.symlink_to(path)  # root may read everything but this
    else:
        path.touch(0)
    with pytest.raises(Unreadable) as caught:
        read(str(path), system=False)
    assert caught.value.mistake.origin == (str(path), None)
