# SPDX-License-Identifier: MIT
"""Which figures have we promised, and does this run keep the promises?"""

from __future__ import annotations

from typing import NamedTuple

from bench.table import Figure, Results


class Target(NamedTuple):
    """What ours may be at most (or at least): as a ratio to C's figure, or by itself."""

    section: str
    name: str  # a figure's name begins like this, or any if it is empty
    most: float = float("inf")
    least: float = 0.0
    ratio: bool = True
    unit: str = ""  # only figures in this unit


TARGETS = (
    Target("mouse", "CPU per event, record", 0.4),
    Target("mouse", "latency p50", 1.0),
    Target("mouse while", "latency max", 2000, ratio=False),
    Target("clipboard host→guest", "", 0.45, unit="s/GB"),
    Target("clipboard host→guest", "", least=1.5, unit="MB/s"),
    Target("clipboard host→guest", "100 MiB: daemon grows", 16, ratio=False),
    Target("files host→guest", "", 0.45, unit="s/GB"),
    Target("files host→guest", "", least=1.5, unit="MB/s"),
    Target("clipboard guest→host", "", 0.9, unit="s/GB"),
    Target("start-up", "daemon start to ANNOUNCE", 60, ratio=False),
    Target("start-up", "session start to ANNOUNCE, X11", 0.4, ratio=False),
    Target("idle", "daemon + session, PSS fresh", 1.8),
    Target("idle", "daemon + session, PSS after", 1.5),
    # PSS of the C agent falls while anything else on the machine uses GTK; these do not.
    Target("idle", "daemon + session, fresh, as if alone", 1.8),
    Target("idle", "daemon + session, after 10 MiB each way, as if alone", 1.5),
    Target("idle", "daemon + session, context switches", 0, ratio=False),
)


def checked(results: Results) -> list[tuple[bool, str]]:
    """For each promised figure that was measured: is it kept, and in which words?"""
    return [
        verdict
        for target in TARGETS
        for figure in results.values
        if _is_meant(target, figure)
        if (verdict := _check(target, figure, results)) is not None
    ]


def _is_meant(target: Target, figure: Figure) -> bool:
    return (
        figure.section.startswith(target.section)
        and figure.name.startswith(target.name)
        and target.unit in ("", figure.unit)
    )


def _check(target: Target, figure: Figure, results: Results) -> tuple[bool, str] | None:
    ours, theirs = (results.median(figure, name) for name in ("ours", "C"))
    if ours is None or (target.ratio and not theirs):
        return None
    value = ours / theirs if target.ratio and theirs else ours
    wanted = f"at most {target.most:g}" if target.least == 0 else f"at least {target.least:g}"
    unit = " × C" if target.ratio else f" {figure.unit}".rstrip()
    text = f"{figure.section}: {figure.name}: {value:.3g}{unit} (wanted: {wanted})"
    return target.least <= value <= target.most, text
