# SPDX-License-Identifier: MIT
"""What are the timings of a video mode for any size?

VESA CVT 1.2 with reduced blanking (version 1), except that the width is kept as it is where CVT
rounds to cells of 8 pixels: virtual outputs have no character cells.
"""

from __future__ import annotations

from typing import NamedTuple

REFRESH_HZ = 60.0
H_BLANK, H_FRONT, H_SYNC = 160, 48, 32  # pixels
V_FRONT, V_BACK_MIN = 3, 6  # lines
V_BLANK_US = 460.0
CLOCK_STEP_HZ = 250_000
CLOCK_MAX_HZ = 0xFFFFFFFF  # RandR's field

H_SYNC_POSITIVE, V_SYNC_NEGATIVE = 0x1, 0x8

# CVT marks the aspect ratio in the length of the vertical sync pulse.
_SYNC_LINES = (((4, 3), 4), ((16, 9), 5), ((16, 10), 6), ((5, 4), 7), ((15, 9), 7))


class Timing(NamedTuple):
    """A mode line; `clock_hz` is in Hz, as RandR wants it."""

    clock_hz: int
    width: int
    h_sync_start: int
    h_sync_end: int
    h_total: int
    height: int
    v_sync_start: int
    v_sync_end: int
    v_total: int
    flags: int = H_SYNC_POSITIVE | V_SYNC_NEGATIVE


def reduced_blanking(width: int, height: int) -> Timing:
    """The timings of a `width` x `height` mode at 60 Hz, slower only where the clock would overflow."""
    sync = next((n for (w, h), n in _SYNC_LINES if height * w // h // 8 * 8 == width), 10)
    line_us = (1e6 / REFRESH_HZ - V_BLANK_US) / height
    blank = max(int(V_BLANK_US / line_us) + 1, V_FRONT + sync + V_BACK_MIN)
    h_total, v_total = width + H_BLANK, height + blank
    steps = min(int(REFRESH_HZ * h_total * v_total), CLOCK_MAX_HZ) // CLOCK_STEP_HZ
    return Timing(
        max(1, steps) * CLOCK_STEP_HZ,
        width,
        width + H_FRONT,
        width + H_FRONT + H_SYNC,
        h_total,
        height,
        height + V_FRONT,
        height + V_FRONT + sync,
        v_total,
    )
