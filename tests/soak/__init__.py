# SPDX-License-Identifier: MIT
"""Everything a viewer and a user do, at random, for as long as wanted: `python -m tests.soak --time 60`."""
