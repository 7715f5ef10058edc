"""The textbook way: Strawberry's router in a FastAPI app, Redis read in each resolver.

Every subscriber has his own execution, and his own Redis subscription. Nothing is done badly on
purpose: uvloop, httptools, hiredis, a shared connection pool, no access log, no compression.
What it knows comes from `bench.feeder`. Started as `python -m bench.textbook PORT REDIS_SOCKET`;
the token to accept is in the environment variable BENCH_TOKEN. With BENCH_KEEP_DOCUMENTS it uses
Strawberry's caches of parsed and validated documents, which are off by default.
"""

import hmac
import json
import os
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias

import strawberry
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection
from redis.asyncio import Redis
from starlette.exceptions import HTTPException
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache
from strawberry.fastapi import GraphQLRouter

from bench.stored import LISTING, book_key, ticker_key

_MOST_REDIS_CONNECTIONS = 2000

Info: TypeAlias = strawberry.Info[dict[str, Any], None]
Row: TypeAlias = dict[str, Any]


@strawberry.type
class Ticker:
    """The last 24 hours of a market."""

    last: Decimal
    bid: Decimal | None
    ask: Decimal | None
    open: Decimal
    high: Decimal
    low: Decimal
    average: Decimal
    change: Decimal
    change_percent: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    trade_count: int
    as_of: datetime

    @classmethod
    def of(cls, row: Row) -> "Ticker":
        """Show a row of the exchange."""
        return cls(
            last=Decimal(row["last"]),
            bid=_decimal(row["firstBid"]),
            ask=_decimal(row["firstAsk"]),
            open=Decimal(row["open"]),
            high=Decimal(row["high"]),
            low=Decimal(row["low"]),
            average=Decimal(row["avg"]),
            change=Decimal(row["changeAmount"]),
            change_percent=Decimal(row["changePercent"]),
            base_volume=Decimal(row["volumeQty"]),
            quote_volume=Decimal(row["volume"]),
            trade_count=int(row["tradeCount"]),
            as_of=_time(row["asOf"]),
        )


@strawberry.type
class PriceLevel:
    """All that rests in a book at one price."""

    price: Decimal
    quantity: Decimal
    orders: int

    @classmethod
    def of(cls, row: Row) -> "PriceLevel":
        """Show a row of the exchange."""
        return cls(
            price=Decimal(row["price"]), quantity=Decimal(row["amount"]), orders=int(row["count"])
        )


@strawberry.type
class OrderBook:
    """A book to some depth."""

    symbol: str
    bids: list[PriceLevel]
    asks: list[PriceLevel]
    as_of: datetime

    @classmethod
    def of(cls, symbol: str, row: Row, depth: int) -> "OrderBook":
        """Show a row of the exchange."""
        return cls(
            symbol=symbol,
            bids=[PriceLevel.of(level) for level in row["bids"][:depth]],
            asks=[PriceLevel.of(level) for level in row["asks"][:depth]],
            as_of=_time(row["asOf"]),
        )


@strawberry.type
class Market:
    """A market; its parts are read when they are asked for."""

    symbol: str
    name: str
    base_asset: str
    quote_asset: str

    @classmethod
    def of(cls, row: Row) -> "Market":
        """Show a row of the exchange."""
        return cls(
            symbol=row["symbol"],
            name=row["name"],
            base_asset=row["firstSymbol"],
            quote_asset=row["secondSymbol"],
        )

    @strawberry.field
    async def ticker(self, info: Info) -> Ticker:
        """Read the ticker."""
        return Ticker.of(await _read(info, ticker_key(self.symbol)))

    @strawberry.field
    async def order_book(self, info: Info, depth: int = 20) -> OrderBook:
        """Read the book."""
        return OrderBook.of(self.symbol, await _read(info, book_key(self.symbol)), depth)


@strawberry.type
class Query:
    """What can be read."""

    @strawberry.field
    async def markets(self, info: Info) -> list[Market]:
        """Read all markets."""
        return [Market.of(row) for row in await _read(info, LISTING)]

    @strawberry.field
    async def market(self, info: Info, symbol: str) -> Market | None:
        """Read one market."""
        rows = [row for row in await _read(info, LISTING) if row["symbol"] == symbol]
        return Market.of(rows[0]) if rows else None


@strawberry.type
class Subscription:
    """What can be followed."""

    @strawberry.subscription
    async def order_book(
        self, info: Info, symbol: str, depth: int = 20
    ) -> AsyncGenerator[OrderBook]:
        """Follow a book: first as it is known, then whenever it changes."""
        redis: Redis = info.context["redis"]
        async with redis.pubsub() as channel:
            await channel.subscribe(book_key(symbol))
            yield OrderBook.of(symbol, await _read(info, book_key(symbol)), depth)
            async for message in channel.listen():
                if message["type"] == "message":
                    yield OrderBook.of(symbol, json.loads(message["data"]), depth)


async def _read(info: Info, key: str) -> Any:  # noqa: ANN401 - whatever JSON is stored there
    return json.loads(await info.context["redis"].get(key))


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _the(cache: SchemaExtension) -> SchemaExtension:
    return cache  # given as a class, Strawberry would make a new one for each request


def create_app(redis: Redis, token: str, *, keep_documents: bool) -> FastAPI:
    """Build the application that answers callers who present `token`."""
    caches = (ParserCache(), ValidationCache()) if keep_documents else ()
    expected = f"Bearer {token}".encode()

    async def require_token(connection: HTTPConnection) -> None:
        given = connection.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            raise HTTPException(401)

    # FastAPI would hand a plain function to a thread.
    async def context() -> dict[str, Any]:
        return {"redis": redis}

    router: GraphQLRouter[dict[str, Any], None] = GraphQLRouter(
        strawberry.Schema(
            Query, subscription=Subscription, extensions=[partial(_the, cache) for cache in caches]
        ),
        path="/graphql",
        context_getter=context,
        dependencies=[Depends(require_token)],
    )
    app = FastAPI()
    app.include_router(router)
    return app


def main() -> None:
    """Serve until SIGTERM."""
    _, port, redis_socket = sys.argv
    redis = Redis(
        unix_socket_path=redis_socket,
        max_connections=_MOST_REDIS_CONNECTIONS,
        socket_timeout=None,
        decode_responses=True,
    )
    uvicorn.run(
        create_app(
            redis,
            os.environ["BENCH_TOKEN"],
            keep_documents="BENCH_KEEP_DOCUMENTS" in os.environ,
        ),
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
