# SPDX-License-Identifier: MIT
"""How are `../generated/*.py` made? `python -m vdagent.backends.wayland.protocols.generate`

Needs pywayland alone: its scanner wants wayland.xml only to know where `wl_seat` is defined, and that
is `pywayland.protocol.wayland`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pywayland.scanner.protocol import Protocol

PROTOCOLS = Path(__file__).parent
GENERATED = PROTOCOLS.parent / "generated"


def generate(target: Path) -> list[Path]:
    """Write one module per vendored protocol into `target`."""
    protocols = [Protocol.parse_file(str(xml)) for xml in sorted(PROTOCOLS.glob("*.xml"))]
    origin = {i.name: protocol.name for protocol in protocols for i in protocol.interface}
    modules = []
    for protocol in protocols:
        protocol.output(str(target), {"wl_seat": "wayland", **origin})
        module = target / f"{protocol.name}.py"
        code = module.read_text().replace("from .wayland ", "from pywayland.protocol.wayland ")
        module.write_text("\n".join(line.rstrip() for line in code.splitlines()) + "\n")
        modules.append(module)
    return modules


if __name__ == "__main__":
    for path in generate(Path(sys.argv[1]) if sys.argv[1:] else GENERATED):
        print(path)
