# SPDX-License-Identifier: MIT
"""What is built once for all packaging tests?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tools import require

TREE = Path(__file__).parents[2]
DATA = TREE / "vdagent" / "data"
# A commit's date, so that a build now and a build later can be compared.
EPOCH = "1790000000"


def run(*argv: str | Path, cwd: Path = TREE, **environment: str) -> str:
    """Run a command that must succeed; what it said on both its outputs."""
    done = subprocess.run(
        [os.fspath(a) for a in argv],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{argv[0]}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def build(what: str, into: Path) -> list[Path]:
    script = TREE / "packaging" / "build.py"
    return [
        Path(line)
        for line in run(sys.executable, script, what, into, SOURCE_DATE_EPOCH=EPOCH).splitlines()
    ]


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel and sdist by their suffixes."""
    return {path.suffix: path for path in build("dist", tmp_path_factory.mktemp("dist"))}


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package."""
    require("dpkg-buildpackage", "dh", "dh_python3")
    (package,) = build("deb", tmp_path_factory.mktemp("deb"))
    return package


@pytest.fixture(scope="session")
def venv(dist: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it, and without its dependencies."""
    directory = tmp_path_factory.mktemp("opt") / "vdagent"
    run("/usr/bin/python3", "-m", "venv", directory)
    run(directory / "bin/pip", "install", "-q", "--no-index", "--no-deps", dist[".whl"])
    return directory
