# SPDX-License-Identifier: MIT
"""Does the daemon get slower or fatter with every session that is logged in?

The C daemon without session tracking gives every session up when a second one connects, so it has
no figures beyond the first.
"""

from __future__ import annotations

import functools

from bench import wire
from bench.accounting import pss_mb
from bench.mouse import cpu_per_event
from bench.options import Length
from bench.peers import Session
from bench.rig import Rig
from bench.table import Figure, Results
from tests.support.processes import wait_for

SECTION, CURVE = "sessions connected", "pointer events by sessions, us"


def run_sessions(results: Results, length: Length) -> None:
    counts = length.pick([1, 100], [1, 10, 100], [1, 3, 10, 30, 100])
    for subject in results.turns():
        for count in counts:
            if count > subject.sessions_max:
                continue
            with results.attempt(subject, f"{count} sessions"), Rig(subject, fifo=True) as rig:
                _connect(rig, count - 1)
                cost = cpu_per_event(rig, 10_000, record=True)
                figure = Figure(SECTION, f"{count}: CPU per event, record", "us", CURVE, count)
                results.add(figure, subject, cost)
                memory = pss_mb(rig.daemon.pid)
                results.add(Figure(SECTION, f"{count}: daemon, PSS", "MB"), subject, memory)


def _connect(rig: Rig, more: int) -> None:
    """Connect `more` sessions beside the first; the daemon has taken all in when this returns."""
    sessions = [rig.session, *(rig.add_session() for _ in range(more))]
    wait_for(functools.partial(_hears_host, rig, sessions[-1]), what="the newest session is served")


def _hears_host(rig: Rig, session: Session) -> bool:
    """Whether a viewer's grab arrives there."""
    rig.host.send(wire.grab())
    session.connection.settimeout(0.2)
    try:
        session.expect(wire.U_GRAB)
    except TimeoutError:
        return False
    return True
