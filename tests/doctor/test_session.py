# SPDX-License-Identifier: MIT
"""Does the doctor tell a session agent that does not run, cannot be served yet, or has to wait its turn?"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.doctor.report import Report, doctor, environment, status
from tests.support.buses import require_mock_logind
from tests.support.login_rig import ANNA, LoginRig
from tests.support.processes import spawn, stop, wait_control, wait_for
from tests.support.rig import FACTS_S, Rig, program
from tests.support.xservers import xvfb
from vdagent.control import control_path
from vdagent.doctor.finding import Scope
from vdagent.doctor.session import AUTOSTART, SIGNS, start_hint


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        wait_control(rig.socket)
        yield rig


@pytest.fixture
def seat() -> Iterator[LoginRig]:
    """A daemon that follows a logind."""
    require_mock_logind()
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="doctor-"))
        os.chmod(name, 0o755)  # pytest's own directories are closed to other users
        yield LoginRig(Path(name), stack)


def ask(rig: Rig | LoginRig, **more: str) -> Report:
    where = ("-s", rig.directory / "port", "-S", rig.socket, "-u", rig.directory / "uinput")
    return doctor(*where, env=environment(**more))


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"XDG_CURRENT_DESKTOP": "sway"}, "exec vdagent session  (in ~/.config/sway/config)"),
        ({"SWAYSOCK": "/run/sway.sock"}, "exec vdagent session  (in ~/.config/sway/config)"),
        ({"XDG_CURRENT_DESKTOP": "Hyprland"}, "exec-once = vdagent session"),
        ({"NIRI_SOCKET": "/run/niri"}, 'spawn-at-startup "vdagent" "session"'),
        ({"XDG_CURRENT_DESKTOP": "labwc:wlroots"}, "~/.config/labwc/autostart"),
        ({"DESKTOP_SESSION": "openbox"}, "~/.config/openbox/autostart"),
        ({"XDG_CURRENT_DESKTOP": "i3"}, "exec --no-startup-id vdagent session"),
        ({"XDG_CURRENT_DESKTOP": "GNOME"}, "vdagent session; at every log-in: "),
    ],
)
def test_no_session_agent_and_the_line_that_starts_it(
    rig: Rig, variables: dict[str, str], line: str
) -> None:
    report = ask(rig, **variables)
    report.says("session agent", False, "none of yours is connected to the daemon", line)
    report.says("port open", False, "no session is served", "comes first")
    assert report.status == 1


def test_every_window_manager_has_its_line() -> None:
    for name in AUTOSTART:
        hint = start_hint(Scope("", "", environment={"XDG_CURRENT_DESKTOP": name.upper()}))
        assert hint.startswith(f"let {name} start it: ") and "session" in hint
    assert set(SIGNS.values()) <= set(AUTOSTART)


def test_other_desktops_have_systemd_or_a_list_of_their_own(tmp_path: Path) -> None:
    scope = Scope("", "", root=str(tmp_path), environment={"XDG_CURRENT_DESKTOP": "GNOME"})
    assert "add that line to what your desktop starts" in start_hint(scope)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert "systemctl --user enable --now vdagent.service" in start_hint(scope)


def test_a_session_agent_without_screens(rig: Rig) -> None:
    rig.agent(reports=False)
    report = ask(rig)
    report.says("session agent", False, "has not reported any screen", "--foreground --debug")


def test_a_session_agent_of_another_version(rig: Rig, tmp_path: Path) -> None:
    """The real one, on a real desktop, from before the upgrade."""
    code = (
        "import vdagent; vdagent.__version__ = '0.0.9'\n"
        "from vdagent.cli import session_main; raise SystemExit(session_main())"
    )
    where = ("-s", rig.directory / "port", "-S", rig.socket)
    with xvfb(tmp_path) as server:
        env = environment(DISPLAY=server.display, XDG_RUNTIME_DIR=str(tmp_path))
        argv = [sys.executable, "-c", code, "-x", *map(str, where)]
        session = spawn(argv, log=tmp_path / "session.log", env=env)
        try:
            wait_for(
                lambda: any(s["version"] for s in status(rig.socket)["sessions"]),
                FACTS_S,
                "its name",
            )
            report = ask(rig)
        finally:
            stop(session)
    report.says("session agent", False, "is vdagent 0.0.9, the daemon", "log out and in")


def test_a_session_agent_that_waits_for_its_daemon(tmp_path: Path) -> None:
    """It runs, and the daemon does not."""
    with xvfb(tmp_path) as server:
        env = environment(DISPLAY=server.display, XDG_RUNTIME_DIR=str(tmp_path))
        argv = [*program("session"), "-x", "--no-port-check", "-S", str(tmp_path / "sock")]
        session = spawn(argv, log=tmp_path / "session.log", env=env)
        try:
            wait_for(lambda: "trying again" in _text(tmp_path / "session.log"), 15, "its complaint")
            report = doctor("-S", tmp_path / "sock")
        finally:
            stop(session)
    report.says("daemon", False, "it does not run", "vdagent")
    report.says(
        "session agent", None, f"(pid {session.pid}) runs", "only our own daemon could tell"
    )


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _seen(rig: LoginRig, state: Callable[[dict[str, object]], bool]) -> None:
    """Wait until the daemon's own word of its sessions is such."""
    control = Path(control_path(str(rig.socket)))
    wait_for(control.exists, 10, "the control socket")
    wait_for(
        lambda: any(state(s) for s in status(rig.socket)["sessions"]), 10, "the session's state"
    )


