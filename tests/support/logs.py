# SPDX-License-Identifier: MIT
"""Does what a program said tell of a mistake of its own?"""

from __future__ import annotations


def faultless(said: str) -> bool:
    """Whether there is neither a traceback nor, as without --debug, the one line in its place."""
    return "Traceback" not in said and "internal error" not in said
