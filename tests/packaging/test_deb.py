# SPDX-License-Identifier: MIT
"""Is the Debian package as Debian wants it?"""

from __future__ import annotations

from pathlib import Path

from tests.packaging.conftest import run
from tests.support.tools import require


def field(deb: Path, name: str) -> str:
    return run("dpkg-deb", "-f", deb, name).strip()


def test_lintian_has_nothing_to_say(deb: Path) -> None:
    """Errors, warnings and notes; what is overridden says why in packaging/debian."""
    require("lintian")
    said = run("lintian", "--allow-root", "--display-info", "--fail-on=none", deb)
    # Newer lintians know no more of init.d scripts, and mind that the older ones are told of them.
    unknown = "alien-tag package-supports-alternative-init-but-no-init.d-script"
    assert not [line for line in said.splitlines() if unknown not in line]


def test_it_takes_the_place_of_spice_vdagent(deb: Path) -> None:
    for name in ("Conflicts", "Replaces", "Provides"):
        assert field(deb, name).startswith("spice-vdagent")
    names = run("dpkg-deb", "-c", deb)
    for path in ("usr/bin/spice-vdagent", "usr/sbin/spice-vdagentd"):
        assert f"./{path}\n" in names


def test_one_build_serves_every_python_3(deb: Path, tmp_path: Path) -> None:
    depends = field(deb, "Depends")
    assert "python3 (>= 3.11~)" in depends and "python3 (<<" not in depends
    run("dpkg-deb", "-x", deb, tmp_path)
    (extension,) = tmp_path.rglob("*.so")
    assert extension.name == "_ffi.abi3.so"


def test_its_programs_run_from_where_they_are_put(deb: Path, tmp_path: Path) -> None:
    """Isolated: neither the caller's directory nor environment gets into a system daemon."""
    run("dpkg-deb", "-x", deb, tmp_path)
    for name in ("usr/bin/vdagent", "usr/bin/spice-vdagent", "usr/sbin/spice-vdagentd"):
        script = tmp_path / name
        text = script.read_text()
        assert text.startswith("#!/usr/bin/python3 -I\n")
        script.write_text(text.replace('"/usr/lib', f'"{tmp_path}/usr/lib'))
        (tmp_path / "vdagent.py").write_text("raise SystemExit(7)")
        said = run(script, "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path))
        assert said.startswith("vdagent ")
    imports = f"import sys; sys.path.insert(0, '{tmp_path}/usr/lib/vdagent'); import "
    for module in ("pywayland.client", "pywayland.protocol.wayland", "pulsectl_asyncio"):
        run("/usr/bin/python3", "-IB", "-c", imports + module)
