# SPDX-License-Identifier: MIT
"""How are these pages built? `make docs` (Sphinx and MyST; a warning is an error)."""

from vdagent import __version__

project = "vdagent"
author = "The vdagent team"
copyright = "The vdagent team, MIT licence"
release = version = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline"]

html_theme = "furo"
html_title = f"vdagent {__version__}"
html_copy_source = False
html_show_sphinx = False
