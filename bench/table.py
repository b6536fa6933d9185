# SPDX-License-Identifier: MIT
"""How do measured values become one table: rows = figures, columns = ours, C, ratio?"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers import PeerClosed
from bench.rig import Subject


@dataclass(frozen=True)
class Figure:
    """One row. `curve` and `x` place it on a plot as well."""

    section: str
    name: str
    unit: str
    curve: str = ""
    x: float = 0.0


class Results:
    """Every value measured, by figure and subject, in the order the figures first appeared."""

    def __init__(self, subjects: Sequence[Subject], repetitions: int) -> None:
        self.subjects = subjects
        self.values: dict[Figure, dict[str, list[float]]] = {}
        self.failures: list[str] = []
        self.repetitions = repetitions

    def add(self, figure: Figure, subject: Subject, value: float) -> None:
        by_subject = self.values.setdefault(figure, {})
        by_subject.setdefault(subject.name, []).append(value)

    def turns(self, repetitions: int | None = None) -> Iterator[Subject]:
        """Whose turn it is: A B, B A, A B ... so that a drift of the machine hits both."""
        for repetition in range(self.repetitions if repetitions is None else repetitions):
            yield from self.subjects if repetition % 2 == 0 else reversed(self.subjects)

    @contextlib.contextmanager
    def attempt(self, subject: Subject, what: str) -> Iterator[None]:
        """A figure that cannot be measured leaves a gap and a line, not the end of the run."""
        try:
            yield
        except (OSError, PeerClosed, subprocess.SubprocessError) as error:
            self.failures.append(f"{subject.name}: {what}: {type(error).__name__}: {error}")
            print("  failed:", self.failures[-1], file=sys.stderr)

    def median(self, figure: Figure, name: str) -> float | None:
        values = self.values[figure].get(name)
        return statistics.median(values) if values else None

    @property
    def names(self) -> list[str]:
        """The subjects, and whoever else was measured, like the floor."""
        found = dict.fromkeys(subject.name for subject in self.subjects)
        for by_subject in self.values.values():
            found |= dict.fromkeys(by_subject)
        return list(found)

    def rows(self) -> list[tuple[str, str, list[str]]]:
        """Section, figure with unit, and one cell for each subject and the ratio of the first two."""
        found = []
        sections = list(dict.fromkeys(figure.section for figure in self.values))
        for figure in sorted(self.values, key=lambda figure: sections.index(figure.section)):
            medians = [self.median(figure, name) for name in self.names]
            cells = [_number(median) for median in medians]
            if len(self.subjects) == 2:
                cells.insert(2, _ratio(*medians[:2]))
            unit = f", {figure.unit}" if figure.unit else ""
            found.append((figure.section, figure.name + unit, cells))
        return found


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _ratio(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return "–"
    if theirs == 0:
        return "=" if ours == 0 else "–"
    return f"{ours / theirs:.2f}"


def _header(results: Results) -> list[str]:
    names = results.names
    if len(results.subjects) == 2:
        names.insert(2, "ratio")
    return names


def as_text(results: Results) -> str:
    rows, header = results.rows(), _header(results)
    width = max([len(name) for _, name, _ in rows], default=0) + 2
    lines = ["  " + " " * width + "".join(f"{title:>10}" for title in header)]
    section = ""
    for row_section, name, cells in rows:
        if row_section != section:
            section = row_section
            lines.append(section)
        lines.append(f"  {name:<{width}}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def as_markdown(results: Results) -> str:
    header = _header(results)
    lines = ["| figure | " + " | ".join(header) + " |", "| --- |" + " ---: |" * len(header)]
    section = ""
    for row_section, name, cells in results.rows():
        if row_section != section:
            section = row_section
            lines.append(f"| **{section}** |" + " |" * len(header))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def as_json(results: Results, machine: dict[str, str]) -> str:
    figures = [
        {"section": f.section, "figure": f.name, "unit": f.unit, "values": values}
        for f, values in results.values.items()
    ]
    return json.dumps(
        {"machine": machine, "figures": figures, "failures": results.failures}, indent=1
    )


def _first_line(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout.strip().splitlines() or [""])[0]


def machine() -> dict[str, str]:
    """What the figures were measured on, and with which versions."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in cpus if "model name" in line), "?")
    facts = {
        "machine": f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "ours": _first_line(str(Path(sys.executable).with_name("vdagent")), "--version"),
        "C": _first_line("dpkg-query", "-W", "-f", "spice-vdagent ${Version}", "spice-vdagent"),
        "X server": _first_line("dpkg-query", "-W", "-f", "xvfb ${Version}", "xvfb"),
        "load": f"{os.getloadavg()[0]:.1f} before the run",
    }
    return {name: fact for name, fact in facts.items() if fact}
