"""Whether the exchange enforces the window: the one request that is signed to be late."""

from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.domain.errors import ExchangeFailure, NotSent, Refused, Unclear
from tests.unit.exchange.calling import KEY, NOW, bench, code, failing, sign
from tests.unit.exchange.peer import Answer, close, reply

pytestmark = pytest.mark.anyio


async def test_it_reads_the_wallet_by_a_request_whose_window_has_passed() -> None:
    async with bench(code("20004")) as it:
        assert await it.client.window_enforced(sign)
        asked = urlsplit(it.peer.targets[0])
    assert asked.path == "/v3/api/balance/wallet"
    query = parse_qs(asked.query)
    assert query["windowSize"] == ["5000"]
    assert query["timestamp"] == [str(NOW - 5000 - 2000)]


@pytest.mark.parametrize("body", ['{"code": "00000"}', '{"code": "00000", "wallet": 7}'])
async def test_an_exchange_that_says_success_does_not_enforce_it(body: str) -> None:
    async with bench(reply(body)) as it:
        assert not await it.client.window_enforced(sign)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (code("20001"), Refused),
        (code("20003"), Refused),
        (code("90000"), Unclear),
        (code("12345"), Unclear),
        (reply("<html>", status="502 Bad Gateway"), Unclear),
        (close, Unclear),
    ],
    ids=["key", "timestamp", "unexpected", "unlisted", "html", "hung-up"],
)
async def test_any_other_answer_tells_neither(answer: Answer, kind: type[ExchangeFailure]) -> None:
    async with bench(answer) as it:
        assert isinstance(await failing(it.client.window_enforced(sign)), kind)


async def test_it_is_asked_once() -> None:
    async with bench(close, code("20004")) as it:
        await failing(it.client.window_enforced(sign))
        assert len(it.peer.targets) == 1


async def test_without_the_exchange_s_time_it_is_not_asked() -> None:
    async with bench(close, synchronised=False) as it:
        assert isinstance(await failing(it.client.window_enforced(sign)), NotSent)


async def test_a_late_request_refuses_no_key() -> None:
    async with bench(code("20004"), code("20001")) as it:
        await it.client.window_enforced(sign)
        assert it.refused == []
        await failing(it.client.window_enforced(sign))
        assert it.refused == [(KEY, "20001")]
