# SPDX-License-Identifier: MIT
"""How do coroutine tests run, how hard does hypothesis look, and what is about other programs than those here?

`async def` tests run in a loop of their own and end within two minutes; those marked `virtual_time` in one
of support/clock.py. Hypothesis finds the same examples in every run; VDAGENT_EXAMPLES=2000 makes it look
for new ones, that many per test.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

from tests.support.clock import VirtualTime
from tests.support.compositors import version

TEST_S = 120.0

_EXAMPLES = int(os.environ.get("VDAGENT_EXAMPLES", "0"))
settings.register_profile(
    "vdagent",
    max_examples=_EXAMPLES or 60,
    derandomize=not _EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # 2 busy cores are no fault of the strategy
)
settings.load_profile("vdagent")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests; pytest itself does not."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    is_virtual = pyfuncitem.get_closest_marker("virtual_time")

    async def run() -> None:
        async with asyncio.timeout(None if is_virtual else TEST_S):
            await pyfuncitem.obj(**arguments)

    with asyncio.Runner(loop_factory=VirtualTime if is_virtual else None) as runner:
        runner.run(run())
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about others than those that are here; it is counted as deselected."""
    left_out = [item for item in items if not _applies(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _applies(item: pytest.Item) -> bool:
    """A program that is not here at all is for the test itself to miss."""
    since = [mark.args for mark in item.iter_markers("since") if shutil.which(mark.args[0])]
    before = [mark.args for mark in item.iter_markers("before") if shutil.which(mark.args[0])]
    return (
        not any(mark.args[0] for mark in item.iter_markers("unless"))
        and all(version(program) >= tuple(first) for program, *first in since)
        and all(version(program) < tuple(first) for program, *first in before)
    )
