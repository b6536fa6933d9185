# SPDX-License-Identifier: MIT
"""Do both programs take the C peer's options, and end with its exit statuses?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vdagent import __version__, cli, daemonise, options, programs
from vdagent.options import DAEMON, SESSION, HelpWanted, UsageError, parse

# What the C programs' manual pages list: letters and long names.
C_DAEMON = """d debug, s virtio-serial-port-path, S vdagentd-socket, u uinput-device, f fake-uinput,
    x foreground, o one-session, X disable-session-integration"""
C_SESSION = """d debug, s virtio-serial-port-path, S vdagentd-socket, x foreground,
    f file-xfer-save-dir, o file-xfer-open-dir"""


@pytest.mark.parametrize(("ours", "theirs"), [(DAEMON, C_DAEMON), (SESSION, C_SESSION)])
def test_all_options_of_the_c_peer(ours: tuple[options.Option, ...], theirs: str) -> None:
    wanted = {tuple(pair.split()) for pair in theirs.split(",")}
    assert wanted <= {(option.letter, option.name) for option in ours}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", {}),
        ("-d", {"debug": 1}),
        ("-dd -d", {"debug": 3}),
        ("-xdf", {"foreground": 1, "debug": 1, "fake-uinput": 1}),
        ("-s /p", {"virtio-serial-port-path": "/p"}),
        ("-s/p -x", {"virtio-serial-port-path": "/p", "foreground": 1}),
        ("-xs /p", {"virtio-serial-port-path": "/p", "foreground": 1}),
        ("-s a -s b", {"virtio-serial-port-path": "b"}),
        ("-s -x", {"virtio-serial-port-path": "-x"}),
        ("--debug --debug", {"debug": 2}),
        ("--uinput-device=/u", {"uinput-device": "/u"}),
        ("--uinput-device /u", {"uinput-device": "/u"}),
        ("--uinput-device=", {"uinput-device": ""}),
        ("--uinput-device=a=b", {"uinput-device": "a=b"}),
        ("--fore", {"foreground": 1}),
        ("--version", {"version": 1}),
        ("-d --", {"debug": 1}),
    ],
)
def test_what_is_understood(words: str, found: dict[str, str | int]) -> None:
    assert parse("p", "", DAEMON, words.split()) == found


@pytest.mark.parametrize(
    "words",
    [
        "-z",
        "-dz",
        "--nonsense",
        "--v",
        "--",
        "-s",
        "--uinput-device",
        "--debug=1",
        "word",
        "-",
        "-- x",
    ],
)
def test_what_is_not(words: str) -> None:
    if words == "--":
        assert parse("p", "", DAEMON, ["--"]) == {}
        return
    with pytest.raises(UsageError) as caught:
        parse("p", "", DAEMON, words.split())
    assert str(caught.value)


@pytest.mark.parametrize(
    ("words", "found", "unused"),
    [
        (["-x", "word"], {"foreground": 1}, ["word"]),
        (["", "-x"], {"foreground": 1}, [""]),
        (["-o", "5", "-"], {"one-session": 1}, ["5", "-"]),
        (["-x", "--", "-d", "a"], {"foreground": 1}, ["-d", "a"]),
        (["--debug=3"], {"debug": 1}, ["=3"]),
    ],
)
def test_what_the_c_programs_let_pass(
    words: list[str], found: dict[str, str | int], unused: list[str]
) -> None:
    heard: list[str] = []
    assert parse("p", "", DAEMON, words, heard) == found
    assert heard == unused


@pytest.mark.parametrize("words", ["-z", "--nonsense", "--v", "-s", "--debu=1 --uinput"])
def test_what_the_c_programs_refuse_too(words: str) -> None:
    with pytest.raises(UsageError):
        parse("p", "", DAEMON, words.split(), [])


def test_words_that_mean_nothing_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A unit's "$EXTRA_ARGS" is an empty word, and no reason to say anything."""
    missing = str(tmp_path / "missing")
    assert cli.main(["session", "", "-y", "word", "-s", missing]) == 0
    assert capsys.readouterr().err == "vdagent session: 'word' is ignored\n"
    assert cli.main(["status", "word"]) == 2
    assert "'word'" in capsys.readouterr().err


def test_help_lists_every_option() -> None:
    for known in (DAEMON, SESSION):
        with pytest.raises(HelpWanted) as caught:
            parse("p", "A summary.", known, ["-d", "-h"])
        text = str(caught.value)
        assert all(f"--{option.name}" in text for option in known if option.help)
        for word in ("--help-all", "-?", "--hel"):
            with pytest.raises(HelpWanted, match="A summary"):
                parse("p", "A summary.", known, [word])
        assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("program", ["daemon", "session"])
def test_exit_statuses(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([program, "--help"])
    assert caught.value.code == 0
    assert "Usage: vdagent" in capsys.readouterr().out
    assert cli.main([program, "--version"]) == 0
    assert capsys.readouterr().out == f"vdagent {__version__}\n"
    assert cli.main([program, "-z"]) == (1 if program == "daemon" else 255)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "-z" in captured.err


def test_open_dir_is_0_or_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["session", "-o", "yes"]) == 255
    assert "0 or 1" in capsys.readouterr().err
    assert cli.main(["session", "-o", "5", "-s", str(tmp_path / "missing")]) == 0


@pytest.mark.parametrize(
    ("word", "directory"),
    [
        ("some/where", "{here}/some/where"),
        (".", "{here}"),
        ("/srv/x", "/srv/x"),
        ("~/x", "~/x"),
        ("xdg-desktop", "xdg-desktop"),
        ("", ""),
    ],
)
def test_a_relative_directory_for_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, directory: str
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = programs._session_settings({"file-xfer-save-dir": word}, ":0", "socket")
    assert settings.save_dir == directory.format(here=tmp_path)


def test_vdagent_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert cli.main(words) == 0 if words else True
    assert "session" in capsys.readouterr().out
    assert cli.main(["--version"]) == 0
    assert cli.main(["nonsense"]) != 0
    assert "nonsense" in capsys.readouterr().err


def test_a_session_without_a_port_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["session", "-s", str(tmp_path / "missing")]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert cli.main(["session", "-d", "-s", str(tmp_path / "missing")]) == 0
    assert "nothing to do" in capsys.readouterr().err


def test_the_module_is_the_program() -> None:
    argv = [sys.executable, "-m", "vdagent", "--version"]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stdout) == (0, f"vdagent {__version__}\n")


def test_the_drop_in_names_are_the_programs() -> None:
    for name, status in (("spice-vdagentd", 1), ("spice-vdagent", 255)):
        script = Path(sys.executable).with_name(name)
        if not script.exists():
            pytest.fail(f"{script} is not installed: make setup")
        run = subprocess.run([script, "-z"], capture_output=True, text=True, timeout=30)
        assert run.returncode == status


def test_the_pid_file(tmp_path: Path) -> None:
    assert daemonise.write_pid_file(str(tmp_path / "pid"))
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    assert not daemonise.write_pid_file(str(tmp_path / "missing" / "pid"))


@pytest.mark.parametrize(("ready", "status"), [("True", 0), ("False", 1), ("None", 1)])
def test_the_parent_waits_for_the_child(ready: str, status: int) -> None:
    """It leaves with success when the child says so, and not when that fails or takes too long."""
    code = (
        "from vdagent.daemonise import daemonise\n"
        f"say = daemonise(0.3 if {ready} is None else 30)\n"
        f"if {ready} is not None: say({ready})\n"
        "else: import time; time.sleep(0.6)\n"
    )
    argv = [sys.executable, "-c", code]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stdout, run.stderr) == (status, "", "")
