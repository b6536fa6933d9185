# SPDX-License-Identifier: MIT
"""Which code blocks do the documents have, and what is known of each command in them?

A command is either run here, or a test is named that runs it, or it is somebody else's program and
only its syntax is looked at. One that is not in these tables fails test_commands.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

TREE = Path(__file__).parents[2]
DOCUMENTS = (
    *(TREE / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "tests/README.md")),
    *sorted((TREE / "docs").glob("*.md")),
)
_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a document."""

    document: Path
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """The blocks of all documents in these languages, or all blocks."""
    found = [
        Block(document, language, text)
        for document in DOCUMENTS
        for language, text in _FENCE.findall(document.read_text())
    ]
    return [block for block in found if not languages or block.language in languages]


def commands() -> dict[str, list[str]]:
    """Each line of each sh block, and the documents that have it."""
    found: dict[str, list[str]] = {}
    for block in blocks("sh"):
        for line in block.text.splitlines():
            found.setdefault(line, []).append(block.document.name)
    return found


class Expected(NamedTuple):
    """What a command ends with and says, where this machine has no SPICE port."""

    status: int
    says: str


# Run as they stand, from the top of the tree, "sudo" left out: who may not become root is told so.
HERE: dict[str, Expected] = {
    "make demo": Expected(0, "take a screenshot"),
    "make help": Expected(0, "make demo +set everything up"),
    "vdagent doctor": Expected(1, r"!!  port +there is no /dev/virtio-ports/com\.redhat\.spice\.0"),
    "vdagent status": Expected(1, "vdagent doctor tells what to do"),
    "sudo vdagent monitor": Expected(1, "control: no answer at"),
    "vdagent monitor": Expected(1, "control: no answer at"),
    "vdagent config check": Expected(0, "the settings are well"),
    "vdagent config show": Expected(0, r'direction = "both" +# built in'),
    "vdagent clipboard to-guest": Expected(0, "clipboard: +to-guest"),
    "vdagent clipboard off": Expected(0, "clipboard: +off"),
    "vdagent clipboard on": Expected(0, "clipboard: +both"),
    "sudo vdagent reload": Expected(1, "no session agent of yours"),
}

# What changes the machine it runs on, and the test that runs the same elsewhere.
ELSEWHERE: dict[str, str] = {
    "make deb": "packaging/test_deb.py::test_lintian_has_nothing_to_say",
    "make dist": "packaging/test_dist.py::test_the_wheel_holds_the_program_and_its_data",
    "sudo apt install ./dist/vdagent_*.deb": "packaging/test_apt.py::test_over_spice_vdagent_and_back",
    "sudo python3 -m venv /opt/vdagent": "packaging/test_dist.py::test_a_copy_without_git_can_be_installed",
    "sudo /opt/vdagent/bin/pip install .": "packaging/test_dist.py::test_a_copy_without_git_can_be_installed",
    "sudo /opt/vdagent/bin/vdagent install": "packaging/test_install.py::test_what_was_installed_can_be_removed",
}
TESTS = ("make test", "make test-quick", "make fmt")  # run what reads this, or change the tree
# Stay until they are ended; started together in test_commands.py.
LAB = (
    "vdagent lab --port /tmp/lab-port --debug",
    "vdagent daemon -x -d -X -f -u /tmp/lab-tablet -s /tmp/lab-port -S /tmp/lab-agents",
    "vdagent session -x -d -s /tmp/lab-port -S /tmp/lab-agents",
)

# Other systems' tools, which Debian has not, and this machine's devices.
OTHERS = (
    "ls /dev/virtio-ports/",
    "rpmbuild -ta dist/vdagent-*.tar.gz",
    "sudo dnf install --allowerasing ~/rpmbuild/RPMS/noarch/vdagent-*.rpm",
    "cp packaging/arch/* dist/",
    "cd dist && makepkg -si",
    "cp packaging/alpine/* dist/",
    "cd dist && abuild checksum && abuild -r",
)
