# SPDX-License-Identifier: MIT
"""How is the program run from a checkout? `python -m vdagent COMMAND`"""

import sys

from .cli import main

sys.exit(main())
