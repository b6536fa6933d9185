# SPDX-License-Identifier: MIT
"""Could anybody but root change the code that a system service would run?"""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path


def untrusted_code(program: Path) -> str:
    """Why root should not run `program` with this interpreter, "" if it may.

    Looks at every directory that leads to the program, the interpreter and what is on sys.path, and at
    every file of the environment's packages and of this one.
    """
    for path in _leading_to(program, Path(sys.executable), *map(Path, sys.path)):
        if fault := _fault(path):
            return fault
    here = Path(__file__).parent
    trees = {here, *(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))}
    for tree in trees:
        for directory, _, names in os.walk(tree):
            for path in (Path(directory), *(Path(directory, name) for name in names)):
                if fault := _fault(path):
                    return fault
    return ""


def _leading_to(*paths: Path) -> Iterator[Path]:
    """Each existing path and all directories above it, by its name and by where links lead."""
    for path in paths:
        if path.is_absolute() and path.exists():
            for form in {path, path.resolve()}:
                yield from (form, *form.parents)


def _fault(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError as error:
        return f"{path} cannot be looked at ({error.strerror})"
    if status.st_uid != 0:
        return f"{path} belongs to uid {status.st_uid}, not to root"
    if stat.S_ISLNK(status.st_mode):
        return ""
    # In a directory like /tmp nobody can replace what belongs to root.
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & 0o022 and not sticky:
        return f"{path} can be written by others than root"
    return ""
