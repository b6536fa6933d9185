# SPDX-License-Identifier: MIT
"""Which programs does a test need, and what happens where one is missing?"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def require(*programs: str) -> None:
    """Skip the calling test where one of `programs` is missing; fail it instead when CI=true."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [p for p in programs if shutil.which(p, path=search) is None]
    if missing:
        cannot(f"missing: {', '.join(missing)}")


def require_root(why: str) -> None:
    """Skip the calling test for anybody but root; fail it instead when CI=true."""
    if os.geteuid() != 0:
        cannot(f"needs root: {why}")


def cannot(message: str) -> None:
    """Skip the calling test; fail it instead when CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message} (CI=true, so this may not be skipped)")
    pytest.skip(message)


@contextmanager
def small_file_system(path: Path, size: int) -> Iterator[None]:
    """`path` is the root of a file system of `size` bytes."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
        cannot("a small tmpfs cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
