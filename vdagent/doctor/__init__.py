# SPDX-License-Identifier: MIT
"""`vdagent doctor`: walks the chain from the host to the desktop, one finding per link."""
