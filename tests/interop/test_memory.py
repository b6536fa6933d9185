# SPDX-License-Identifier: MIT
"""How much memory do our two processes take while the largest clipboard there is passes, each way?"""

from __future__ import annotations

import re
from pathlib import Path

from tests.interop.desk import Desk
from tests.support import wire
from tests.support.processes import wait_for
from tests.support.wire import TEXT, Port, message, u32

SIZE = 100 << 20
# Content is whole in the session agent while it passes, and once more on its way out of it; in the daemon
# there is a session's queue of 16 MiB at most, which a host as fast as this one fills, and what lies
# unused between its blocks: 17 to 18 MB were seen.
SESSION, DAEMON = 2 * SIZE + 20_000_000, 20_000_000
KEPT = 2_000_000  # when all is calm again
CAPS = wire.VIEWER_CAPS & ~(1 << 17)  # no grab serials: they are not the question here


class Peak:
    """How much more than before a process has taken at most since then."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # VmHWM begins anew
        self._before = self._read("VmRSS")

    def _read(self, field: str) -> int:
        found = re.search(rf"^{field}:\s+(\d+) kB", self._status.read_text(), re.M)
        return int(found[1]) * 1024 if found else 0

    @property
    def bytes(self) -> int:
        return self._read("VmHWM") - self._before

    @property
    def kept(self) -> int:
        """How much more it still has."""
        return self._read("VmRSS") - self._before


def test_100_mib_each_way(tmp_path: Path) -> None:
    with Desk(tmp_path, "ours", "ours") as desk:
        desk.host.greet(CAPS)
        text = (b"0123456789abcdef" * 64)[:1024] * (SIZE // 1024)
        desk.copy(text)
        desk.host.until(Port.GRAB)
        session, daemon = Peak(desk.session.pid), Peak(desk.rig.daemon.pid)
        desk.host.send(wire.request(TEXT))
        answer = desk.host.until(Port.CLIPBOARD)
        assert len(answer) == 8 + SIZE and answer[8:] == text
        assert session.bytes <= SESSION and daemon.bytes <= DAEMON
        del answer
        desk.host.send(message(Port.GRAB, u32(0, TEXT)))
        desk.wait_offer("UTF8_STRING")
        session, daemon = Peak(desk.session.pid), Peak(desk.rig.daemon.pid)
        paste = desk.paste()
        desk.host.until(Port.REQUEST)
        desk.host.send(wire.clipboard(text))
        assert desk.pasted(paste) == text
        assert session.bytes <= SESSION and daemon.bytes <= DAEMON
        wait_for(lambda: daemon.kept <= KEPT and session.kept <= KEPT, what="memory given back")
