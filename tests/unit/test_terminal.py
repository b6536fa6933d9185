# SPDX-License-Identifier: MIT
"""Do the commands bear what people do with them: | head, ^C, small character sets, strange answers?"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import spawn, stop
from tests.support.rig import program
from vdagent import __version__, cli
from vdagent.control import control_path
from vdagent.terminal import harmless

CAPTURE = Path(__file__).parents[1] / "captures" / "a-viewers-visit.jsonl"
COMMANDS = {
    "--help": 0,
    "doctor --help": 0,
    "doctor": 1,
    "doctor --json": 1,
    "status": 1,
    "status --json": 1,
    "status --watch": 1,
    "config show": 0,
    "config show --json": 0,
    "config check": 0,
    "clipboard": 0,
    f"monitor --read {CAPTURE}": 0,
    f"monitor --json --read {CAPTURE}": 0,
}


def vdagent(words: str) -> list[str]:
    return [*program("")[:-1], *words.split()]


def environment(tmp_path: Path, **others: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", **others}


def run_into(stdout: int, words: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        vdagent(words),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
        timeout=60,
    )


@pytest.mark.parametrize("words", COMMANDS)
def test_nobody_reads_any_more(words: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = run_into(writer, words, tmp_path)
    finally:
        os.close(writer)
    assert (run.stderr, run.returncode) == ("", COMMANDS[words])


@pytest.mark.parametrize("words", ["--help", "doctor", "config show", f"monitor --read {CAPTURE}"])
def test_the_disk_is_full(words: str, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        run = run_into(full.fileno(), words, tmp_path)
    assert run.returncode == 1 and "No space left" in run.stderr and run.stderr.count("\n") == 1


@pytest.mark.parametrize("words", ["--help", "doctor", f"monitor --read {CAPTURE}"])
def test_a_small_character_set(words: str, tmp_path: Path) -> None:
    env = environment(tmp_path, PYTHONIOENCODING="ascii")
    run = subprocess.run(vdagent(words), capture_output=True, env=env, timeout=60)
    assert run.stderr == b"" and run.stdout.isascii() and run.stdout


def test_wrong_words_are_wrong_usage(tmp_path: Path) -> None:
    for words in ("dance", "install --dance", "uninstall x", "doctor x", "config", "lab --dance"):
        run = subprocess.run(vdagent(words), capture_output=True, text=True, timeout=60)
        assert run.returncode == 2 and run.stdout == "" and "--help" in run.stderr + "--help"


@pytest.mark.parametrize("words", ["doctor", "status", "reload", "status --watch", "monitor"])
def test_interrupted_it_ends_without_a_word(words: str, tmp_path: Path) -> None:
    """While it waits for a daemon that does not answer."""
    path = tmp_path / "agents"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(control_path(str(path)))
        listener.listen()
        log = tmp_path / "log"
        process = spawn([*vdagent(words), "-S", path], log=log, env=environment(tmp_path))
        try:
            listener.settimeout(30)
            with listener.accept()[0] as connection:
                connection.recv(1)
                process.send_signal(signal.SIGINT)
                process.wait(30)
        finally:
            stop(process)
    # `status` and `monitor` are watched until interrupted: that is no fault there.
    assert (log.read_text(), process.returncode) == (
        "",
        0 if words[:4] in ("stat", "moni") else 130,
    )


@contextmanager
def daemon_that_says(path: Path, answer: str) -> Iterator[None]:
    """One line, to every question."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(control_path(str(path)))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer.encode() + b"\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


ANSWERS = (
    "",
    "nonsense",
    "[1]",
    "[" * 100_000,
    '{"ok": true}',
    '{"ok": true, "status": 7}',
    json.dumps({"ok": True, "status": {"version": __version__}}),
    json.dumps({"ok": True, "status": {"version": __version__, "sessions": 3, "host": []}}),
    json.dumps({"ok": False, "error": "\x1b[2J"}),
    json.dumps({"ok": True, "status": {"version": "9\x1b[2J"}}),
    json.dumps({"ok": True, "capture": 1, "time": "soon", "port": 3}),
)


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_a_daemon_that_talks_nonsense(
    answer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    with daemon_that_says(path := tmp_path / "agents", answer):
        for words in ("status", "status --json", "doctor", "doctor --json", "monitor", "reload"):
            status = cli.main([*words.split(), "-S", str(path)])
            logging.disable(logging.NOTSET)  # which the doctor need not do
            out, err = capsys.readouterr()
            assert "\x1b" not in out + err and status in (0, 1)
            if "--json" in words:
                json.loads(out)
            if words in ("doctor", "monitor"):
                assert out + err + caplog.text and status == 1


BEGINNING: dict[str, Any] = {
    "capture": 1,
    "time": 0.0,
    "port": {"path": "p", "open": True, "client": 0},
    "sessions": [],
}
LINE = {"t": 1.0, "wire": "port", "from": "host", "type": 10, "args": [1], "size": 30}


@pytest.mark.parametrize(
    "lines",
    [
        [{**BEGINNING, "time": "soon"}],
        [{"capture": 1}],
        [{**BEGINNING, "port": 3}],
        [BEGINNING, [1]],
        [BEGINNING, {**LINE, "t": 1e300, "body": ""}],
        [BEGINNING, {**LINE, "t": 10**30, "body": ""}],
        [BEGINNING, {**LINE, "body": "xy"}],
        [BEGINNING, {"t": 1.0, "wire": "port", "event": [], "body": ""}, {}],
    ],
)
def test_a_file_that_is_no_capture(lines: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_text("\n".join(map(json.dumps, lines)))
    argv = [*vdagent("monitor --read"), str(path)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and "capture" in run.stderr


def test_a_capture_does_nothing_to_the_terminal(tmp_path: Path) -> None:
    """What the viewer calls its file and the host its device: text that only shows something."""
    start = b"\0\0\0\0[vdagent-file-xfer]\nname=\x1b]0;pwned\x07\xc2\x9b2J\n" + b"x" * 9000
    device = (1).to_bytes(4, "little") + bytes(12) + (9).to_bytes(4, "little") + b"pci\x1b[2J\0"
    lines = [
        BEGINNING,
        {**LINE, "body": start.hex()},
        {**LINE, "type": 16, "body": device.hex()},
        {"t": 1.0, "wire": "port", "event": "closed", "reason": "\x1b[2J"},
    ]
    path = tmp_path / "capture"
    path.write_text("\n".join(map(json.dumps, lines)))
    argv = [*vdagent("monitor --read"), str(path)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stdout.count("\n") == 3, run.stderr
    assert all(line.isprintable() for line in run.stdout.splitlines()), run.stdout
    assert "pwned" in run.stdout and max(map(len, run.stdout.splitlines())) < 1000


def test_harmless() -> None:
    assert harmless("Grüße → 日本") == "Grüße → 日本"
    assert harmless("a\nb\x1b\x9b\u202e\ud800") == "a\\nb\\x1b\\x9b\\u202e\\ud800"


def test_the_doctor_shows_what_the_host_calls_its_ports(tmp_path: Path) -> None:
    code = (
        "from vdagent.doctor.cli import say, _text\nfrom vdagent.doctor.finding import Finding\n"
        "say(*_text(Finding('port', False, 'ports (a\\x1b[2J\\nok  port)', 'hint')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert "\x1b" not in run.stdout and run.stdout.count("\n") == 2
