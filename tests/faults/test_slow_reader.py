"""Subscribers who do not read what they asked for."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gateway.cli.operations import operation
from tests.faults.conftest import StartGateway
from tests.functional.callers import Socket, open_socket
from tests.functional.exchange import Exchange
from tests.functional.service import Service
from tests.processes import resident_bytes

# Long aliases make long frames: what waits is then large enough to be seen.
WIDE = " ".join(f"{letter * 4_000}: price" for letter in "abcdefghijkl")
WATCH_WIDE = (
    f'subscription {{ trades(symbol: "BTCUSDT") {{ ... on Trade {{ quantity {WIDE} }} }} }}'
)
FRAME_BYTES = 48_000
TRADES = 150
SLOW = 6
QUEUE = 16


@contextmanager
def small_socket(service: Service, token: str) -> Iterator[Socket]:
    """A GraphQL WebSocket that takes in next to nothing unless it is read."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.connect(("127.0.0.1", service.port))
        with connect(
            service.ws_url,
            sock=raw,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            compression=None,
            max_queue=1,
            max_size=None,
            close_timeout=0.1,
        ) as connection:
            opened = Socket(connection)
            opened.initialise(token)
            yield opened


def read_until(reader: Socket, last: str) -> list[str]:
    quantities = [reader.next()["trades"]["quantity"]]
    while quantities[-1] != last:
        quantities.append(reader.next()["trades"]["quantity"])
    return quantities


def test_a_reader_who_is_too_slow_loses_his_stream_alone_and_memory_stays_bounded(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    service = start_gateway(NGW_STREAM_QUEUE=str(QUEUE))
    token = service.members["trader"].token
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        slow = [stack.enter_context(small_socket(service, token)) for _ in range(SLOW)]
        reader = stack.enter_context(open_socket(service.ws_url, token))
        for each in (*slow, reader):
            each.subscribe(WATCH_WIDE)
        slow[0].subscribe(operation("watch-tickers"), stream="conflated", symbols=["ETHUSDT"])
        exchange.trade("BTCUSDT", "50000", "0.1000")
        reading = pool.submit(read_until, reader, f"0.{1000 + TRADES}".rstrip("0"))
        before = resident_bytes(service.pid)
        for number in range(1001, 1001 + TRADES):
            exchange.trade("BTCUSDT", "50000", f"0.{number}")
        told = reading.result()
        flood = SLOW * TRADES * FRAME_BYTES
        assert resident_bytes(service.pid) - before < flood / 2
        assert told[-TRADES:] == [f"0.{n}".rstrip("0") for n in range(1001, 1001 + TRADES)]
        assert service.metric("gateway_slow_streams_total") == SLOW
        assert service.metric("gateway_subscriptions", field="trades") == 1
        assert service.metric("gateway_subscriptions", field="tickers") == 1
        assert rate_limited(slow[0]) == {"1"}
        exchange.trade("ETHUSDT", "2000", "1")
        while slow[0].next("conflated")["tickers"]["last"] != "2000":
            pass


def rate_limited(reader: Socket) -> set[str]:
    """The streams that have ended with RATE_LIMITED, past what came before."""
    while (message := reader.receive())["type"] != "error":
        assert message["type"] == "next"
    assert json.dumps(message).count("RATE_LIMITED") == 1
    return {message["id"]}
