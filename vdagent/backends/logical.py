# SPDX-License-Identifier: MIT
"""How do the pixels of outputs with scales relate to the space that a compositor lays them out in?

Three spaces meet here. An output's own pixels are those of its mode, turned as it is turned. The
*logical* space is the compositor's: pixels divided by the output's scale; an absolute pointing device
is spread evenly over its bounding box. Ours is the logical space times the largest scale in use, so
that it is the physical one wherever all outputs have the same scale, and as fine as the finest
otherwise; there a coarser output's pixels count `Output.pointer_scale` times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .base import Layout, Output, Rect

SAME_SCALE = 0.01  # where no step explains the sizes, scales read back are a little off
SCALE_STEPS = 120  # per 1.0, of wp_fractional_scale_v1


class Shown(NamedTuple):
    """An output that is on: its own size in pixels, and its place in logical space."""

    name: str
    width: int
    height: int
    logical: Rect
    transform: int = 0

    @property
    def scale(self) -> float:
        """Logical sizes are whole numbers: the step of Wayland's scales is taken that explains both."""
        read = self.width / max(self.logical.width, 1)
        step = max(round(read * SCALE_STEPS), 1) / SCALE_STEPS
        sizes = ((self.width, self.logical.width), (self.height, self.logical.height))
        return step if all(abs(size / step - told) < 1 for size, told in sizes) else read


def describe(shown: Iterable[Shown], names: Iterable[str]) -> Layout:
    """The layout of these outputs among all that have `names`, sorted as people count them."""
    on = {output.name: output for output in shown}
    finest = max((output.scale for output in on.values()), default=1.0)
    left = min((output.logical.x for output in on.values()), default=0)
    top = min((output.logical.y for output in on.values()), default=0)
    outputs = []
    for name in sorted({*on, *names}, key=_natural):
        outputs.append(_output(on[name], left, top, finest) if name in on else Output(name, None))
    rects = [(output.rect, output.pointer_scale) for output in outputs if output.rect is not None]
    return Layout(
        round(max((rect.x + rect.width * scale for rect, scale in rects), default=0)),
        round(max((rect.y + rect.height * scale for rect, scale in rects), default=0)),
        tuple(outputs),
    )


def _output(output: Shown, left: int, top: int, finest: float) -> Output:
    scale = finest / output.scale
    if abs(scale - 1) < SAME_SCALE:
        scale = 1.0
    x = round((output.logical.x - left) * finest)
    y = round((output.logical.y - top) * finest)
    return Output(output.name, Rect(output.width, output.height, x, y), scale, output.transform)


def _natural(name: str) -> tuple[str, int, str]:
    """HEADLESS-2 before HEADLESS-10."""
    stem = name.rstrip("0123456789")
    number = name[len(stem) :]
    return (stem, int(number) if number else 0, name)


def to_logical(
    rects: Mapping[str, Rect],
    scales: Mapping[str, float],
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, tuple[int, int]]:
    """Logical positions for rectangles in physical pixels: what touched still touches, at 0,0.

    Dividing by the scale is not enough where scales differ: an output right of another one begins
    where that one ends in logical space. `sizes` are what the outputs will have instead of their
    rectangles' own.
    """
    sizes = sizes or {name: (rect.width, rect.height) for name, rect in rects.items()}
    # As KWin rounds; wlroots cuts off, which leaves a gap of one, and no overlap.
    lengths = [{n: round(size[axis] / scales[n]) for n, size in sizes.items()} for axis in (0, 1)]
    xs = _along({name: (r.x, r.width) for name, r in rects.items()}, scales, lengths[0])
    ys = _along({name: (r.y, r.height) for name, r in rects.items()}, scales, lengths[1])
    left, top = min(xs.values()), min(ys.values())
    return {name: (xs[name] - left, ys[name] - top) for name in rects}


def _along(
    spans: Mapping[str, tuple[int, int]], scales: Mapping[str, float], lengths: Mapping[str, int]
) -> dict[str, int]:
    """Logical beginnings of (beginning, length) along one axis; `lengths` are the logical ones."""
    origin = min(begin for begin, _ in spans.values())
    placed: dict[str, int] = {}
    for name in sorted(spans, key=lambda n: spans[n]):
        begin = spans[name][0]
        before = [n for n in placed if sum(spans[n]) <= begin]
        ends = {n: placed[n] + lengths[n] for n in before}
        nearest = max(before, key=lambda n: sum(spans[n]), default=None)
        near, end = (sum(spans[nearest]), ends[nearest]) if nearest else (origin, 0)
        placed[name] = max(end + _ceil((begin - near) / scales[name]), *ends.values(), 0)
    return placed


def _ceil(value: float) -> int:
    """Up to a whole number, but not for an error of the arithmetic."""
    return -int(-(value - 1e-6) // 1)
