# SPDX-License-Identifier: MIT
"""Peers that want the agent dead: `python -m tests.hostile` prints what became of ours and of the C one."""
