# SPDX-License-Identifier: MIT
"""Which programs does a test need, and what happens where one is missing?"""

from __future__ import annotations

import os
import shutil

import pytest


def require(*programs: str) -> None:
    """Skip the calling test where one of `programs` is missing; fail it instead when CI=true."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [p for p in programs if shutil.which(p, path=search) is None]
    if not missing:
        return
    message = f"missing: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message} (CI=true, so this may not be skipped)")
    pytest.skip(message)
