"""The clients written from the exchange's document see of the facade what they see of the exchange.

Nothing is different but create-withdraw, which the facade always refuses; so the exchange that they
are compared at gives them keys that may not withdraw.
"""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from gateway.sandbox import Account, Permission, SandboxConfig, load_scenario
from tests.functional.conftest import running_service
from tests.functional.document_clients import (
    CLIENTS,
    PATIENCE_S,
    PROGRAMS,
    Comparable,
    Json,
    run_client,
    transcript,
)
from tests.functional.exchange import Exchange
from tests.functional.facade import WITH_VIRTUAL_KEYS, Anonymous, issue
from tests.functional.service import MARKET, READ, TRADE_ALL, Member

NOT_PERMITTED = "20011"
WORLD = replace(load_scenario(CLIENTS / "scenario.yaml"), port=0, control=True)
BOTS = {"trader": "bot", "counterparty": "other-bot"}
PEOPLE = (
    *(Member(bot, (MARKET, READ, TRADE_ALL), account=account) for account, bot in BOTS.items()),
    Anonymous("anonymous", (MARKET,)),
)

# Six withdrawals, each with six attempts that are refused one way or another; what their account
# has before and after, and hears of it; and the list of the last five.
LEFT_OUT = {
    "POST v3/api/balance/create-withdraw": 42,
    "GET v3/api/balance/wallet": 12,
    "balanceUpdate": 6,
    "reservedUpdate": 6,
    "GET v3/api/balance/withdraw-history": 1,
}


@dataclass(frozen=True)
class Seen:
    """What a client saw of the facade, of an exchange without withdrawals, and of a whole one."""

    by_facade: list[Json]
    by_exchange: list[Json]
    with_withdrawals: list[Json]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What each client saw; nobody had used before what it was let loose on."""
    forbidden = replace(WORLD, accounts=tuple(map(_without_withdrawals, WORLD.accounts)))

    def look(client: str) -> Seen:
        return Seen(
            _look_at_facade(client, tmp_path_factory),
            _look_at_exchange(client, forbidden, NOT_PERMITTED),
            _look_at_exchange(client, WORLD),
        )

    with ThreadPoolExecutor() as both:
        return dict(zip(PROGRAMS, both.map(look, PROGRAMS), strict=True))


def _look_at_facade(client: str, folders: pytest.TempPathFactory) -> list[Json]:
    with running_service(folders, WORLD, WORLD.accounts, PEOPLE, WITH_VIRTUAL_KEYS) as service:
        pairs = {account: issue(service, bot, account).pair for account, bot in BOTS.items()}
        url = f"http://127.0.0.1:{service.port}"
        done = run_client(client, url, service.exchange.url, pairs, NOT_PERMITTED)
        assert service.complaints() == []
    return transcript(done)


def _look_at_exchange(
    client: str, world: SandboxConfig, no_withdrawal: str | None = None
) -> list[Json]:
    with closing(Exchange(world)) as exchange:
        pairs = {account.account_id: account.keys[0] for account in world.accounts}
        return transcript(run_client(client, exchange.url, exchange.url, pairs, no_withdrawal))


def _without_withdrawals(account: Account) -> Account:
    allowed = frozenset(Permission) - {Permission.WITHDRAW}
    return replace(account, keys=tuple(replace(key, permissions=allowed) for key in account.keys))


@pytest.mark.timeout(3 * PATIENCE_S)
@pytest.mark.parametrize("client", PROGRAMS)
def test_a_client_sees_of_the_facade_what_it_sees_of_the_exchange(
    seen: dict[str, Seen], client: str
) -> None:
    lines = seen[client].by_facade, seen[client].by_exchange
    here, there = (Comparable(Decimal).made_of(each) for each in lines)

    for ours, theirs in zip(here, there, strict=True):
        assert ours == theirs


@pytest.mark.timeout(3 * PATIENCE_S)
@pytest.mark.parametrize("client", PROGRAMS)
def test_only_what_withdrawals_change_is_missing_of_what_the_whole_exchange_shows(
    seen: dict[str, Seen], client: str
) -> None:
    here, there = map(_lines, (seen[client].by_facade, seen[client].with_withdrawals))

    assert Counter(json.loads(line)["call"] for line in (there - here).elements()) == LEFT_OUT


def _lines(told: list[Json]) -> Counter[str]:
    comparable = (Comparable(_plain).made_of(line) for line in told)
    return Counter(json.dumps(line, sort_keys=True) for line in comparable)


def _plain(digits: str) -> str:
    return f"{Decimal(digits).normalize():f}"
