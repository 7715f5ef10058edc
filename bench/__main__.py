"""Runs every comparison and prints the table: `python -m bench`, about two minutes, Linux only."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import httpx

from bench import document_load, fan_out_load, http_load, order_load
from bench.measured import Measured, Target
from bench.operations import MARKET, MARKETS, SYMBOL, shape
from bench.report import Row, compared, show
from bench.stage import Interrupted, Stage, stage
from gateway.cli.dev.tether import tie

_ROUNDS = 3
_WARM_UP_S = 0.5
_QUERY_S = 2.0
_FAN_OUT_S = 4.0
_ORDERS = 300
_DOCUMENTS = 300

T = TypeVar("T")

_QUERIES: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    ("one market, ticker and top 5", MARKET, {"symbol": SYMBOL}),
    ("all markets with tickers", MARKETS, {}),
)


class Bench:
    """The comparisons, with the load in a process of its own."""

    def __init__(self, load_process: Executor) -> None:
        self._load_process = load_process

    async def run(self) -> list[Row]:
        """Run all of them; return their rows."""
        _say("prices move")
        async with stage(market_maker=True) as moving:
            rows = await self._queries(moving, "prices move")
        _say("prices stand still")
        async with stage(market_maker=False) as still:
            rows += await self._queries(still, "prices still")
            rows += await self._fan_out(still)
            rows += await self._orders(still)
        return rows + _documents()

    async def _queries(self, on: Stage, circumstance: str) -> list[Row]:
        rows: list[Row] = []
        for name, document, variables in _QUERIES:
            await _agree(on, document, variables)
            path = f"{name}; {circumstance}"
            _say(path)
            gateway, textbook = await self._rounds(on, document, variables)
            rows += compared(path, gateway, textbook)
        return rows

    async def _rounds(
        self, on: Stage, document: str, variables: Mapping[str, object]
    ) -> tuple[Measured, Measured]:
        async def once(target: Target, seconds: float) -> Measured:
            return await self._away(http_load.load, target, document, variables, seconds)

        for target in (on.gateway, on.textbook):
            await once(target, _WARM_UP_S)
        pairs = [
            (await once(on.gateway, _QUERY_S), await once(on.textbook, _QUERY_S))
            for _ in range(_ROUNDS)
        ]
        return Measured.together([a for a, _ in pairs]), Measured.together([b for _, b in pairs])

    async def _fan_out(self, on: Stage) -> list[Row]:
        async def once(target: Target) -> fan_out_load.FanOut:
            return await self._away(
                fan_out_load.load, target, on.exchange_url, on.outsider, _FAN_OUT_S
            )

        path = f"a frame to each of {fan_out_load.SUBSCRIBERS} subscribers"
        _say(path)
        pairs = [(await once(on.gateway), await once(on.textbook)) for _ in range(_ROUNDS)]
        assert all(ours.shape == theirs.shape for ours, theirs in pairs), pairs[0]
        return _fan_out_rows(path, [a for a, _ in pairs], [b for _, b in pairs])

    async def _orders(self, on: Stage) -> list[Row]:
        _say("orders")
        gateway, direct = await self._away(
            order_load.load, on.gateway, on.exchange_url, on.outsider, _ORDERS
        )
        return [
            Row("a limit order", "gateway", gateway),
            Row("a limit order", "direct", direct),
        ]

    async def _away(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._load_process, work, *arguments
        )


async def _agree(on: Stage, document: str, variables: Mapping[str, object]) -> None:
    """See that both servers give the same answer but for the moment: names, lists, types."""
    shapes = []
    async with httpx.AsyncClient() as http:
        for target in (on.gateway, on.textbook):
            answer = await http.post(
                f"http://127.0.0.1:{target.port}/graphql",
                json={"query": document, "variables": variables},
                headers={"Authorization": f"Bearer {target.token}"},
            )
            shapes.append(shape(answer.json()))
    assert shapes[0] == shapes[1], shapes


def _fan_out_rows(
    path: str, ours: list[fan_out_load.FanOut], theirs: list[fan_out_load.FanOut]
) -> list[Row]:
    rows = compared(
        path,
        Measured.together([each.frames for each in ours]),
        Measured.together([each.frames for each in theirs]),
    )
    for server, rounds in (("gateway", ours), ("textbook", theirs)):
        latencies = [latency for each in rounds for latency in each.events]
        elapsed = sum(each.frames.elapsed for each in rounds)
        rows.append(
            Row("an event, to the last subscriber", server, Measured(latencies, elapsed, 0, 0))
        )
    return rows


def _documents() -> list[Row]:
    kept, anew = document_load.load(MARKET, _DOCUMENTS)
    ratio = f"{anew.cpu_each / kept.cpu_each:,.0f}x"
    return [
        Row("parse and validate", "kept", kept, ratio),
        Row("parse and validate", "each time", anew),
    ]


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def main() -> int:
    """Run all comparisons."""
    if sys.platform != "linux":
        print("the benchmark reads /proc: it runs on Linux only", file=sys.stderr)
        return 2
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=tie, initargs=(os.getpid(), signal.SIGKILL)
    ) as load_process:
        try:
            show(asyncio.run(Bench(load_process).run()))
        except Interrupted:
            print("stopped", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
