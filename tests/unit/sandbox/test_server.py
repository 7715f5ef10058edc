import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.asyncio.client import connect

from gateway.sandbox import AddressUnavailableError, SandboxConfig, run, serve
from tests.unit.sandbox.clients import ANN, Trader, subscribe

PROGRAM = """
import logging, sys
from decimal import Decimal
from gateway.sandbox import Account, KeyPair, SandboxConfig, run
logging.basicConfig(level=logging.DEBUG)
account = Account("ann", (KeyPair(sys.argv[2], sys.argv[3]),), {"USDT": Decimal(100)})
run(SandboxConfig(port=int(sys.argv[1]), accounts=(account,), history=False))
"""


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def process(free_port: int) -> Iterator[subprocess.Popen[str]]:
    key = ANN.keys[0]
    command = [sys.executable, "-c", PROGRAM, str(free_port), key.api_key, key.api_secret]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


async def wait_until_it_answers(client: httpx.AsyncClient) -> None:
    for _ in range(200):
        try:
            await client.get("/v3/api/ping")
        except httpx.ConnectError:
            await asyncio.sleep(0.05)
        else:
            return
    pytest.fail("the sandbox does not answer")


@pytest.mark.anyio
async def test_it_stops_on_sigterm_with_open_streams_and_logs_no_credential(
    process: subprocess.Popen[str], free_port: int
) -> None:
    base = f"127.0.0.1:{free_port}"
    async with httpx.AsyncClient(base_url=f"http://{base}", trust_env=False) as client:
        await wait_until_it_answers(client)
        ann = Trader(client, ANN.keys[0].api_key, ANN.keys[0].api_secret)
        await ann.wallet()
        async with connect(f"ws://{base}/v3?token=query-secret", proxy=None) as connection:
            await connection.send(ann.login_frame())
            await connection.recv()
            await subscribe(connection, {"type": "allTickers"})
            process.send_signal(signal.SIGTERM)
            await connection.wait_closed()
            assert connection.close_code == 1012
    _, log = await asyncio.to_thread(process.communicate, timeout=10)
    assert process.returncode == -signal.SIGTERM
    assert "sandbox exchange listens on" in log
    for secret in (ann.key, ann.secret, "query-secret", "signature=", "timestamp="):
        assert secret not in log


def test_a_port_in_use_is_one_clear_message(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        message = f"sandbox cannot listen on 127.0.0.1:{free_port}: Address already in use"
        with pytest.raises(AddressUnavailableError, match=message):
            run(SandboxConfig(port=free_port, history=False))


@pytest.mark.anyio
async def test_served_in_a_loop_it_gives_its_port_back() -> None:
    config = SandboxConfig(port=0, history=False)
    async with serve(config) as sandbox:
        port = sandbox.port
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{sandbox.url}/v3/api/ping")).status_code == 200
    async with serve(SandboxConfig(port=port, history=False)) as again:
        assert again.port == port


@pytest.mark.anyio
async def test_who_connects_at_the_last_moment_is_sent_away() -> None:
    async with serve(SandboxConfig(port=0, history=False)) as sandbox:
        at = (sandbox.host, sandbox.port)
        late = [socket.create_connection(at, timeout=5) for _ in range(3)]
        # The server accepts them in the same turn of the loop in which it looks whether to stop.
        time.sleep(0.2)  # noqa: ASYNC251 - the loop is to stand still
    for connection in late:
        with connection:
            assert await asyncio.to_thread(connection.recv, 1) == b""


@pytest.mark.anyio
async def test_a_request_that_is_held_up_does_not_hold_up_the_end() -> None:
    config = SandboxConfig(port=0, history=False, control=True)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        async with serve(config) as sandbox:
            fault = {"endpoint": "v3/api/ping", "delayMs": 600_000}
            await client.post(f"{sandbox.url}/control/faults", json=fault)
            held_up = asyncio.create_task(client.get(f"{sandbox.url}/v3/api/ping"))
            await wait_until_received(client, f"{sandbox.url}/control/requests", "v3/api/ping")
        assert (await held_up).status_code == 500


async def wait_until_received(client: httpx.AsyncClient, requests_url: str, path: str) -> None:
    for _ in range(200):
        if path in (await client.get(requests_url)).json()["counts"]:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{path} has not been received")
