# SPDX-License-Identifier: MIT
"""Does what the documents name exist, and are recordings in them what the programs say today?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import DOCUMENTS, TREE
from vdagent import cli, options
from vdagent.doctor import session

LINK = re.compile(r"\]\(([^)\s]+)\)")
# A word in backticks that can only be a file of the tree.
NAMED = re.compile(r"`((?:[a-z][\w.-]*/)+[\w.-]*|[a-z_]+\.(?:py|toml|md))`")


def slugs(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = document.parent / path if path else document
        assert there.exists(), target
        assert not anchor or anchor in slugs(there), target


def test_every_file_that_architecture_names_exists() -> None:
    """Paths are from the top, from vdagent/, or from the folder the sentence is about."""
    text = (TREE / "ARCHITECTURE.md").read_text()
    places = [TREE, TREE / "vdagent", *(path for path in (TREE / "vdagent").glob("*/"))]
    missing = [
        name for name in NAMED.findall(text) if not any((at / name).exists() for at in places)
    ]
    assert not missing


def test_every_name_that_architecture_finds_in_a_file_is_there() -> None:
    """Written as file, then name: `transport/link.py` `_readable`."""
    text = (TREE / "ARCHITECTURE.md").read_text()
    pairs = re.findall(r"`([\w/]+\.py)`:? `([\w.]+)(?:\[\w+\])?`", text)
    assert len(pairs) > 4
    for path, name in pairs:
        source = (TREE / "vdagent" / path).read_text()
        assert all(part in source for part in name.split(".")), (path, name)


def test_every_folder_is_on_the_map() -> None:
    text = (TREE / "ARCHITECTURE.md").read_text()
    folders = (path.parent.name for path in (TREE / "vdagent").glob("*/__init__.py"))
    assert not sorted(name for name in folders if f"{name}/" not in text)


def test_the_page_of_commands_has_all_of_them() -> None:
    page = (TREE / "docs/commands.md").read_text()
    for command in re.findall(r"^  ([a-z]+) ", cli.COMMANDS, re.MULTILINE):
        assert re.search(rf"`(vdagent )?{command}`", page), command
    named = re.findall(r"`--([a-z-]+)", page)
    known = {
        option.name
        for table in vars(options).values()
        if isinstance(table, tuple)
        for option in table
        if isinstance(option, options.Option)
    }
    assert set(named) <= known | {"help"}


def test_what_troubleshooting_quotes_the_doctor_says() -> None:
    page = (TREE / "docs/troubleshooting.md").read_text()
    files = (TREE / "vdagent/desktops.py", *(TREE / "vdagent/doctor").glob("*.py"))
    source = re.sub(r'"\s*f?"', "", "".join(path.read_text() for path in files))  # over two lines
    name = r"(?:host|desktop): \w+|[a-z' ]+"
    quotes = re.findall(rf"^\| `({name}): ([^`]+)` \|", page, re.MULTILINE)
    assert len(quotes) > 8
    for name, detail in quotes:
        assert f'"{name}"' in source or f'f"{name.split(":")[0]}: {{' in source, name
        for part in re.split(r"…|/\S+", detail.removeprefix("closed: ")):
            assert part.strip() in source, (name, detail)


def test_window_managers_lines_are_doctors() -> None:
    page = (TREE / "docs/install.md").read_text()
    for line in session.AUTOSTART.values():
        what, _, where = line.partition("  (in ")
        assert f"| `{what}` in " in page, line
        assert where.rstrip(")").split(",")[0].split()[-1] in page, line


def test_the_recording_of_the_monitor() -> None:
    """docs/monitor.txt is what `vdagent monitor --read` shows of the capture, at UTC."""
    capture = TREE / "tests/captures/a-viewers-visit.jsonl"
    shown = subprocess.run(
        [sys.executable, "-m", "vdagent", "monitor", "--read", capture],
        env=os.environ | {"TZ": "UTC", "PYTHONUTF8": "1"},
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert (TREE / "docs/monitor.txt").read_bytes() == shown.stdout
