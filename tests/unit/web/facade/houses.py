"""The facade's REST interface over a desk: real keys, replay guard and journal in a real Valkey."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
from redis.asyncio import Redis

from gateway.access.policy import AccountRule, Action, Grant, Member, Policy, TokenRecord
from gateway.access.principal import ANONYMOUS, Principal, PrincipalKind
from gateway.access.tokens import hash_token
from gateway.custody import VirtualPair, key_digest
from gateway.domain.virtual_keys import VirtualKey
from gateway.services.replay_guard import ReplayGuard
from gateway.services.virtual_keys import VirtualKeys
from gateway.stopping import StopDeadline
from gateway.store.replays import ReplayStore
from gateway.store.virtual_keys import VirtualKeyStore
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.rest import FacadeRest
from gateway.web.facade.signed import LONGEST_GOOD_MS
from gateway.web.kept_answers import KeptAnswers
from gateway.web.under_way import UnderWay
from tests.unit.schema.examples import Desk
from tests.unit.schema.examples import desk_of as schema_desk
from tests.unit.services.examples import APP, order
from tests.unit.store.examples import open_patient
from tests.unit.web.examples import TOKEN, identities_of, stop_now
from tests.unit.web.facade.carried import signature_of

NOW = 1_700_000_000_000
OTHER = Principal("other-app", PrincipalKind.APP)
TRADER = (
    Action.MARKET_READ,
    Action.ACCOUNT_READ,
    Action.ORDERS_PLACE,
    Action.ORDERS_CANCEL,
    Action.ORDERS_READ_ALL,
    Action.WITHDRAWALS_REQUEST,
)
LIMIT_BUY = "/v3/api/market/limit-buy"
LIMIT = {"symbol": "BTCUSDT", "price": "100", "amount": "10"}


@dataclass(frozen=True)
class Pair:
    """A pair that the gateway issued."""

    key: VirtualKey

    @property
    def api_key(self) -> str:
        return f"ngwvk{self.key.id:0>59}"

    @property
    def api_secret(self) -> str:
        return f"ngwvs{self.key.id:0>59}"


PAIR = Pair(VirtualKey("k1", APP.id, "demo", 1))
OTHER_PAIR = Pair(VirtualKey("k2", OTHER.id, "demo", 1))
PAIRS = {key_digest(pair.api_key): pair for pair in (PAIR, OTHER_PAIR)}


def granted(*actions: Action, anonymous: tuple[Action, ...] = ()) -> Policy:
    """The actions for the holders of the pairs and of the token, and those for `anonymous`."""

    def member(principal: Principal, given: tuple[Action, ...], *tokens: TokenRecord) -> Member:
        of_account = frozenset(action for action in given if action.needs_account)
        others = frozenset(given) - of_account
        grants = (Grant("market", others), Grant("trade", of_account, "demo"))
        return Member(principal, tokens, tuple(grant for grant in grants if grant.actions))

    return Policy(
        revision="1",
        accounts=(AccountRule("demo"), AccountRule("other")),
        members=(
            member(APP, actions, TokenRecord(hash_token(TOKEN))),
            member(OTHER, actions),
            member(Principal(ANONYMOUS, PrincipalKind.APP), anonymous),
        ),
        wall_ms=lambda: 0,
    )


class WallClock:
    """A time of day that passes when a test says so."""

    now = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class House:
    """A desk behind the facade, and a client of the exchange in front of it."""

    desk: Desk
    client: httpx.AsyncClient
    store: VirtualKeyStore
    parts: FacadeParts
    clock: WallClock
    stop: StopDeadline

    async def send(
        self,
        method: str,
        path: str,
        pairs: dict[str, str],
        pair: Pair = PAIR,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a signed request; `pairs` are signed as they are."""
        text = urlencode(pairs)
        signature = signature_of(text.encode(), pair.api_secret)
        address = f"{path}?{text}&signature={signature}"
        given = {"X-APNK-APIKEY": pair.api_key, **(headers or {})}
        return await self.client.request(method, address, headers=given)

    async def ask(
        self, method: str, path: str, pair: Pair = PAIR, /, **parameters: str
    ) -> dict[str, Any]:
        """The reply to a request that is signed now, by a pair."""
        pairs = {**parameters, "timestamp": str(self.clock.now)}
        return reply_of(await self.send(method, path, pairs, pair))

    async def code(self, method: str, path: str, pair: Pair = PAIR, /, **parameters: str) -> str:
        code: str = (await self.ask(method, path, pair, **parameters))["code"]
        return code

    def count(self, endpoint: str, code: str) -> float:
        labels = {"endpoint": endpoint, "code": code}
        value = self.desk.metrics.registry.get_sample_value
        return value("gateway_facade_requests_total", labels) or 0


def reply_of(response: httpx.Response) -> dict[str, Any]:
    """The reply of an exchange that is there: a JSON object, whatever it says."""
    assert response.status_code == httpx.codes.OK, response.text
    body: dict[str, Any] = json.loads(response.text, parse_float=Decimal)
    return body


@asynccontextmanager
async def house_of(
    url: str, policy: Policy | None = None, *, journal: bool = True, requests: int = 10
) -> AsyncIterator[House]:
    """A facade with its keys in the Valkey at `url`, and its journal, unless a made-up one does."""
    clock, stop = WallClock(), stop_now()
    async with (
        open_patient(url) as redis,
        schema_desk(policy or granted(*TRADER), url=url if journal else None) as desk,
    ):
        desk.exchange.answers["place"] = order("placed")
        store = await _store_of(redis)
        parts = FacadeParts(
            services=desk.services,
            identities=identities_of(lambda: desk.policy),
            virtual_keys=VirtualKeys(
                store,
                lambda digest, _entry: _opened(PAIRS[digest]),
                policy=lambda: desk.policy,
                suspended=desk.services.trading_switch.suspended,
                learn=lambda _: None,
                poll_s=60,
            ),
            replay_guard=ReplayGuard(ReplayStore(redis), LONGEST_GOOD_MS),
            kept=KeptAnswers(desk.market_data, 1_000_000),
            metrics=desk.metrics,
            under_way=UnderWay(
                desk.metrics,
                requests=requests,
                subscriptions=1,
                stopping=lambda: stop.begun,
            ),
            rates=desk.services.rates,
            server_ms=clock,
            random_bytes=os.urandom,
        )
        transport = httpx.ASGITransport(FacadeRest(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield House(desk, client, store, parts, clock, stop)


async def _store_of(redis: Redis) -> VirtualKeyStore:
    store = VirtualKeyStore(redis)
    for digest in PAIRS:
        await store.add(digest, b"sealed")
    return store


def _opened(pair: Pair) -> VirtualPair:
    return VirtualPair(pair.key, pair.api_key, pair.api_secret)
