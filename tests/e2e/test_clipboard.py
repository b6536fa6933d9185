# SPDX-License-Identifier: MIT
"""Does what is copied on one side come out of a paste on the other, through a real host?"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time

import pytest

from tests.e2e.conftest import not_with_the_c_daemon, not_with_the_c_session
from tests.support.lab_guest import Guest
from tests.support.lab_images import png
from tests.support.processes import wait_for

TEXT = "Grüße — 你好 🖱\nsecond line\n"
PNG = png(640, 400)  # 750 KB

# A paste that cannot work ends after 10 s; the rest is for a busy machine.
PATIENCE_S = 18.0


def text_of(size: int) -> bytes:
    """Text of `size` bytes with characters of one to four bytes, all kinds of line lengths."""
    source = random.Random(size)
    words = ["spice", "Grüße", "你好", "🖱", "\n", "agent", "\t", "x" * 71]
    text = " ".join(source.choices(words, k=size // 8)).encode()[:size]
    text = text.decode(errors="ignore").encode()
    return text + b"." * (size - len(text))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("selection", ["clipboard", "primary"])
def test_text_from_the_viewer(running: Guest, selection: str) -> None:
    running.viewer.do("offer", text=TEXT, selection=selection)
    running.offered("UTF8_STRING", selection)
    assert running.desktop.paste("UTF8_STRING", selection).decode() == TEXT


@pytest.mark.parametrize("selection", ["clipboard", "primary"])
def test_text_to_the_viewer(running: Guest, selection: str) -> None:
    since = running.copy(TEXT.encode(), selection=selection)
    running.viewer.do("request", selection=selection)
    data = running.viewer.wait("guest-data", since=since)
    assert (data["selection"], data["type"], data["text"]) == (selection, "text", TEXT)


def test_picture_from_the_viewer(running: Guest) -> None:
    picture = running.directory / "picture.png"
    picture.write_bytes(PNG)
    running.viewer.do("offer", files={"png": str(picture)})
    running.offered("image/png")
    assert running.desktop.paste("image/png") == PNG


def test_picture_to_the_viewer(running: Guest) -> None:
    since = running.copy(PNG, "image/png")
    assert "png" in running.viewer.wait("guest-grab", since=since)["types"]
    running.viewer.do("request", type="png")
    data = running.viewer.wait("guest-data", since=since)
    assert (data["size"], data["sha256"]) == (len(PNG), sha256(PNG))


def test_ten_mebibytes_each_way(running: Guest) -> None:
    text = text_of(10 << 20)
    source = running.directory / "text"
    source.write_bytes(text)
    running.viewer.do("offer", files={"text": str(source)})
    running.offered("UTF8_STRING")
    pasted = running.desktop.paste("UTF8_STRING", timeout_s=60)
    assert (len(pasted), sha256(pasted)) == (len(text), sha256(text))

    text = text[::-1].decode(errors="ignore").encode()
    since = running.copy(text)
    running.viewer.do("request")
    data = running.viewer.wait("guest-data", 60, since=since)
    assert (data["size"], data["sha256"]) == (len(text), sha256(text))


def wait_pasted(guest: Guest, text: str) -> None:
    """Until a program that pastes gets this text."""
    desktop = guest.desktop
    wait_for(lambda: desktop.paste("UTF8_STRING") == text.encode(), 10, f"a paste of {text!r}")


def test_each_copy_replaces_the_one_before(running: Guest) -> None:
    for word in ("one", "two"):
        running.viewer.do("offer", text=f"viewer {word}")
        running.offered("UTF8_STRING")
        wait_pasted(running, f"viewer {word}")
        since = running.copy(f"desktop {word}".encode())
        running.viewer.do("request")
        assert running.viewer.wait("guest-data", since=since)["text"] == f"desktop {word}"


def test_the_viewer_releases(running: Guest) -> None:
    running.viewer.do("offer", text=TEXT)
    running.offered("UTF8_STRING")
    running.viewer.do("release")
    wait_for(lambda: not running.desktop.targets(), 10, "end of the offer")


def test_the_desktop_releases(running: Guest) -> None:
    since = running.viewer.mark()
    owner = running.desktop.copy(b"short-lived", "UTF8_STRING")
    running.viewer.wait("guest-grab", since=since)
    owner.terminate()
    owner.wait()
    running.viewer.wait("guest-release", since=since)


def test_nothing_is_fetched_before_somebody_pastes(running: Guest) -> None:
    since = running.viewer.do("offer", text=TEXT)
    running.offered("UTF8_STRING")
    # A round trip behind the offer: whatever the offer had set off would have come before it.
    running.copy(b"later")
    running.viewer.do("request")
    running.viewer.wait("guest-data", since=since)
    assert not [e for e in running.viewer.events[since:] if e["event"] == "guest-request"]


@not_with_the_c_daemon
def test_a_viewer_that_never_answers_leaves_no_paste_hanging(running: Guest) -> None:
    running.viewer.do("silent")
    running.viewer.do("offer", text=TEXT)
    running.offered("UTF8_STRING")
    started = time.monotonic()
    paste = subprocess.run(
        ["xclip", "-o", "-selection", "clipboard", "-t", "UTF8_STRING"],
        env=running.desktop.environment,
        capture_output=True,
        timeout=2 * PATIENCE_S,
    )
    assert time.monotonic() - started < PATIENCE_S
    assert paste.stdout == b""

    running.viewer.do("silent", silent=False)
    assert running.desktop.paste("UTF8_STRING").decode() == TEXT


@not_with_the_c_session
def test_an_application_that_never_answers_leaves_no_viewer_hanging(running: Guest) -> None:
    since = running.viewer.mark()
    owner = running.desktop.start(sys.executable, "-m", "tests.support.lab_stuck_owner")
    try:
        running.viewer.wait("guest-grab", since=since)
        started = time.monotonic()
        since = running.viewer.do("request")
        data = running.viewer.wait("guest-data", 2 * PATIENCE_S, since=since)
        assert time.monotonic() - started < PATIENCE_S
        assert data["size"] == 0
    finally:
        owner.kill()
        owner.wait()
    since = running.copy(TEXT.encode())
    running.viewer.do("request")
    assert running.viewer.wait("guest-data", since=since)["text"] == TEXT
