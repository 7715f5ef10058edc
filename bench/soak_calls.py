"""Queries of every kind and orders of every type, at a given pace."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from http import HTTPStatus
from random import Random
from typing import Any, TypeAlias

import aiohttp

from bench.soak_tally import SYMBOLS, Gateway, Tally
from gateway.cli.operations import operation

Answer: TypeAlias = dict[str, Any]

_TRADED = "BTCUSDT"
_QUANTITY = "0.0005"
_LOW, _HIGH = Decimal("0.8"), Decimal("1.25")  # of the last price: allowed, and far from any trade
_CENT = Decimal("0.01")
_AT_ONCE = 200


class Calls:
    """One app's calls. Every answer must be whole; no order may end as pending."""

    def __init__(
        self, session: aiohttp.ClientSession, gateway: Gateway, rng: Random, tally: Tally
    ) -> None:
        self._session = session
        self._gateway = gateway
        self._rng = rng
        self._order_number = 0
        self._run_id = f"soak-{rng.randrange(1 << 40):010x}"
        self._tally = tally

    async def query(self) -> None:
        """Ask one of the published queries."""
        symbol, account = self._rng.choice(SYMBOLS), self._gateway.account
        of_symbol, of_account = {"symbol": symbol}, {"account": account}
        name, variables = self._rng.choice(
            (
                ("market", of_symbol),
                ("markets", {}),
                ("order-book", {**of_symbol, "depth": self._rng.randint(1, 20)}),
                ("candles", {**of_symbol, "interval": self._rng.choice(("M1", "M5", "H1"))}),
                ("trades", of_symbol),
                ("account", {"id": account}),
                ("fills", of_account),
                ("transfers", of_account),
                ("placements", of_account),
                ("exchange", {}),
                ("viewer", {}),
            )
        )
        began = time.perf_counter()
        if await self._ask(name, variables) is not None:
            self._tally.latencies.append(time.perf_counter() - began)

    async def trade(self) -> None:
        """Place an order of the next type, and cancel it if it rests."""
        answer = await self._ask("market", {"symbol": _TRADED})
        if answer is None:
            return
        side, order = self._next_order(Decimal(answer["market"]["ticker"]["last"]))
        command = {"account": self._gateway.account, "symbol": _TRADED, "side": side}
        client_order_id = f"{self._run_id}-{self._order_number}"
        placed = await self._ask(
            "place-order",
            {"input": {**command, "clientOrderId": client_order_id, "order": order}},
        )
        if placed is not None:
            await self._settle(next(iter(order)), placed["placeOrder"])

    def _next_order(self, last: Decimal) -> tuple[str, Mapping[str, Mapping[str, str]]]:
        low, high, total = (
            str((last * part).quantize(_CENT)) for part in (_LOW, _HIGH, Decimal(_QUANTITY))
        )
        orders: tuple[tuple[str, Mapping[str, Mapping[str, str]]], ...] = (
            ("BUY", {"limit": {"price": low, "quantity": _QUANTITY}}),
            ("BUY", {"market": {"quantity": _QUANTITY}}),
            ("SELL", {"market": {"quantity": _QUANTITY}}),
            ("BUY", {"stopLimit": {"stopPrice": high, "price": high, "quantity": _QUANTITY}}),
            ("BUY", {"fast": {"quoteTotal": total}}),
            ("SELL", {"fast": {"quantity": _QUANTITY}}),
        )
        self._order_number += 1
        return orders[self._order_number % len(orders)]

    async def _settle(self, order_type: str, outcome: Answer) -> None:
        kind = outcome["__typename"]
        self._tally.outcomes[f"{order_type}: {outcome.get('code', kind)}"] += 1
        if kind == "OrderPending":
            self._tally.complain(f"an order is pending: {outcome}")
        elif kind == "OrderAccepted" and order_type in {"limit", "stopLimit"}:
            variables = {
                "account": self._gateway.account,
                "orderId": outcome["order"]["orderId"],
            }
            cancelled = await self._ask("cancel-order", variables)
            if cancelled is not None:
                self._tally.outcomes[f"cancel: {cancelled['cancelOrder']['__typename']}"] += 1

    async def _ask(self, name: str, variables: Mapping[str, object]) -> Answer | None:
        """The data of an answer; None if it is not as it should be, which is a problem."""
        body = {"query": operation(name), "variables": variables}
        try:
            async with self._session.post(f"{self._gateway.url}/graphql", json=body) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._tally.complain(f"{name}: {error!r}")
            return None
        if response.status != HTTPStatus.OK or "errors" in answer:
            self._tally.complain(f"{name}: {response.status} {answer}")
            return None
        self._tally.answers[name] += 1
        data: Answer = answer["data"]
        return data


async def at_pace(
    rate: float, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Begin `work` `rate` times a second for some time, however long each takes; wait for all.

    What would be more than a bounded number at once is begun later.
    """
    room = asyncio.Semaphore(_AT_ONCE)

    async def bounded() -> None:
        try:
            await work()
        finally:
            room.release()

    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - loop.time())
            await room.acquire()
            group.create_task(bounded())
