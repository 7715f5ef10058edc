"""Replies that are no good, to every read and over a real socket: counted, and never believed."""

import json
from collections.abc import Callable

import pytest

from gateway.domain.errors import Unclear
from tests.unit.exchange.calling import SAMPLES, Call, bench, failing
from tests.unit.exchange.peer import flood, reply
from tests.unit.exchange.test_client import READS

pytestmark = pytest.mark.anyio

SAYS_SOMETHING = {
    name: (call, sample)
    for name, (call, sample, _) in READS.items()
    if name not in {"ping", "authentication", "latest candles"}
}


def text_of(sample: str) -> str:
    return (SAMPLES / f"{sample}.json").read_text()


def numbers_replaced(sample: str, by: str) -> str:
    """Put `by` where the sample has numbers and switches."""
    replaced = json.loads(text_of(sample), parse_float=lambda _: "@", parse_int=lambda _: "@")
    return json.dumps(replaced).replace('"@"', by).replace("true", by).replace("false", by)


def emptied(value: object) -> object:
    """Take every field from every object but the reply itself."""
    if isinstance(value, list):
        return [emptied(one) for one in value]
    return {} if isinstance(value, dict) else value


def without_fields(sample: str) -> str:
    reply_ = json.loads(text_of(sample))
    return json.dumps(
        {name: value if name == "code" else emptied(value) for name, value in reply_.items()}
        | ({"data": None} if "data" in reply_ else {})
    )


def in_the_reply(sample: str, more: str) -> str:
    return text_of(sample).replace('"code"', f'{more},"code"', 1)


BAD: dict[str, Callable[[str], str | bytes]] = {
    "empty": lambda _: "",
    "HTML": lambda _: "<html>",
    "no object": lambda sample: f"[{text_of(sample)}]",
    "code alone": lambda _: '{"code":"00000"}',
    "fields missing": without_fields,
    "truncated": lambda sample: text_of(sample).rstrip()[:-1],
    "a code twice": lambda sample: in_the_reply(sample, '"code":"00000"'),
    "a name twice within": lambda sample: in_the_reply(sample, '"new":[{"a":1,"a":1}]'),
    "too deep": lambda sample: in_the_reply(sample, f'"new":{"[" * 100_000}{"]" * 100_000}'),
    "objects too deep": lambda sample: in_the_reply(
        sample, '"new":' + '{"a":' * 50_000 + "1" + "}" * 50_000
    ),
    "not UTF-8": lambda sample: text_of(sample).encode("utf-16"),
    "a lone surrogate": lambda sample: in_the_reply(sample, '"\\ud800":1'),
}
NO_NUMBERS = {
    "a list": "[null]",
    "an object": "{}",
    "a word": '"many"',
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "NaN in quotes": '"NaN"',
    "a huge number": "1E+999999999",
    "an endless number": "9" * 5000,
    "a negative number": "-1",
}
BODIES = [
    *(
        (name, fault, make(sample))
        for name, (_, sample) in SAYS_SOMETHING.items()
        for fault, make in BAD.items()
    ),
    *(
        (name, f"{fault} for numbers", numbers_replaced(sample, by))
        for name, (_, sample) in SAYS_SOMETHING.items()
        if name != "currencies"
        for fault, by in NO_NUMBERS.items()
    ),
]
CASES = [
    pytest.param(SAYS_SOMETHING[name][0], body, id=f"{name}: {fault}".replace(" ", "-"))
    for name, fault, body in BODIES
]


@pytest.mark.parametrize(("call", "body"), CASES)
async def test_a_reply_without_meaning_is_unclear_and_counted(
    call: Call, body: str | bytes
) -> None:
    async with bench(reply(body)) as it:
        error = await failing(call(it.client))
        ((_, label),) = it.calls
        assert it.calls.total() == 3
    assert isinstance(error, Unclear)
    assert label == error.cause == "unparsable"


async def test_a_reply_without_an_end_is_not_read_to_its_end() -> None:
    async with bench(flood) as it:
        error = await failing(it.client.server_time())
        assert it.calls == {("time", "too_large"): 3}
    assert isinstance(error, Unclear)


CROSSED = (
    '{"code":"00000","book":{"bids":[{"price":2,"amount":1}],"asks":[{"price":2,"amount":1}]}}'
)


@pytest.mark.parametrize("name", ["top of book", "order book"])
async def test_a_crossed_book_is_asked_for_again_and_counted(name: str) -> None:
    call, sample = SAYS_SOMETHING[name]
    good = reply(text_of(sample))
    async with bench(reply(CROSSED), good) as it:
        await call(it.client)
        assert it.calls == {(sample, "crossed_book"): 1, (sample, "00000"): 1}
    async with bench(reply(CROSSED)) as it:
        error = await failing(call(it.client))
        assert len(it.peer.requests) == 3
    assert isinstance(error, Unclear)
    assert (error.cause, error.exchange_code) == ("crossed_book", "00000")


@pytest.mark.parametrize("name", ["top of book", "order book"])
async def test_rest_is_believed_when_it_says_that_a_book_is_empty(name: str) -> None:
    call, _ = SAYS_SOMETHING[name]
    async with bench(reply('{"code":"00000","book":{"bids":[],"asks":[]}}')) as it:
        await call(it.client)
        assert len(it.peer.requests) == 1


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("ticker", "ETHTRY"),
        ("rules", "ETHTRY"),
        ("deposit options", "USDT"),
        ("withdrawal options", "USDT"),
    ],
)
async def test_a_reply_about_something_else_is_a_mismatch(name: str, other: str) -> None:
    call, sample = SAYS_SOMETHING[name]
    asked = {"ticker": "BTCTRY", "rules": "BTCTRY", "deposit options": "TRY"}.get(name, "BTC")
    async with bench(reply(text_of(sample).replace(f'"{asked}"', f'"{other}"'))) as it:
        error = await failing(call(it.client))
    assert isinstance(error, Unclear)
    assert error.cause == "mismatch"
