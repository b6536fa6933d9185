# SPDX-License-Identifier: MIT
"""Are the generated bindings what the vendored protocol descriptions say?"""

from __future__ import annotations

import re
from pathlib import Path

from vdagent.backends.wayland.protocols.generate import GENERATED, PROTOCOLS, generate


def code(module: Path) -> str:
    """Without prose, which pywayland's versions break into lines differently."""
    return re.sub(r'""".*?"""|#.*|\s+', "", module.read_text(), flags=re.S)


def test_generated_bindings_are_up_to_date(tmp_path: Path) -> None:
    modules = generate(tmp_path)
    assert {module.name for module in modules} == {m.name for m in GENERATED.glob("*_v[0-9].py")}
    for module in modules:
        assert code(GENERATED / module.name) == code(module)


def test_every_vendored_protocol_has_its_licence() -> None:
    for xml in PROTOCOLS.glob("*.xml"):
        assert re.search("SPDX-License-Identifier: MIT|Permission to use, copy", xml.read_text())
