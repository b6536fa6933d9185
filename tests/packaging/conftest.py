# SPDX-License-Identifier: MIT
"""What is built once for all packaging tests?"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.tools import require

# Minutes long, and no part of `make test`: `make test-apt` asks for it.
collect_ignore = [] if "VDAGENT_TEST_APT" in os.environ else ["test_apt.py"]

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


def build(tree: Path, what: str, into: Path) -> list[Path]:
    """What packaging/build.py makes of `tree`."""
    script = tree / "packaging" / "build.py"
    said = run("/usr/bin/python3", script, what, into, cwd=tree, SOURCE_DATE_EPOCH=EPOCH)
    return [Path(line) for line in said.splitlines()]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree as it is now, without .git; what was built before is found from there."""
    copy = tmp_path_factory.mktemp("tree") / "vdagent"
    names = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "dist", "build")
    shutil.copytree(TREE, copy, symlinks=True, ignore=names)
    (TREE / ".cache").mkdir(exist_ok=True)
    (copy / ".cache").symlink_to(TREE / ".cache")
    return copy


@pytest.fixture(scope="session")
def dist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel and sdist by their suffixes."""
    return {path.suffix: path for path in build(tree, "dist", tmp_path_factory.mktemp("dist"))}


@pytest.fixture(scope="session")
def deb(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package."""
    require("dpkg-buildpackage", "dh", "dh_python3")
    (package,) = build(tree, "deb", tmp_path_factory.mktemp("deb"))
    return package


@pytest.fixture(scope="session")
def venv(dist: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it, and without its dependencies."""
    directory = tmp_path_factory.mktemp("opt") / "vdagent"
    run("/usr/bin/python3", "-m", "venv", directory)
    run(directory / "bin/pip", "install", "-q", "--no-index", "--no-deps", dist[".whl"])
    return directory
