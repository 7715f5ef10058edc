"""A client of the exchange, and a peer over a real socket that answers as a test tells it to."""

import asyncio
import hmac
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.domain.encoding import encode, encode_form
from gateway.domain.errors import ExchangeFailure
from gateway.domain.signing import (
    KeyId,
    KeySlot,
    PostForm,
    Purpose,
    SignedText,
    SigningRequest,
)
from gateway.exchange.calls import Retry
from gateway.exchange.client import ExchangeClient
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.transport import Timeouts, open_transport
from tests.unit.exchange.peer import Answer, Peer, reply, serving

NOW = 1_578_398_112_000
SAMPLES = Path(__file__).parents[2] / "payloads" / "rest"
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The peer speaks plain HTTP: reading the system's certificates would cost more than a test."""

KEY = KeyId(KeySlot("demo", Purpose.TRADE), "1")
STAMPS = f"timestamp={NOW}&windowSize=5000"

Call = Callable[[ExchangeClient], Awaitable[object]]


def signed(text: str) -> str:
    """Append the signature of an account whose key is "the-key"."""
    signature = hmac.digest(b"secret", text.encode(), "sha256").hex()
    return f"{text}&signature={signature}"


def sign(request: SigningRequest) -> SignedText:
    """Sign as that account."""
    write = encode if request.form == "query" else encode_form
    pairs = [
        (name, format(value, "f") if isinstance(value, Decimal) else str(value))
        for name, value in request.parameters
    ]
    return SignedText(signed(write(pairs)), ("X-APNK-APIKEY", "the-key"), KEY)


def sample(name: str) -> Answer:
    """Answer with a sample reply of the document."""
    return reply((SAMPLES / f"{name}.json").read_bytes())


def code(value: str) -> Answer:
    """Answer with a code and no more."""
    return reply(json.dumps({"code": value}))


@dataclass
class Bench:
    """A client, the peer it talks to, and what it reported of its calls and of keys refused."""

    client: ExchangeClient
    peer: Peer
    calls: Counter[tuple[str, str]]
    refused: list[tuple[KeyId, str]]


@asynccontextmanager
async def bench(
    *answers: Answer, post_form: PostForm = "query", synchronised: bool = True
) -> AsyncIterator[Bench]:
    """Have a client whose first request gets the first of `answers`, and so on."""
    calls: Counter[tuple[str, str]] = Counter()
    refused: list[tuple[KeyId, str]] = []
    clock = ExchangeClock(lambda: NOW, lambda: 0.0)
    if synchronised:
        await clock.synchronise(lambda: asyncio.sleep(0, NOW))
    timeouts = Timeouts(connect=2, read=1)
    async with (
        serving(*answers) as peer,
        open_transport(peer.address, timeouts=timeouts, tls=NO_AUTHORITIES) as transport,
    ):
        client = ExchangeClient(
            transport,
            clock,
            post_form=post_form,
            window_ms=5000,
            on_call=lambda *call: calls.update([call]),
            on_refused=lambda key, code: refused.append((key, code)),
            retry=Retry(attempts=3, timeout=5, wait=0.001),
        )
        yield Bench(client, peer, calls, refused)


async def failing(awaitable: Awaitable[object]) -> ExchangeFailure:
    """Give the failure that `awaitable` must end with."""
    with pytest.raises(ExchangeFailure) as caught:
        await awaitable
    return caught.value
