# SPDX-License-Identifier: MIT
"""How do coroutine tests run here: each in a loop of its own, within a minute."""

from __future__ import annotations

import asyncio
import inspect

import pytest

TEST_S = 60.0


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
