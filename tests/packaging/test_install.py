# SPDX-License-Identifier: MIT
"""Does `vdagent install` put the same files in place as the package, and only safe ones?"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import run
from tests.support.tools import require_root
from vdagent.install import PACKAGE, admin_path

# What a package has and an installation has not: the program, documentation, what dh adds.
ONLY_IN_THE_DEB = (
    "/usr/lib/vdagent/",
    *(f"/usr/share/doc/vdagent/{name}" for name in ("README", "ARCH", "changelog", "copyright")),
    "/usr/share/doc/vdagent/examples/",
    "/usr/share/lintian/",
    "/usr/share/python3/runtime.d/",
)
EXAMPLE = "/usr/share/doc/vdagent/config.toml.example"  # and documents, which a package alone has
# Commands are links into the environment, and Debian's zsh looks elsewhere.
ELSEWHERE = {
    "/usr/bin/vdagent": "/usr/local/bin/vdagent",
    "/usr/bin/spice-vdagent": "/usr/local/bin/spice-vdagent",
    "/usr/sbin/spice-vdagentd": "/usr/local/sbin/spice-vdagentd",
    "/usr/share/zsh/vendor-completions/_vdagent": "/usr/local/share/zsh/site-functions/_vdagent",
}
# The package's scripts make this link.
ENABLED = "/etc/systemd/user/graphical-session.target.wants/vdagent.service"


@pytest.fixture
def venv(venv: Path) -> Path:
    """Of root's, as it has to be."""
    require_root("only root's code may be installed")
    return venv


def files_below(root: Path) -> set[str]:
    return {
        f"/{path.relative_to(root)}"
        for path in root.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


def refused(venv: Path, *arguments: str | Path) -> str:
    """What `vdagent install` says when it refuses."""
    done = subprocess.run(
        [venv / "bin/vdagent", "install", *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    return done.stderr


def test_the_same_files_as_the_package(venv: Path, root: Path, deb: Path, tmp_path: Path) -> None:
    run(venv / "bin/vdagent", "install", "--root", root)
    package = tmp_path / "package"
    run("dpkg-deb", "-x", deb, package)
    expected = {ENABLED}
    for path in files_below(package):
        if not path.startswith(ONLY_IN_THE_DEB) or path == EXAMPLE:
            expected.add(ELSEWHERE.get(path) or admin_path(path.removesuffix(".gz")))
    assert files_below(root) == expected
    for row in PACKAGE:
        ours, theirs = root / admin_path(row.path)[1:], package / row.path[1:]
        if theirs.is_file() and not theirs.is_symlink():  # not: man page, compressed
            text = theirs.read_bytes().replace(b"/usr/bin/vdagent", f"{venv}/bin/vdagent".encode())
            assert ours.read_bytes() == text, row.path


def test_units_and_autostart_entries_name_the_environments_program(venv: Path, root: Path) -> None:
    run(venv / "bin/vdagent", "install", "--root", root)
    for name, command in {
        "etc/systemd/system/vdagentd.service": "ExecStart={} daemon -x",
        "etc/systemd/user/vdagent.service": "ExecStart={} session -x",
        "etc/xdg/autostart/vdagent.desktop": "Exec={} session -x",
    }.items():
        assert command.format(venv / "bin/vdagent") in (root / name).read_text()
    assert "/usr/bin/vdagent" not in "".join(
        path.read_text() for path in (root / "etc").rglob("*") if path.is_file()
    )
    assert run(root / "usr/local/bin/vdagent", "--version").startswith("vdagent ")


def test_an_environment_below_the_root_is_named_as_seen_from_there(venv: Path) -> None:
    root = venv.parent
    run(venv / "bin/vdagent", "install", "--root", root)
    assert (
        "ExecStart=/vdagent/bin/vdagent daemon"
        in (root / "etc/systemd/system/vdagentd.service").read_text()
    )
    run(venv / "bin/vdagent", "uninstall", "--root", root)
    assert {path.parts[1] for path in map(Path, files_below(root))} == {"vdagent"}


@pytest.mark.parametrize("init", ["openrc", "runit", "s6", "dinit"])
def test_what_was_installed_can_be_removed(venv: Path, root: Path, init: str) -> None:
    stranger = root / "etc/systemd/system/other.service"
    stranger.parent.mkdir(parents=True)
    stranger.touch()
    run(venv / "bin/vdagent", "install", "--root", root, "--init", init)
    assert len(files_below(root)) > len(PACKAGE)
    run(venv / "bin/vdagent", "install", "--root", root)  # again, as after an upgrade
    run(venv / "bin/vdagent", "uninstall", "--root", root)
    assert files_below(root) == {"/etc/systemd/system/other.service"}
    assert not (root / "usr/share/gdm").exists()


@pytest.mark.parametrize(
    "what", ["lib/python3*/site-packages/vdagent/cli.py", "bin", "bin/vdagent"]
)
@pytest.mark.parametrize("fault", ["foreign", "group", "others"])
def test_code_that_is_not_roots_is_refused(
    venv: Path, root: Path, tmp_path: Path, what: str, fault: str
) -> None:
    copy = tmp_path / "vdagent"
    shutil.copytree(venv, copy, symlinks=True)
    run("sed", "-i", f"1s|.*|#!{copy}/bin/python3|", copy / "bin/vdagent")
    (path,) = copy.glob(what)
    if fault == "foreign":
        os.chown(path, 65534, 0)
    else:
        path.chmod(path.stat().st_mode | (0o020 if fault == "group" else 0o002))
    said = refused(copy, "--root", root)
    assert str(path) in said and "a system service must not run such code" in said
    assert not files_below(root)


def test_another_agents_package_is_to_be_removed_first(venv: Path, root: Path) -> None:
    (root / "usr/sbin").mkdir(parents=True)
    (root / "usr/sbin/spice-vdagentd").touch()
    assert "remove it first" in refused(venv, "--root", root)


def test_outside_of_an_environment_there_is_nothing_to_install(root: Path) -> None:
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "vdagent", "install", "--root", root],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "virtual environment" in done.stderr
    assert not files_below(root)


def test_wrong_options_are_told(venv: Path, root: Path) -> None:
    assert "no init 'upstart'" in refused(venv, "--root", root, "--init", "upstart")
    assert "not a directory" in refused(venv, "--root", root / "none")
    assert "needs --root" in refused(venv, "--distribution")
