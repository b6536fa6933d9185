# SPDX-License-Identifier: MIT
"""How are the packages built so that everybody gets the same bytes?

    python3 packaging/build.py dist    wheel and sdist (needs python3-build)
    python3 packaging/build.py deb     vdagent_VERSION_ARCH.deb for Debian 12 and newer

Both work on a clean copy of the tree, with the date of the last commit, and print what they made.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parent
CACHE = TREE / ".cache"
# What is made, not written: by us, by Python, and (the last two) by setuptools in an sdist.
LEFT_OUT = shutil.ignore_patterns(
    *(".*", "build", "dist", "demo-screenshot.png", "__pycache__", "*.egg-info"),
    *("PKG-INFO", "setup.cfg"),
)


def date() -> int:
    """SOURCE_DATE_EPOCH, or that of the last commit, or where there is none of the change log."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(epoch)
    git = ("git", "-C", str(TREE), "log", "-1", "--format=%ct")
    try:
        return int(subprocess.run(git, capture_output=True, check=True).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return int((TREE / "CHANGELOG.md").stat().st_mtime)


def copy_tree(to: Path) -> Path:
    """The tree without what was built in it, with plain permissions and one date for all."""
    shutil.copytree(TREE, to, symlinks=True, ignore=LEFT_OUT)
    for path in (to, *to.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (date(), date()), follow_symlinks=False)
    return to


def fingerprint(tree: Path) -> str:
    """What all the names, modes and contents below `tree` come to."""
    digest = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        content = os.readlink(path).encode() if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        entry = f"{path.relative_to(tree)} {path.lstat().st_mode:o} {len(content)}\n"
        digest.update(entry.encode() + content)
    return digest.hexdigest()[:16]


def run(log: Path, cwd: Path, *argv: str) -> None:
    """Run a build step; its output is shown only when it fails."""
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": str(date()),
        "DEB_BUILD_OPTIONS": "noddebs",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PATH": f"/usr/bin:/bin:/usr/sbin:/sbin:{os.environ.get('PATH', '')}",
    }
    environment.pop("PYTHONPATH", None)
    with log.open("ab") as output:
        done = subprocess.run(argv, cwd=cwd, env=environment, stdout=output, stderr=output)
    if done.returncode:
        sys.stderr.write(log.read_text(errors="replace")[-8000:])
        raise SystemExit(f"build: {argv[0]} failed with status {done.returncode}; see {log}")


def build_dist(into: Path) -> list[Path]:
    """Wheel and sdist."""
    into.mkdir(parents=True, exist_ok=True)
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as scratch:
        tree = copy_tree(Path(scratch, "tree"))
        made = Path(scratch, "made")
        log = Path(scratch, "log")
        run(log, tree, "/usr/bin/python3", "-m", "build", "-n", "-s", "-w", "-o", str(made), ".")
        for sdist in made.glob("*.tar.gz"):
            sdist.write_bytes(repacked(sdist.read_bytes()))
        return [Path(shutil.copy(path, into)) for path in sorted(made.iterdir())]


def repacked(sdist: bytes) -> bytes:
    """The same archive without the builder's name, umask and time (setuptools leaves them in)."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(sdist)) as old,
        gzip.GzipFile(fileobj=out, mode="wb", mtime=date(), filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            content = old.extractfile(member) if member.isfile() else None
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = date()
            member.pax_headers = {}
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(member, content)
    return out.getvalue()


def build_deb(into: Path) -> list[Path]:
    """The Debian package; a tree that was built before is not built again."""
    _check_build_depends()
    into.mkdir(parents=True, exist_ok=True)
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as scratch:
        tree = copy_tree(Path(scratch, "vdagent"))
        shutil.move(tree / "packaging" / "debian", tree / "debian")
        # What says nothing about the package may change without building it anew.
        for name in ("tests", "bench", "docs"):
            shutil.rmtree(tree / name, ignore_errors=True)
        release = Path("/etc/debian_version").read_bytes()
        key = hashlib.sha256(fingerprint(tree).encode() + release).hexdigest()[:16]
        kept = CACHE / "deb" / key
        if not kept.is_dir():
            log = Path(scratch, "log")
            shutil.copytree(carried(log), tree / "carried")
            run(log, tree, "dpkg-buildpackage", "-b", "-us", "-uc")
            _keep(Path(scratch), kept)
        return [Path(shutil.copy(path, into)) for path in sorted(kept.iterdir())]


def _check_build_depends() -> None:
    check = ("dpkg-checkbuilddeps", str(HERE / "debian" / "control"))
    if why := subprocess.run(check, capture_output=True, text=True).stderr.strip():
        names = re.sub(r".*: |\([^)]*\)", "", why)
        raise SystemExit(f"build: packages are missing: apt-get install {names}")


def _keep(made: Path, kept: Path) -> None:
    partial = kept.with_name(f"{kept.name}.{os.getpid()}")
    partial.mkdir(parents=True)
    for path in made.glob("vdagent_*.deb"):
        shutil.copy(path, partial)
    partial.replace(kept)


def carried(log: Path) -> Path:
    """The sources of what the package carries, fetched once (packaging/debian/carried.txt)."""
    wanted = HERE / "debian" / "carried.txt"
    kept = CACHE / "carried" / hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]
    if not kept.is_dir():
        partial = kept.with_name(f"{kept.name}.{os.getpid()}")
        partial.mkdir(parents=True)
        pip = ("/usr/bin/python3", "-m", "pip", "download", "-q", "--no-deps", "--require-hashes")
        run(log, TREE, *pip, "--no-binary=pywayland", "-d", str(partial), "-r", str(wanted))
        partial.replace(kept)
    return kept


def main() -> None:
    steps = {"dist": build_dist, "deb": build_deb}
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in steps:
        raise SystemExit(__doc__)
    into = Path(sys.argv[2] if len(sys.argv) == 3 else TREE / "dist").absolute()
    for path in steps[sys.argv[1]](into):
        print(path)


if __name__ == "__main__":
    main()
