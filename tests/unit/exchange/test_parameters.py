import asyncio
import json
from urllib.parse import urlencode

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.domain.encoding import encode_form
from gateway.domain.signing import PostForm, SignedText, SigningRequest
from gateway.exchange.calls import Calls, Retry
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.parameters import as_json
from gateway.exchange.transport import open_transport
from tests.unit.exchange import calling
from tests.unit.exchange.calling import NOW, signed
from tests.unit.exchange.peer import Peer, reply, serving

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PAIRS = st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=4, unique_by=lambda pair: pair[0])
EVERY_ASCII = "".join(map(chr, range(128)))
Pairs = list[tuple[str, str]]


async def send(pairs: Pairs, form: PostForm) -> tuple[Peer, str]:
    """Send a mutation with `pairs`; return what arrived, and the text that was signed."""
    texts: list[str] = []

    def remember(request: SigningRequest) -> SignedText:
        result = calling.sign(request)
        texts.append(result.text.rpartition("&signature=")[0])
        return result

    clock = ExchangeClock(lambda: NOW, lambda: 0.0)
    await clock.synchronise(lambda: asyncio.sleep(0, NOW))
    async with serving(reply('{"code":"00000"}')) as peer, open_transport(peer.address) as sender:
        calls = Calls(
            sender,
            clock,
            post_form=form,
            window_ms=5000,
            on_call=lambda endpoint, code: None,
            on_refused=lambda key, code: None,
            gate=lambda endpoint: None,
            retry=Retry(),
        )
        prepared = await calls.prepare("market/limit-buy", remember, pairs)
        await calls.once(prepared.request, lambda body: None)
    return peer, texts[0]


@settings(max_examples=60)
@given(PAIRS)
@example([(EVERY_ASCII, EVERY_ASCII)])
@example([("a", "%2F%2f%20+%zz"), ("b", "…/../ü?#&=;")])
def test_what_is_signed_is_byte_for_byte_what_the_address_carries(pairs: Pairs) -> None:
    peer, text = asyncio.run(send(pairs, "query"))
    assert peer.targets == [f"/v3/api/market/limit-buy?{signed(text)}"]
    assert peer.requests[0].endswith(b"\r\n\r\n")


@settings(max_examples=60)
@given(PAIRS)
@example([(EVERY_ASCII, EVERY_ASCII)])
def test_what_is_signed_is_the_pairs_of_the_json_body_in_their_order(pairs: Pairs) -> None:
    peer, text = asyncio.run(send(pairs, "json"))
    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    carried = json.loads(body)
    signature = carried.pop("signature")
    assert urlencode(carried) == text
    assert signed(text).endswith(f"&signature={signature}")
    assert list(carried.items())[: len(pairs)] == pairs
    assert peer.targets == ["/v3/api/market/limit-buy"]
    assert b"content-type: application/json" in head.lower()


def test_a_body_carries_the_pairs_of_the_text_in_their_order() -> None:
    text = encode_form([("node", "XRP Ledger"), ("address", "a:b+c!~*'()")])
    assert as_json(text) == b'{"node":"XRP Ledger","address":"a:b+c!~*\'()"}'
    assert as_json("b=2&a=") == b'{"b":"2","a":""}'
