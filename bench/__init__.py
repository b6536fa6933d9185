# SPDX-License-Identifier: MIT
"""What does an agent cost, measured beside the C peer in one run? `python -m bench --help`.

The daemon and session under test are command lines: nothing here imports the product or knows
which implementation runs. A figure is the median of runs that alternate A B, B A, A B ...; the
daemon is pinned to CPU 0 and the harness to CPU 1.

*record* mode sends each chunk so that no read() of the daemon returns more than one, as on a real
virtio port. *stream* mode lets one read() return as much as fits, as on a plain UNIX socket: it
flatters whoever has the bigger buffer. Judge by record.
"""
