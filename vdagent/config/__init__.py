# SPDX-License-Identifier: MIT
"""Settings: which there are (keys), what the files say (files), what counts (configuration, meaning)."""
