# SPDX-License-Identifier: MIT
"""One target under libFuzzer's eyes: `python -m tests.fuzz.one TARGET [libFuzzer's arguments]`."""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped]  # it comes without types

with atheris.instrument_imports(include=["vdagent", "tests.fuzz"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
