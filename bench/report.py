# SPDX-License-Identifier: MIT
"""How does a run become a document with plots?"""

from __future__ import annotations

import math
import os
from pathlib import Path

from bench.table import Results, as_markdown
from bench.targets import checked

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 64, 24, 40, 48
COLOURS = ("#1668a8", "#c2410c", "#4d7c0f", "#7e22ce")

BUSY = (
    "The machine had other work during this run: CPU figures and memory hold, latencies, speeds and",
    "times to ANNOUNCE say little.",
    "",
)

Curve = dict[str, list[tuple[float, float]]]


def curves(results: Results) -> dict[str, Curve]:
    """Every plot: its title, and for each subject the points, by x."""
    found: dict[str, Curve] = {}
    for figure in results.values:
        if not figure.curve:
            continue
        for name in results.names:
            median = results.median(figure, name)
            if median is not None:
                plot = found.setdefault(figure.curve, {})
                plot.setdefault(name, []).append((figure.x, median))
    return {
        title: {name: sorted(points) for name, points in plot.items()}
        for title, plot in found.items()
        if max(len(points) for points in plot.values()) > 1
    }


def _label(x: float) -> str:
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if x >= size:
            return f"{x / size:g} {unit}"
    return f"{x:g}"


def svg(title: str, plot: Curve) -> str:
    """One plot: x logarithmic, y from zero."""
    xs = sorted({x for points in plot.values() for x, _ in points})
    top = max(y for points in plot.values() for _, y in points) * 1.1
    span = math.log(xs[-1] / xs[0])

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / xs[0]) / span
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM),
        )

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{title}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        _, y = place(xs[0], value)
        lines.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for x in xs:
        across, _ = place(x, 0)
        lines.append(
            f'<text x="{across:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
            f"{_label(x)}</text>"
        )
    for number, (name, points) in enumerate(plot.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
            for x, y in (place(*point) for point in points)
        ]
        lines.append(
            f'<text x="{WIDTH - RIGHT - 60 * (len(plot) - number)}" y="22" '
            f'fill="{colour}" font-weight="bold">{name}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def write(results: Results, machine: dict[str, str], path: Path) -> None:
    """The table, the machine and the plots; each plot is an SVG file beside `path`."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`: medians of one run, both implementations taking turns; the ratio",
        "is ours divided by C's, so less is better for CPU, latency and memory and more is better",
        "for MB/s. `python -m bench --help` shows how to repeat it.",
        "",
        *(f"- {fact}: {value}" for fact, value in machine.items()),
        "",
        *(BUSY if os.getloadavg()[2] > (os.cpu_count() or 1) else ()),
        as_markdown(results),
        "*record*: a read of the daemon returns at most one chunk, as on a real virtio port;",
        "*stream*: as much as fits, as on a UNIX socket. *As if alone*: private pages plus shared",
        "ones counted once; PSS also depends on what else runs the same files. *Floor*: a C program of",
        "epoll_wait, read and write with nothing in between (`bench/floor.c`), which no agent can be",
        "faster than on this machine; it hands on what one read gives and knows no messages.",
        "",
        "## Targets",
        "",
        *(f"- {'kept' if kept else '**missed**'}: {words}" for kept, words in checked(results)),
        "",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    for title, plot in curves(results).items():
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in title).split()
        picture = path.with_name(f"{path.stem}-{'-'.join(words).lower()}.svg")
        picture.write_text(svg(title, plot))
        lines += [f"![{title}]({picture.name})", ""]
    for failure in results.failures:
        lines += [f"Not measured: {failure}", ""]
    path.write_text("\n".join(lines))
