"""The comparisons: each starts what it needs, measures in turns, and gives its rows."""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bench import document_load, fan_out_load, http_load, order_load
from bench.asked import Asked, graphql, signed, unsigned
from bench.fan_out_load import SUBSCRIBERS, FanOut
from bench.load_process import LoadProcess
from bench.measured import Measured, Target
from bench.operations import MARKET, MARKETS, STATISTICS, SYMBOL, WALLET, shape
from bench.order_stage import OrderStage, order_stage
from bench.report import Row, compared
from bench.stage import Stage, stage

_ROUNDS = 3
_WARM_UP_S = 0.5
_QUERY_S = 2.0
_FAN_OUT_S = 4.0
_ORDERS = 300
_DOCUMENTS = 300

_STATISTICS = "24h statistics, /v3 unsigned"
_WALLET = "wallet, /v3 signed"
_FAN_OUT = f"a frame to each of {SUBSCRIBERS} subscribers"

_QUERIES: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    ("one market, ticker and top 5", MARKET, {"symbol": SYMBOL}),
    ("all markets with tickers", MARKETS, {}),
)


class Comparisons:
    """All comparisons, their load made by `load`."""

    def __init__(self, load: LoadProcess) -> None:
        self._load = load

    async def run(self) -> list[Row]:
        """Run all of them. Raises `Interrupted`."""
        rows: list[Row] = []
        async with stage(market_maker=True) as moving:
            for path, document, variables in _QUERIES:
                rows += await self._query(moving, path, document, variables)
            rows += await self._facade(moving)
        async with stage(market_maker=False) as still:
            rows += await self._fan_out(still)
        async with order_stage() as on:
            rows += await self._orders(on)
        return rows + _documents()

    async def _query(
        self, on: Stage, path: str, document: str, variables: Mapping[str, object]
    ) -> list[Row]:
        targets = (on.gateway, on.gateway_executing, on.textbook, on.textbook_keeping)
        return await self._in_turns(
            path, {target: partial(graphql, target, document, variables) for target in targets}
        )

    async def _facade(self, on: Stage) -> list[Row]:
        """The exchange's own protocol, by the gateway and by the exchange that it is spoken to."""
        public = partial(unsigned, STATISTICS)
        of_gateway, of_exchange = (partial(signed, WALLET, pair) for pair in (on.issued, on.own))
        everybody = (on.gateway, on.gateway_executing, on.exchange)
        return [
            *await self._in_turns(_STATISTICS, dict.fromkeys(everybody, public)),
            *await self._in_turns(_WALLET, {on.gateway: of_gateway, on.exchange: of_exchange}),
        ]

    async def _in_turns(self, path: str, asking: Mapping[Target, Callable[[], Asked]]) -> list[Row]:
        """Ask each target what is made for it anew at each turn; the first is the gateway."""
        _say(path)
        await self._agree(asking)

        async def once(target: Target, seconds: float) -> Measured:
            return await self._load.run(http_load.load, target, asking[target](), seconds)

        for target in asking:
            await once(target, _WARM_UP_S)
        rounds: dict[str, list[Measured]] = {target.name: [] for target in asking}
        for _ in range(_ROUNDS):
            for target in asking:
                rounds[target.name].append(await once(target, _QUERY_S))
        (gateway, *_), measured = asking, _together(rounds)
        return compared(path, measured.pop(gateway.name), measured)

    async def _agree(self, asking: Mapping[Target, Callable[[], Asked]]) -> None:
        """See that all give the same but for the moment: names, lengths of lists, types."""
        shapes = []
        for target, asked in asking.items():
            body = json.loads(await self._load.run(http_load.answer, target, asked()))
            shapes.append(shape(body.get("data", body)))
        assert all(each == shapes[0] for each in shapes), shapes

    async def _fan_out(self, on: Stage) -> list[Row]:
        _say(_FAN_OUT)
        targets = (on.gateway, on.textbook)
        rounds: dict[str, list[FanOut]] = {target.name: [] for target in targets}
        for _ in range(_ROUNDS):
            for target in targets:
                followed = await self._load.run(
                    fan_out_load.load, target, on.exchange_url, on.outsider, _FAN_OUT_S
                )
                rounds[target.name].append(followed)
        shapes = [each.shape for its in rounds.values() for each in its]
        assert all(each == shapes[0] for each in shapes), shapes
        return _fan_out_rows(rounds)

    async def _orders(self, on: OrderStage) -> list[Row]:
        _say("orders")
        desks = {
            f"gateway, {each.gateway.name} journal": each for each in (on.volatile, on.durable)
        }
        measured = await self._load.run(
            order_load.load, desks, on.exchange_url, on.outsider, _ORDERS
        )
        direct = measured.pop("direct")
        rows = [
            Row("a limit order", name, through, _added(through, direct))
            for name, through in measured.items()
        ]
        return [*rows, Row("a limit order", "direct", direct)]


def _together(rounds: Mapping[str, Sequence[Measured]]) -> dict[str, Measured]:
    return {name: Measured.together(each) for name, each in rounds.items()}


def _fan_out_rows(rounds: Mapping[str, Sequence[FanOut]]) -> list[Row]:
    frames = _together({server: [each.frames for each in its] for server, its in rounds.items()})
    rows = compared(_FAN_OUT, frames.pop("gateway"), frames)
    for server, its in rounds.items():
        last = [latency for each in its for latency in each.events]
        elapsed = sum(each.frames.elapsed for each in its)
        rows.append(Row("an event, until the last has it", server, Measured(last, elapsed)))
    return rows


def _added(through: Measured, direct: Measured) -> str:
    by = (through.percentile(part) - direct.percentile(part) for part in (50, 99))
    return "adds " + ", ".join(f"{each * 1e3:.1f} ms" for each in by)


def _documents() -> list[Row]:
    kept, anew = document_load.load(MARKET, _DOCUMENTS)
    return compared("parse and validate", kept, {"without the cache": anew})


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)
