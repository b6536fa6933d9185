# SPDX-License-Identifier: MIT
"""Any bytes at every place where bytes of others come in: `python -m tests.fuzz --time 60`."""