# These agents are of users of their own where the tests run as root, who sees them all; the doctor is root.


def test_locked(seat: LoginRig) -> None:
    seat.serve_one()
    _seen(seat, lambda s: bool(s["shares"]))
    ask(seat).fine("session's turn")
    seat.do(seat.logind.hint("c1", True))
    _seen(seat, lambda s: not s["shares"])
    ask(seat).says("session's turn", False, "the screen is locked", "unlock the screen")
    seat.do(seat.logind.hint("c1", False))
    _seen(seat, lambda s: bool(s["shares"]))
    ask(seat).fine("session's turn")


def test_a_greeter(seat: LoginRig) -> None:
    seat.serve_one(Class="greeter")
    _seen(seat, lambda s: bool(s["greeter"]))
    ask(seat).says("session's turn", False, "the log-in screen is at the seat", "log in")


def test_another_session_is_at_the_seat(seat: LoginRig) -> None:
    seat.start_logind()
    seat.do(seat.logind.add("2", ANNA))
    seat.do(seat.logind.add("c7", ANNA))
    seat.do(seat.logind.activate("c7"))
    seat.start_daemon()
    seat.join(ANNA, "2")
    _seen(seat, lambda s: s["login"] is not None)
    report = ask(seat)
    report.says("session's turn", False, "another session is at the seat: ", "loginctl activate ")
    seat.do(seat.logind.activate(None))
    wait_for(lambda: status(seat.socket)["seat"]["session"] is None, 10, "nobody at the seat")
    ask(seat).says("session's turn", False, "a text console is shown", "loginctl activate ")
    assert status(seat.socket)["seat"]["tracked"]


def test_a_session_that_is_nobodys(seat: LoginRig) -> None:
    """An agent in no login session, as from cron or ssh, beside a tracked seat."""
    seat.start_logind()
    seat.start_daemon()
    seat.join(ANNA)
    _seen(seat, lambda s: not s["active"])
    ask(seat).says("session's turn", False, "logind knows no session for this agent", "switch to")


def test_an_agent_that_says_no_version_is_told_by_its_process(rig: Rig) -> None:
    """As the C one."""
    rig.ready()
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    ask(rig).says("session agent", True, f"{name} (pid {os.getpid()})")
