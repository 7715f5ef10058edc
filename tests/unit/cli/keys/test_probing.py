"""What `probe` finds out, from a sandbox exchange that knows keys of every kind."""

from collections.abc import AsyncIterator
from decimal import Decimal
from ipaddress import ip_network

import pytest

from gateway.cli.keys.probing import (
    IMPOSSIBLE_ORDER,
    Finding,
    Rights,
    Verdict,
    find_rights,
    open_exchange,
)
from gateway.cli.keys.settings import KeysSettings
from gateway.custody import Credential, Key, Keyring
from gateway.domain.signing import KeySlot, Purpose, Sign
from gateway.exchange import ExchangeClient
from gateway.sandbox import Account, KeyPair, Permission, SandboxConfig, serve

SECRET = "the-secret"
ELSEWHERE = ip_network("203.0.113.0/24")
YES, NO, UNKNOWN = Verdict.YES, Verdict.NO, Verdict.UNKNOWN


def pair(name: str, *permissions: Permission) -> KeyPair:
    return KeyPair(name, SECRET, frozenset(permissions))


KNOWN = Account(
    "known",
    (
        pair("reads", Permission.READ),
        pair("trades", Permission.TRADE),
        pair("reads-and-trades", Permission.READ, Permission.TRADE),
        pair("withdraws", Permission.WITHDRAW),
        KeyPair("elsewhere", SECRET, addresses=(ELSEWHERE,)),
    ),
    {"BTC": Decimal(1)},
)


@pytest.fixture(scope="module")
async def exchange() -> AsyncIterator[ExchangeClient]:
    config = SandboxConfig(port=0, accounts=(KNOWN,), market_maker=False, history=False)
    async with serve(config) as running:
        settings = KeysSettings(exchange_rest_url=running.url)
        async with open_exchange(settings) as client:
            yield client


def signing_with(api_key: str, secret: str = SECRET) -> Sign:
    key = Key("1", Credential(api_key, secret))
    return Keyring({}).candidate(KeySlot("known", Purpose.TRADE), key)


def verdicts(rights: Rights) -> tuple[Verdict, Verdict, Verdict]:
    return rights.known.verdict, rights.read.verdict, rights.trade.verdict


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("api_key", "known", "read", "trade"),
    [
        ("reads", YES, YES, NO),
        ("trades", YES, NO, YES),
        ("reads-and-trades", YES, YES, YES),
        ("withdraws", YES, NO, NO),
        ("elsewhere", NO, NO, NO),
        ("unheard-of", NO, NO, NO),
    ],
)
async def test_the_exchange_tells_what_a_key_may_do(
    exchange: ExchangeClient, api_key: str, known: Verdict, read: Verdict, trade: Verdict
) -> None:
    assert verdicts(await find_rights(exchange, signing_with(api_key))) == (known, read, trade)


@pytest.mark.anyio
async def test_a_wrong_secret_is_told_in_the_exchanges_words(exchange: ExchangeClient) -> None:
    rights = await find_rights(exchange, signing_with("reads", "another-secret"))
    assert rights.known == Finding(NO, "Invalid API key or secret (20001)")


@pytest.mark.anyio
async def test_of_an_exchange_that_is_away_nothing_is_known() -> None:
    settings = KeysSettings(exchange_rest_url="http://127.0.0.1:1")
    async with open_exchange(settings) as nobody:
        rights = await find_rights(nobody, signing_with("reads"))
    assert verdicts(rights) == (UNKNOWN, UNKNOWN, UNKNOWN)


def test_the_order_that_is_asked_for_is_as_long_as_those_of_the_document() -> None:
    assert len(IMPOSSIBLE_ORDER) == 72


@pytest.mark.parametrize(
    ("purpose", "read", "trade", "suits"),
    [
        (Purpose.READ, YES, NO, YES),
        (Purpose.READ, NO, YES, NO),
        (Purpose.TRADE, YES, YES, YES),
        (Purpose.TRADE, YES, NO, NO),
        (Purpose.TRADE, NO, YES, NO),
        (Purpose.TRADE, YES, UNKNOWN, UNKNOWN),
        (Purpose.WITHDRAW, YES, NO, YES),
    ],
)
def test_every_key_must_read_and_a_trade_key_trade(
    purpose: Purpose, read: Verdict, trade: Verdict, suits: Verdict
) -> None:
    rights = Rights(Finding(YES, ""), Finding(read, ""), Finding(trade, ""))
    assert rights.suit(purpose).verdict is suits
