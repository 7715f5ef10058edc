"""How the server ends; what it does for open sockets and requests is tried over whole gateways."""

import asyncio
import signal
import socket
import time

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from gateway.observability import Redactor
from gateway.stopping import StopDeadline
from gateway.web.health import Health, StartGate
from gateway.web.http_protocol import HeadLimits
from gateway.web.server import DrainingServer
from tests.processes import free_port
from tests.unit.services.examples import until

pytestmark = pytest.mark.anyio


def server_at(port: int) -> DrainingServer:
    start = StartGate({}, wait_s=1, clock=time.monotonic)
    return DrainingServer(
        FastAPI(),
        host="127.0.0.1",
        port=port,
        stop=StopDeadline(2, time.monotonic),
        head=HeadLimits(1000, 20, 20),
        opened=[],
        health=Health({}, start, CollectorRegistry(), Redactor()),
    )


async def test_who_connects_at_the_last_moment_is_sent_away() -> None:
    port = free_port()
    server = server_at(port)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    late = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
    # The server accepts them in the same turn of the loop in which it looks whether to stop.
    server.handle_exit(signal.SIGTERM, None)
    time.sleep(0.2)  # noqa: ASYNC251 - the loop is to stand still
    await serving
    for connection in late:
        with connection:
            assert await asyncio.to_thread(connection.recv, 1) == b""
