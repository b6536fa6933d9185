# SPDX-License-Identifier: MIT
"""How do coroutine tests run, and how hard does hypothesis look?

`async def` tests run in a loop of their own and end within a minute. Hypothesis finds the same examples
in every run; VDAGENT_EXAMPLES=2000 makes it look for new ones, that many per test.
"""

from __future__ import annotations

import asyncio
import inspect
import os

import pytest
from hypothesis import HealthCheck, settings

TEST_S = 60.0

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

    async def run() -> None:
        async with asyncio.timeout(TEST_S):
            await pyfuncitem.obj(**arguments)

    asyncio.run(run())
    return True
