# SPDX-License-Identifier: MIT
"""What does a guest with our package come back from? Run by `make test-guest-full`."""
