# SPDX-License-Identifier: MIT
"""How is the lab started without the rest of the program? `python -m vdagent.lab`"""

from __future__ import annotations

import sys

from .cli import run

sys.exit(run(sys.argv[1:]))
