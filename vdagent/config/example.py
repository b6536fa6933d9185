# SPDX-License-Identifier: MIT
"""What does a file with every setting in it look like? Each as it is without a file, commented out.

`python -m vdagent.config.example` prints the example that packages install.
"""

from __future__ import annotations

from collections.abc import Iterator

from .keys import KEYS

_HEAD = """\
# Settings of vdagent, each with the value it has without a file. Remove the "#" in front of those you
# change; then: vdagent config check && vdagent reload
#
# /etc/vdagent/config.toml is for everybody, ~/.config/vdagent/config.toml for one user, whose word counts
# more. What is locked in /etc can be made stricter by users and not looser, and the daemon keeps it as
# well, whatever session agent a user runs. It has to stand before the first [table]:
#locked = ["clipboard.direction", "files.enabled"]"""


def lines() -> Iterator[str]:
    """The lines of the file."""
    yield from _HEAD.splitlines()
    table = ""
    for key in KEYS:
        of, _, name = key.name.partition(".")
        if of != table:
            table = of
            yield from ("", f"[{of}]")
        yield f"# {key.help}{' In /etc only.' if key.system else ''}"
        yield f"# ({key.kind.wanted})"
        yield f"#{name} = {key.kind.write(key.default)}"


if __name__ == "__main__":
    print("\n".join(lines()))
