# SPDX-License-Identifier: MIT
"""Protocol descriptions that pywayland does not ship, as their authors publish them (see each header)."""
