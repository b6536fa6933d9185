# SPDX-License-Identifier: MIT
"""How many bytes of others have been tried, and what did they break? `python -m tests.fuzz --time 60`

The targets take turns, each in a process of its own that is steered by coverage (atheris) where that is
installed, and mutates the corpus blindly elsewhere. New inputs and findings are kept in .cache/fuzz;
counts add up there.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import time
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import TARGETS
from tests.support.processes import die_with_parent

CORPUS = Path(__file__).with_name("corpus")
CACHE = Path(".cache/fuzz")
MAX_BYTES = 4096
MEMORY_MIB = 512
SLOW_S = 10  # for one input


class Run(NamedTuple):
    """What became of one target's turn."""

    executions: int
    findings: int


def guided(name: str, seconds: float, seed: int) -> Run:
    """A turn with coverage."""
    found, new = CACHE / "findings" / name, CACHE / "corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    new.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "tests.fuzz.one", name, str(new)]
    argv += [str(path) for path in (CORPUS / name,) if path.is_dir()]
    argv += [f"-max_total_time={max(1, round(seconds))}", f"-artifact_prefix={found}/"]
    argv += [f"-max_len={MAX_BYTES}", f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={SLOW_S}"]
    argv += ["-print_final_stats=1", f"-seed={seed}"]
    log = CACHE / f"{name}.log"
    with log.open("wb") as sink:
        done = subprocess.run(
            argv, stdout=sink, stderr=sink, preexec_fn=die_with_parent, check=False
        )
    text = log.read_text(errors="replace")
    counts = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)\t", text, re.M)
    count = max((int(a or b) for a, b in counts), default=0)
    if done.returncode:
        sys.stderr.write(f"{name}: see {log}\n{text[-3000:]}\n")
    return Run(count, int(done.returncode != 0))


def blind(name: str, seconds: float, seed: int) -> Run:
    """A turn without coverage, in this process."""
    target, dice = TARGETS[name], random.Random(f"{seed} {name}")
    seeds = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))] or [b""]
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(dice, seeds)
        count += 1
        try:
            target(data)
        except Exception:
            path = CACHE / "findings" / name / f"crash-{hash(data):x}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            sys.stderr.write(f"{name}: {path}\n{traceback.format_exc()}\n")
            return Run(count, 1)
    return Run(count, 0)


def mutated(dice: random.Random, seeds: list[bytes]) -> bytes:
    """A seed with some of its bytes changed, left out or doubled."""
    data = bytearray(dice.choice(seeds) if dice.random() < 0.8 else dice.randbytes(64))
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            data[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif kind == 1:
            del data[at : at + dice.randrange(1, 9)]
        elif kind == 2:
            data[at : at + 4] = dice.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\0\0\0"))
        else:
            data[at:at] = data[at : at + dice.randrange(1, 33)]
    return bytes(data[:MAX_BYTES])


def keep_counts(runs: dict[str, Run]) -> dict[str, int]:
    """Add this run's executions to those before it; the sums."""
    path = CACHE / "counts.json"
    counts: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    for name, run in runs.items():
        counts[name] = counts.get(name, 0) + run.executions
    path.write_text(json.dumps(counts, indent=1))
    return counts


def report(runs: dict[str, Run]) -> int:
    """Print the table; the number of findings."""
    counts = keep_counts(runs)
    print(f"{'target':20} {'executions':>12} {'findings':>9} {'executions ever':>16}")
    for name, run in runs.items():
        print(f"{name:20} {run.executions:12,} {run.findings:9} {counts[name]:16,}")
    findings = sum(run.findings for run in runs.values())
    total = sum(run.executions for run in runs.values())
    print(f"{'all':20} {total:12,} {findings:9} {sum(counts.values()):16,}")
    return findings


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--time", type=float, default=60, help="seconds for all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blind", action="store_true", help="without atheris")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET")
    options = parser.parse_args(arguments)
    CACHE.mkdir(parents=True, exist_ok=True)
    turn = blind if options.blind or find_spec("atheris") is None else guided
    names = options.targets or list(TARGETS)
    runs = {name: turn(name, options.time / len(names), options.seed) for name in names}
    return 1 if report(runs) else 0


if __name__ == "__main__":
    sys.exit(main())
