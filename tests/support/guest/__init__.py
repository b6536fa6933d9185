# SPDX-License-Identifier: MIT
"""What is a full guest made of? A kernel, an initramfs, a machine and an executor inside."""
