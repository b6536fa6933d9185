# SPDX-License-Identifier: MIT
"""Does the doctor tell a desktop whose clipboard cannot be had, in real compositors and X servers?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.doctor.report import Report, doctor, environment, status
from tests.support.compositors import mutter, sway
from tests.support.processes import spawn, stop, wait_for
from tests.support.rig import FACTS_S, Rig, program
from tests.support.xservers import xvfb

NO_BUS = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}


@pytest.fixture
def directory() -> Iterator[Path]:
    """One that every user may look into: sway runs as another one."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


def ask(directory: Path, desktop: Mapping[str, str], **more: str) -> Report:
    return doctor("-S", directory / "sock", env={**environment(), **desktop, **more})


def test_no_desktop_at_all(directory: Path) -> None:
    report = ask(directory, {})
    report.says("desktop", None, "this shell belongs to no desktop", "in the desktop's terminal")


def test_wlroots_is_well(directory: Path) -> None:
    with sway(directory) as compositor:
        report = ask(directory, compositor.environment)
    report.says("desktop: clipboard", True, "data_control")
    report.fine("desktop: primary", "desktop: outputs")


def test_gnome_is_well_without_data_control(directory: Path) -> None:
    with mutter(directory) as compositor:
        report = ask(directory, compositor.environment)
    report.says("desktop: clipboard", True, "Mutter's D-Bus services")
    report.says("desktop: primary", None, "no XWayland runs", "middle button")


def test_a_compositor_without_data_control(directory: Path) -> None:
    """Mutter without its services: what another compositor without any way in looks like."""
    with mutter(directory) as compositor:
        report = ask(directory, compositor.environment, **NO_BUS)
    report.says(
        "desktop: clipboard",
        False,
        "neither ext_data_control_v1 nor zwlr_data_control_v1",
        "use a compositor with ext-data-control (sway 1.11, KDE 6.4",
    )
    report.says("desktop: outputs", None, "lets no program set its outputs", "own settings")
    assert report.status == 1


def test_xwayland_only(directory: Path) -> None:
    with mutter(directory, x11=True) as compositor:
        report = ask(directory, compositor.environment, **NO_BUS)
    report.says("desktop: clipboard", False, "by XWayland at :", "ext-data-control")
    report.says("desktop: clipboard", False, "in one direction")


@pytest.mark.parametrize(
    ("variables", "sandbox"),
    [({"container": "flatpak"}, "Flatpak"), ({"SNAP": "/snap/x/1"}, "Snap")],
)
def test_sandboxed(directory: Path, variables: dict[str, str], sandbox: str) -> None:
    with mutter(directory) as compositor:
        report = ask(directory, compositor.environment, **NO_BUS, **variables)
    report.says(
        "desktop: clipboard", False, f"sandbox such as this {sandbox}", "outside the sandbox"
    )


def test_the_compositor_has_gone(directory: Path) -> None:
    with sway(directory) as compositor:
        compositor.kill()
        report = ask(directory, compositor.environment)
    report.says("desktop", False, "no compositor answers at", "")


def test_an_x_server_that_is_not_there(directory: Path) -> None:
    report = ask(directory, {"DISPLAY": ":54321"})
    report.says("desktop", False, ":54321")


def test_x11_is_well(directory: Path) -> None:
    with xvfb(directory) as server:
        report = ask(directory, {"DISPLAY": server.display})
    report.says("desktop: clipboard", True, f"X11 at {server.display}")
    report.fine("desktop: primary", "desktop: outputs")


def test_over_ssh_the_session_agent_tells(directory: Path) -> None:
    """No desktop's variables here; the agent in the session has looked at it, and says what it found."""
    with mutter(directory) as compositor, Rig(directory) as rig:
        env = {**environment(), **compositor.environment, **NO_BUS}
        argv = [*program("session"), "-x", "-s", str(directory / "port"), "-S", str(rig.socket)]
        session = spawn(argv, log=directory / "session.log", env=env)
        try:
            wait_for(
                lambda: (
                    (directory / "agents.control").exists()
                    and any(s["backends"] for s in status(rig.socket)["sessions"])
                ),
                FACTS_S,
                "its word",
            )
            report = doctor("-s", directory / "port", "-S", rig.socket)
        finally:
            stop(session)
    report.says("desktop: clipboard", False, "neither ext_data_control_v1", "ext-data-control")
    assert "desktop" not in report.findings
