import asyncio
import hmac
import json
from urllib.parse import urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.domain.signing import SignedText
from gateway.exchange.calls import Calls, PostForm, Retry
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.parameters import as_json, encode, encode_form
from gateway.exchange.transport import open_transport
from tests.unit.exchange.peer import Peer, reply, serving

NOW = 1_578_398_112_000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PAIRS = st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=4, unique_by=lambda pair: pair[0])
EVERY_ASCII = "".join(map(chr, range(128)))
Pairs = list[tuple[str, str]]


def sign(text: str) -> SignedText:
    signature = hmac.digest(b"secret", text.encode(), "sha256").hex()
    return SignedText(f"{text}&signature={signature}", ("X-APNK-APIKEY", "key"))


async def send(pairs: Pairs, form: PostForm) -> tuple[Peer, str]:
    """Send a mutation with `pairs`; return what arrived, and the text that was signed."""
    signed: list[str] = []

    def remember(text: str) -> SignedText:
        signed.append(text)
        return sign(text)

    clock = ExchangeClock(lambda: NOW, lambda: 0.0)
    await clock.synchronise(lambda: asyncio.sleep(0, NOW))
    async with serving(reply('{"code":"00000"}')) as peer, open_transport(peer.address) as sender:
        calls = Calls(
            sender,
            clock,
            post_form=form,
            window_ms=5000,
            on_call=lambda endpoint, code: None,
            retry=Retry(),
        )
        prepared = await calls.prepare("market/limit-buy", remember, pairs)
        await calls.once(prepared.request, lambda body: None)
    return peer, signed[0]


@settings(max_examples=60)
@given(PAIRS)
@example([(EVERY_ASCII, EVERY_ASCII)])
@example([("a", "%2F%2f%20+%zz"), ("b", "…/../ü?#&=;")])
def test_what_is_signed_is_byte_for_byte_what_the_address_carries(pairs: Pairs) -> None:
    peer, signed = asyncio.run(send(pairs, "query"))
    assert peer.targets == [f"/v3/api/market/limit-buy?{sign(signed).text}"]
    assert peer.requests[0].endswith(b"\r\n\r\n")


@settings(max_examples=60)
@given(PAIRS)
@example([(EVERY_ASCII, EVERY_ASCII)])
def test_what_is_signed_is_the_pairs_of_the_json_body_in_their_order(pairs: Pairs) -> None:
    peer, signed = asyncio.run(send(pairs, "json"))
    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    carried = json.loads(body)
    signature = carried.pop("signature")
    assert urlencode(carried) == signed
    assert sign(signed).text.endswith(f"&signature={signature}")
    assert list(carried.items())[: len(pairs)] == pairs
    assert peer.targets == ["/v3/api/market/limit-buy"]
    assert b"content-type: application/json" in head.lower()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("BTCUSDT", "BTCUSDT", id="plain"),
        pytest.param("0.0000001", "0.0000001", id="decimal"),
        pytest.param("a b+c", "a%20b%2Bc", id="space and plus"),
        pytest.param("a&b=c;d#e%f", "a%26b%3Dc%3Bd%23e%25f", id="separators"),
        pytest.param("Türk", "T%C3%BCrk", id="not ASCII"),
    ],
)
def test_a_value_is_escaped_so_that_it_separates_nothing(value: str, text: str) -> None:
    assert encode([("name", value)]) == f"name={text}"


def test_what_a_json_body_carries_is_signed_as_a_form_writes_it() -> None:
    text = encode_form([("node", "XRP Ledger"), ("address", "a:b+c!~*'()")])
    assert text == "node=XRP+Ledger&address=a%3Ab%2Bc%21~%2A%27%28%29"
    assert as_json(text) == b'{"node":"XRP Ledger","address":"a:b+c!~*\'()"}'


def test_pairs_keep_their_order() -> None:
    assert encode([("b", "2"), ("a", "1")]) == "b=2&a=1"
    assert as_json("b=2&a=") == b'{"b":"2","a":""}'
