# SPDX-License-Identifier: MIT
"""Is a viewer there, what do host and viewer let pass, and who gets the viewer's size?

spice-server strips what it was told to switch off from *our* announcement, not from the viewer's, and
drops the messages without a word. So from in here a switched-off clipboard and one that nobody uses
look alike, until a message comes; the probe waits for one.
"""

from __future__ import annotations

import sys
from typing import Any

from ..control import ask, control_path
from ..errors import SessionError
from ..probe import ANSWER_S
from .finding import Finding, Scope, Status

CLIPBOARD_ON = (
    "libvirt: <clipboard copypaste='yes'/> in <graphics type='spice'>; QEMU: no "
    "disable-copy-paste=on in -spice; VNC: -chardev qemu-vdagent,clipboard=on; viewer: its option to "
    "share the clipboard"
)
FILES_ON = (
    "libvirt: <filetransfer enable='yes'/> in <graphics type='spice'>; QEMU: no "
    "disable-agent-file-xfer=on in -spice"
)
CLIPBOARD_MESSAGES = ("clipboard", "clipboard_grab", "clipboard_request", "clipboard_release")
# Their devices take the viewer's size from spice-server themselves, so it never comes to the agent.
DIVERTING = {"virtio_gpu": "virtio-gpu", "virtio-pci": "virtio-gpu", "qxl": "QXL"}
COPY_S = 10.0


def examine(scope: Scope, status: Status, probe: dict[str, Any] | None) -> list[Finding]:
    """The viewer, and what passes between it and the guest."""
    host = status["host"]
    if not host["client_connected"]:
        return [
            Finding(
                "viewer",
                None,
                "none has announced itself",
                "open the VM's window (virt-viewer, virt-manager, Boxes); with VNC the host needs "
                "-chardev qemu-vdagent,clipboard=on",
            )
        ]
    return [
        Finding("viewer", True, f"connected for {host['connected_s']:.0f} s, {host['kind']} host"),
        _clipboard(host, probe),
        _files(host),
        _resize(scope, status),
    ]


def run_probe(scope: Scope, status: Status) -> tuple[dict[str, Any] | None, Finding]:
    """Let the daemon ask and measure; the person at the viewer is asked to copy, if that can help."""
    wait_s = COPY_S if _may_yet_come(status["host"]) else 0
    if wait_s:
        wish = f"if you are at the viewer, copy something beside it within {wait_s:.0f} s"
        print(f"vdagent doctor: {wish}", file=sys.stderr, flush=True)
    question = {"do": "probe", "clipboard_s": wait_s}
    try:
        probe = ask(control_path(scope.socket), question, 2 * ANSWER_S + wait_s + 5)
    except SessionError as error:
        return None, Finding("probe", None, error.message, error.hint or "try again in a moment")
    session, viewer = probe["session_ms"], probe["viewer_ms"]
    detail = f"session agent {_ms(session)}, viewer {_ms(viewer)}"
    if probe["session_asked"] and session is None:
        hint = "it hangs: see its log, restart it: systemctl --user restart vdagent"
        return probe, Finding("probe", False, detail, hint)
    if probe["viewer_asked"] and viewer is None:
        hint = "does the viewer's window react? close it and open it again"
        return probe, Finding("probe", False, detail, hint)
    if not probe["viewer_asked"]:
        detail = f"session agent {_ms(session)}; there is no viewer that can be asked"
        return probe, Finding("probe", None, detail, "only viewers of a SPICE host answer")
    return probe, Finding("probe", True, detail)


def _may_yet_come(host: Status) -> bool:
    """Whether nothing of the viewer's clipboard has come, though it takes part."""
    seen = any(host["messages"].get(kind, 0) for kind in CLIPBOARD_MESSAGES)
    return "clipboard_by_demand" in host["capabilities"] and not seen


def _ms(value: float | None) -> str:
    return "does not answer" if value is None else f"answers in {value} ms"


def _clipboard(host: Status, probe: dict[str, Any] | None) -> Finding:
    name = "host: clipboard"
    if "clipboard_by_demand" not in host["capabilities"]:
        return Finding(name, False, "host or viewer has it switched off", CLIPBOARD_ON)
    if not _may_yet_come(host) or (probe is not None and probe["clipboard_seen"]):
        return Finding(name, True, "the viewer's comes through")
    if probe is not None:
        detail = (
            f"nothing of the viewer's has come since it connected, nor in {COPY_S:.0f} s of waiting; "
            "if something was copied there, host or viewer has it switched off"
        )
        return Finding(name, False, detail, CLIPBOARD_ON)
    detail = "nothing of the viewer's has come since it connected, so it cannot be told yet"
    hint = f"copy something beside the viewer, then look again; if this stays: {CLIPBOARD_ON}"
    return Finding(name, None, detail, hint)


def _files(host: Status) -> Finding:
    name = "host: files"
    if host["kind"] == "qemu-vdagent":
        detail = "this host passes no files"
        return Finding(name, None, detail, "SPICE does; or use virtiofs, scp or a network share")
    if "file_xfer_disabled" in host["capabilities"]:
        return Finding(name, False, "host or viewer has them switched off", FILES_ON)
    if host["messages"].get("file_xfer_start", 0):
        return Finding(name, True, "they come through")
    detail = "none has come from this viewer, so it cannot be told yet"
    hint = f"drop one on its window; if it is refused at once: {FILES_ON}"
    return Finding(name, None, detail, hint)


def _resize(scope: Scope, status: Status) -> Finding:
    name = "host: resize"
    if "monitors_config" not in status["host"]["capabilities"]:
        detail = "this host does not tell the agent the size of its window"
        return Finding(name, None, detail, "the desktop has to follow the display device's mode")
    count = status["host"]["messages"].get("monitors_config", 0)
    if count:
        return Finding(name, True, "the viewer's size comes to the agent")
    gpus = sorted({DIVERTING[d] for d in _drivers(scope) if d in DIVERTING})
    if not gpus:
        detail = "the viewer has not told its size yet"
        hint = "resize its window; virt-viewer: View → Automatically resize"
        return Finding(name, None, detail, hint)
    detail = (
        f"the host gives the viewer's size to the display device ({', '.join(gpus)}), not to us"
    )
    ways = [b for session in status["sessions"] for b in session["backends"]]
    if any(way["part"] == "resize" and way["by"] != "nothing" for way in ways):
        return Finding(name, True, f"{detail}; the session agent follows that")
    hint = (
        "let the desktop follow it, or the session agent: no --no-follow, no display.follow = false"
    )
    return Finding(name, None, detail, hint)


def _drivers(scope: Scope) -> list[str]:
    """The drivers of the graphics cards: virtio-pci is virtio-gpu's on the PCI bus."""
    drivers = []
    for card in scope.entries("/sys/class/drm"):
        if card.startswith("card") and card[4:].isdigit():
            for line in scope.read(f"/sys/class/drm/{card}/device/uevent").splitlines():
                key, _, value = line.partition("=")
                if key == "DRIVER":
                    drivers.append(value)
    return drivers
