# SPDX-License-Identifier: MIT
"""Do the commands of README and the documents do what is said of them?"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.documents.blocks import ELSEWHERE, HERE, LAB, OTHERS, TESTS, TREE, blocks, commands
from tests.support.lab_guest import Guest
from tests.support.processes import spawn, stop, wait_control, wait_for
from tests.support.tools import require
from vdagent.lab.desktop import XDesktop


def test_every_command_is_known() -> None:
    """What is new in a document has to be put into one of the tables, and so be tried."""
    known = {*HERE, *ELSEWHERE, *OTHERS, *TESTS, *LAB}
    assert set(commands()) == known


def test_every_block_says_what_it_is() -> None:
    known = {"sh", "text", "toml", "xml", "json", "python"}
    documents = {block.document.name for block in blocks() if block.language not in known}
    documents -= {block.document.name for block in blocks() if block.language.startswith("{")}
    assert documents <= {"control.md"}  # lines of a conversation


@functools.cache
def said(command: str) -> tuple[int, str]:
    """Run a command of a document as it stands, from the top of the tree."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": home,
            "XDG_RUNTIME_DIR": home,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        done = subprocess.run(
            ["/bin/sh", "-c", command.removeprefix("sudo ")],
            cwd=TREE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
    return done.returncode, done.stdout


@pytest.mark.parametrize("command", HERE)
def test_a_command(command: str) -> None:
    if command == "make demo":
        require("qemu-system-x86_64", "Xvfb", "xclip", "xrandr")
    status, output = said(command)
    expected = HERE[command]
    assert status == expected.status, output
    assert re.search(expected.says, output), output


def test_the_lab_as_developing_tells(tmp_path: Path) -> None:
    """Its three commands, in a directory of their own: the daemon opens the port of the lab."""
    require("qemu-system-x86_64", "Xvfb")
    (tmp_path / "lab-tablet").touch()
    with ExitStack() as stack:
        desktop = stack.enter_context(XDesktop(tmp_path / "x.log"))
        log = tmp_path / "log"
        for command, made in zip(LAB, ("lab-port", "lab-agents", ""), strict=True):
            _, *words = command.replace("/tmp/", f"{tmp_path}/").split()
            argv = [sys.executable, "-m", "vdagent", *words]
            stack.callback(stop, spawn(argv, log=log, env=desktop.environment, cwd=TREE))
            wait_for((tmp_path / made).exists, 20, made)
        wait_for(lambda: "port: opened by a daemon" in log.read_text(), 20, "the open port")


def test_the_documents_become_pages_without_a_warning() -> None:
    """`make docs`, where a warning is an error; links between the pages are checked by it."""
    status, output = said("make docs")
    assert (status, output) == (0, ".cache/docs/index.html\n")


@pytest.mark.parametrize("command", ELSEWHERE)
def test_a_command_that_another_test_runs(command: str) -> None:
    path, _, name = ELSEWHERE[command].partition("::")
    assert re.search(rf"^def {name}\(", (TREE / "tests" / path).read_text(), re.MULTILINE)


def test_the_shell_understands_all_of_them() -> None:
    for block in blocks("sh"):
        subprocess.run(["/bin/sh", "-n"], input=block.text, text=True, check=True)


def excerpt(document: str, first: str) -> list[str]:
    """The lines of the text block that begins with `first`."""
    [block] = [
        block
        for block in blocks("text")
        if block.document.name == document and block.text.startswith(first)
    ]
    return block.text.splitlines()


def test_the_demo_shows_what_readme_shows() -> None:
    require("qemu-system-x86_64", "Xvfb", "xclip", "xrandr")
    _, output = said("make demo")
    for line in excerpt("README.md", "start a desktop"):
        assert line in output


def test_doctor_says_what_readme_says(tmp_path: Path) -> None:
    """Daemon and host are there, and sway has not started the session agent."""
    require("qemu-system-x86_64", "Xvfb")
    with Guest(tmp_path) as guest:
        guest.daemon()
        wait_control(guest.socket)
        where = ("-s", guest.lab.port, "-S", guest.socket, "-u", guest.fifo)
        doctor = subprocess.run(
            [sys.executable, "-m", "vdagent", "doctor", *where],
            env=guest.desktop.environment | {"XDG_CURRENT_DESKTOP": "sway", "LC_ALL": "C.UTF-8"},
            stdout=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    assert doctor.returncode == 1
    for line in excerpt("README.md", "ok  port"):
        pattern = re.escape(line).replace("…", ".*")
        assert re.search(f"^{pattern}$", doctor.stdout, re.MULTILINE), (line, doctor.stdout)


def test_toml_is_a_file_of_settings(tmp_path: Path) -> None:
    found = blocks("toml")
    assert found
    for number, block in enumerate(found):
        tomllib.loads(block.text)
        path = tmp_path / f"{number}.toml"
        path.write_text(block.text)
        check = [sys.executable, "-m", "vdagent", "config", "check", "--config", str(path)]
        done = subprocess.run(check, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr


def test_xml_is_well_formed() -> None:
    found = blocks("xml")
    assert found
    for block in found:
        ElementTree.fromstring(f"<devices>{block.text}</devices>")


def test_python_runs() -> None:
    for block in blocks("python"):
        subprocess.run([sys.executable, "-c", block.text], cwd=TREE, check=True, timeout=60)
