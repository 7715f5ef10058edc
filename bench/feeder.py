"""Keeps the textbook's Redis up to date from the exchange's stream, as the gateway keeps itself.

Started as `python -m bench.feeder SANDBOX_PORT REDIS_SOCKET`.
"""

import asyncio
import json
import sys
import time
from typing import Any

import httpx
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from bench.operations import SYMBOL
from bench.stored import LISTING, book_key, ticker_key

_SUBSCRIBE = {
    "method": "SUBSCRIBE",
    "params": [{"type": "allTickers"}, {"type": "depth", "symbol": SYMBOL}],
}


async def feed(sandbox_port: int, redis: Redis) -> None:
    """Copy everything once, then each change, until the stream ends."""
    address = f"127.0.0.1:{sandbox_port}"
    async with connect(f"ws://{address}/v3", compression=None) as stream:
        await stream.send(json.dumps(_SUBSCRIBE))
        await _copy_all(f"http://{address}/v3/api/market", redis)
        async for message in stream:
            frame = _decode(message)
            if frame["type"] == "depth" and "depth" in frame:
                book = _stored(frame["depth"])
                await redis.set(book_key(SYMBOL), book)
                await redis.publish(book_key(SYMBOL), book)
            elif frame["type"] == "allTickers" and "symbol" in frame:
                await redis.set(ticker_key(frame["symbol"]), _stored(frame))


async def _copy_all(base: str, redis: Redis) -> None:
    async with httpx.AsyncClient() as http:
        markets = _decode((await http.get(f"{base}/markets")).text)["markets"]
        book = _decode((await http.get(f"{base}/depth?symbol={SYMBOL}")).text)["book"]
    for market in markets:
        await redis.set(ticker_key(market["symbol"]), _stored(market))
    await redis.set(book_key(SYMBOL), _stored(book))
    await redis.set(LISTING, json.dumps(markets))


def _decode(text: str | bytes) -> dict[str, Any]:
    """Read JSON; numbers stay as they are written, so that none loses a digit."""
    decoded: dict[str, Any] = json.loads(text, parse_float=str, parse_int=str)
    return decoded


def _stored(row: dict[str, Any]) -> str:
    return json.dumps({**row, "asOf": str(time.time_ns() // 1_000_000)})


def main() -> None:
    """Feed until the stream ends or SIGTERM comes."""
    _, sandbox_port, redis_socket = sys.argv
    asyncio.run(feed(int(sandbox_port), Redis(unix_socket_path=redis_socket)))


if __name__ == "__main__":
    main()
