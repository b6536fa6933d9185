# SPDX-License-Identifier: MIT
"""Does `make demo` show what it promises, and say what is in its way?"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import spawn, stop, wait_for
from tests.support.tools import require
from vdagent.errors import HostError, SystemFault
from vdagent.lab import demo_in_guest

DEMO = (sys.executable, "-m", "vdagent.lab.demo")


@pytest.fixture(autouse=True)
def programs() -> None:
    require("qemu-system-x86_64", "Xvfb", "xclip", "xrandr")


def test_shows_everything_and_leaves_a_screenshot(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    done = subprocess.run(
        [*DEMO, "--screenshot", picture], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in (
        "CLIPBOARD_SELECTION",
        "xclip pasted",
        "viewer got png",
        "1000 x 700",
        "BTN_LEFT 1",
    ):
        assert shown in done.stdout
    png = picture.read_bytes()
    assert (png[:4], png[16:24]) == (
        b"\x89PNG",
        (1000).to_bytes(4, "big") + (700).to_bytes(4, "big"),
    )


def test_stays_for_a_person_until_it_is_interrupted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv: list[str | Path] = [*DEMO, "--screenshot", tmp_path / "picture.png"]
    demo = spawn(argv, log=log, env={**os.environ, "KEEP": "1", "PYTHONUNBUFFERED": "1"})
    try:
        uri = re.compile(r"^Attach with: remote-viewer (\S+)$", re.MULTILINE)
        found = wait_for(lambda: uri.search(log.read_text()), 60, f"address, see {log}")
        socket = Path(found[1].removeprefix("spice+unix://"))
        assert socket.is_socket()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(10) == 0
        assert not socket.exists()
    finally:
        stop(demo)


def test_a_missing_program_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path.cwd(),
        env={"PATH": "/nonexistent"},
    )
    assert done.returncode == 1
    assert "Xvfb is not there" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_in_a_guest_it_names_the_program_that_has_the_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    main, port = pty.openpty()  # a character device of our own
    path = os.ttyname(port)
    holder = subprocess.Popen(["sleep", "60"], stdin=port)
    os.close(port)
    try:
        monkeypatch.setattr(demo_in_guest, "PORT", path)
        monkeypatch.setenv("DISPLAY", ":0")
        wait_for(lambda: Path(f"/proc/{holder.pid}/comm").read_text() == "sleep\n", 5)
        with pytest.raises(HostError) as caught:
            demo_in_guest.check()
        assert f"sleep (pid {holder.pid}) holds {path}" in caught.value.message
        assert "stop it with: sudo" in caught.value.hint
    finally:
        stop(holder)
        os.close(main)


def test_in_a_guest_it_wants_a_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SystemFault, match="no desktop"):
        demo_in_guest.check()
