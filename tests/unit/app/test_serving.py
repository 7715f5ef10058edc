"""A stop waits for what is under way and for its records, and for nothing too long."""

import asyncio
import time
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.app.serving import drain
from gateway.app.stores import Stores
from gateway.services.cancels import Cancels
from gateway.services.orders import Orders
from gateway.stopping import StopDeadline

pytestmark = pytest.mark.anyio


class UseCase:
    """Ends after `takes` turns of the loop, or never."""

    def __init__(self, told: list[str], name: str, takes: int | None = 1) -> None:
        self._told = told
        self._name = name
        self._takes = takes

    async def aclose(self, _within_s: float) -> None:
        await self.caught_up()

    async def caught_up(self) -> None:
        if self._takes is None:
            await asyncio.Event().wait()
        for _ in range(self._takes or 0):
            await asyncio.sleep(0)
        self._told.append(self._name)


async def drained(told: list[str], grace_s: float, takes: int | None) -> list[str]:
    stores = SimpleNamespace(journal=UseCase(told, "journal"))
    await drain(
        cast("Orders", UseCase(told, "orders", takes)),
        cast("Cancels", UseCase(told, "cancels")),
        cast("Stores", stores),
        StopDeadline(grace_s, time.monotonic),
    )
    return told


async def test_what_is_recorded_comes_after_what_is_under_way() -> None:
    assert await drained([], 60, takes=5) == ["cancels", "orders", "journal"]


async def test_what_does_not_end_is_given_up() -> None:
    assert await drained([], 0.05, takes=None) == ["cancels"]
