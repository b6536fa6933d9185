# SPDX-License-Identifier: MIT
"""Do wheel and sdist hold what they should, the same bytes every time?"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import TREE, build, run
from vdagent import __version__


def names_of_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {m.name.partition("/")[2] for m in archive.getmembers() if not m.isdir()}


def test_the_same_bytes_every_time(dist: dict[str, Path], tmp_path: Path) -> None:
    """The second time from what the first one packed, elsewhere and without its permissions."""
    run("tar", "-xf", dist[".gz"], "-C", tmp_path)
    (copy,) = tmp_path.iterdir()
    run("chmod", "-R", "go=", copy)
    for path in build(copy, "dist", tmp_path / "again"):
        assert path.read_bytes() == dist[path.suffix].read_bytes(), path.name


def test_the_wheel_holds_the_program_and_its_data(dist: dict[str, Path], tree: Path) -> None:
    with zipfile.ZipFile(dist[".whl"]) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = f"vdagent-{__version__}.dist-info/"
    package = tree / "vdagent"
    code = {str(p.relative_to(tree)) for p in package.rglob("*.py")}
    data = {str(p.relative_to(tree)) for p in (package / "data").rglob("*") if p.is_file()}
    assert code | data <= names
    others = {n for n in names - code - data if not n.startswith(metadata)}
    assert all(n.startswith("vdagent/") and n.endswith(".xml") for n in others), others


@pytest.mark.unless(not (TREE / ".git").exists())  # where nothing is tracked
def test_the_sdist_holds_the_whole_tree(dist: dict[str, Path], tree: Path) -> None:
    listed = run("git", "ls-files").splitlines()
    tracked = {name for name in listed if not name.startswith(".")}
    missing = tracked - names_of_sdist(dist[".gz"])
    assert not {name for name in missing if (tree / name).is_file()}


def test_nothing_that_was_built_is_in_the_sdist(dist: dict[str, Path]) -> None:
    names = names_of_sdist(dist[".gz"])
    assert not [n for n in names if "__pycache__" in n or n.endswith((".pyc", ".so", ".deb"))]
    assert not [n for n in names if n.startswith((".cache", ".venv", "dist/", "build/"))]


def test_a_copy_without_git_can_be_installed(dist: dict[str, Path], tmp_path: Path) -> None:
    run("tar", "-xf", dist[".gz"], "-C", tmp_path)
    (copy,) = tmp_path.iterdir()
    target = tmp_path / "installed"
    run(
        "/usr/bin/python3",
        *("-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"),
        *("--root-user-action=ignore", f"--target={target}", "."),
        cwd=copy,
    )
    assert f"vdagent {__version__}" in run(
        "/usr/bin/python3", "-m", "vdagent", "--version", cwd=target
    )
    shutil.rmtree(target)


def test_one_version_everywhere() -> None:
    changelog = (TREE / "packaging/debian/changelog").read_text()
    assert changelog.startswith(f"vdagent ({__version__}-")
    assert f"\nVersion:        {__version__}\n" in (TREE / "packaging/rpm/vdagent.spec").read_text()
    for recipe in ("arch/PKGBUILD", "alpine/APKBUILD"):
        assert f"\npkgver={__version__}\n" in (TREE / "packaging" / recipe).read_text()


def test_a_build_that_fails_says_why(tmp_path: Path) -> None:
    script = TREE / "packaging/build.py"
    done = subprocess.run(["python3", script, "snap"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "packaging/build.py deb" in done.stderr
