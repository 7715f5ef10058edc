from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus

from gateway.access.policy import Action
from gateway.custody import key_digest
from gateway.services.account_stream import ACCOUNT
from gateway.services.streams import ALL_TICKERS
from tests.unit.services.examples import trade
from tests.unit.web.examples import TOKEN
from tests.unit.web.facade.houses import OTHER_PAIR, PAIR, TRADER, granted
from tests.unit.web.facade.streaming import (
    ALL,
    LIMITS,
    PAGE,
    TRADE,
    TRADES,
    done,
    not_done,
    streams_of,
)
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

BEARER = {"authorization": f"Bearer {TOKEN}", "x_gateway_account": "demo"}
NOBODY_ELSE = granted(*TRADER)
"""The holders of pairs and tokens may do everything, and nobody else anything."""


async def test_a_program_and_an_allowed_page_may_connect_and_another_page_may_not(
    valkey: ValkeyServer,
) -> None:
    async with streams_of(valkey.url) as streams:
        for headers in ({}, {"origin": PAGE}):
            async with streams.client(**headers) as client:
                await client.subscribe(TRADE)
        for origin in ("https://evil.example.com", "null", PAGE + ".evil.example.com"):
            with capture_logs() as lines, pytest.raises(InvalidStatus):
                async with streams.client(origin=origin):
                    pass
            assert ["NGW_ALLOWED_ORIGINS" in line["problem"] for line in lines] == [True]


async def test_a_token_reads_markets_and_follows_the_account_that_is_named_beside_it(
    valkey: ValkeyServer,
) -> None:
    async with (
        streams_of(valkey.url, NOBODY_ELSE, live=(TRADES, ACCOUNT)) as streams,
        streams.client(**BEARER) as client,
    ):
        await client.subscribe(TRADE)
        assert await client.ask("USER_STREAMS") == done("USER_STREAMS")


async def test_subscriptions_are_counted_with_accounts_and_over_all_connections(
    valkey: ValkeyServer,
) -> None:
    live = (ALL_TICKERS, TRADES, ACCOUNT)
    async with streams_of(valkey.url, NOBODY_ELSE, live=live) as streams:
        assert streams.told() == 0
        async with streams.client(**BEARER) as client, streams.client(**BEARER) as other:
            await client.subscribe(TRADE, ALL)
            assert await client.ask("USER_STREAMS") == done("USER_STREAMS")
            await other.subscribe(TRADE)
            assert streams.told() == 4
            await other.ask("UNSUBSCRIBE", TRADE)
            assert streams.told() == 3
        await streams.has(0)
        assert streams.told() == 0


@pytest.mark.parametrize("account", ["other", "nobody's", ""])
async def test_a_token_follows_no_account_that_it_may_not_read(
    valkey: ValkeyServer, account: str
) -> None:
    headers = {**BEARER, "x_gateway_account": account}
    async with (
        streams_of(valkey.url, NOBODY_ELSE, live=(ACCOUNT,)) as streams,
        streams.client(**headers) as client,
    ):
        refused = not_done("Unauthorized Access", "USER_STREAMS")
        assert await client.ask("USER_STREAMS") == refused


@pytest.mark.parametrize("token", ["Bearer made-up", "Basic abc", "", "Bearer "])
async def test_a_token_that_proves_nothing_opens_no_connection(
    valkey: ValkeyServer, token: str
) -> None:
    async with streams_of(valkey.url) as streams:
        with pytest.raises(InvalidStatus):
            async with streams.client(authorization=token):
                pass


async def test_connections_that_ask_for_something_are_bounded(valkey: ValkeyServer) -> None:
    async with (
        streams_of(valkey.url, most=1) as streams,
        streams.client() as second,
        streams.client() as first,
    ):
        await first.subscribe(TRADE)
        await second.send(method="SUBSCRIBE", params=[TRADE])
        assert await second.closed() == 1013
        async with streams.client() as third:
            assert await third.closed() == 1013
        await first.hears_nothing()


async def test_the_connections_of_one_principal_are_bounded_and_others_are_not_kept_out(
    valkey: ValkeyServer,
) -> None:
    async with (
        streams_of(valkey.url, most_of_principal=1, live=(TRADES, ACCOUNT)) as streams,
        streams.client() as first,
        streams.client() as second,
        streams.client() as third,
    ):
        await first.log_in()
        await third.log_in(OTHER_PAIR)
        await second.subscribe(TRADE)
        await second.send_login()
        assert await second.closed() == 1013
        await first.hears_nothing()


async def test_those_who_were_silent_longest_make_room_for_who_comes_now(
    valkey: ValkeyServer,
) -> None:
    async with (
        streams_of(valkey.url, most_waiting=2) as streams,
        streams.client() as asking,
    ):
        await asking.subscribe(TRADE)
        async with (
            streams.client() as silent,
            streams.client() as later,
            streams.client() as newcomer,
        ):
            assert await silent.closed() == 1013
            for client in (newcomer, later, asking):
                await client.hears_nothing()


async def test_a_key_that_is_revoked_closes_its_connections_and_no_others(
    valkey: ValkeyServer,
) -> None:
    async with (
        streams_of(valkey.url, live=(ACCOUNT, TRADES)) as streams,
        streams.client() as client,
        streams.client() as other,
        streams.client() as anybody,
    ):
        await client.log_in()
        await other.log_in(OTHER_PAIR)
        await anybody.subscribe(TRADE)
        await streams.opened.recheck()
        await streams.house.store.remove(key_digest(PAIR.api_key))
        refused = not_done("Unauthorized Access", "USER_STREAMS")
        assert await anybody.log_in() == refused
        await streams.opened.recheck()
        assert await client.closed() == 1008
        await other.hears_nothing()
        await anybody.hears_nothing()


async def test_a_principal_that_is_suspended_loses_its_connections(valkey: ValkeyServer) -> None:
    async with (
        streams_of(valkey.url, live=(ACCOUNT,)) as streams,
        streams.client() as client,
        streams.client() as other,
    ):
        await client.log_in()
        await other.log_in(OTHER_PAIR)
        streams.house.desk.watch.switch.suspends = frozenset({PAIR.key.principal})
        await streams.opened.recheck()
        assert await client.closed() == 1008
        await other.hears_nothing()


async def test_what_the_policy_grants_no_more_closes_who_had_it(valkey: ValkeyServer) -> None:
    async with (
        streams_of(valkey.url, live=(ACCOUNT, TRADES)) as streams,
        streams.client() as reader,
        streams.client() as follower,
        streams.client() as both,
    ):
        await reader.subscribe(TRADE)
        await follower.log_in()
        await both.log_in()
        await both.subscribe(TRADE)
        streams.house.desk.policy = granted(Action.ACCOUNT_READ)
        await streams.opened.recheck()
        assert (await reader.closed(), await both.closed()) == (1008, 1008)
        await follower.hears_nothing()
        streams.house.desk.policy = granted(Action.MARKET_READ)
        await streams.opened.recheck()
        assert await follower.closed() == 1008


async def test_who_subscribed_as_anybody_keeps_that_after_it_has_logged_in(
    valkey: ValkeyServer,
) -> None:
    policy = granted(Action.ACCOUNT_READ, anonymous=(Action.MARKET_READ,))
    async with (
        streams_of(valkey.url, policy, live=(ACCOUNT, TRADES)) as streams,
        streams.client() as client,
    ):
        await client.subscribe(TRADE)
        await client.log_in()
        await streams.opened.recheck()
        streams.tell(TRADES, trade(1))
        assert (await client.hear())["type"] == "trade"
        refused = not_done("API is not allowed to this action", "SUBSCRIBE")
        assert await client.ask("SUBSCRIBE", ALL) == refused


async def test_a_peer_that_reads_nothing_holds_up_no_other_s_end(valkey: ValkeyServer) -> None:
    many = replace(LIMITS, outbox=10_000)
    async with streams_of(valkey.url, limits=many) as streams, streams.client() as client:
        await client.subscribe(TRADE)
        async with streams.client() as deaf:
            await deaf.subscribe(TRADE)
            deaf.connection.transport.pause_reading()
            streams.tell(TRADES, *[trade(number) for number in range(9_000)])
            streams.house.desk.policy = NOBODY_ELSE
            await streams.opened.recheck()
            assert await client.closed() == 1008
            await streams.has(0)
            deaf.connection.transport.abort()


async def test_draining_closes_all_and_lets_nobody_in(valkey: ValkeyServer) -> None:
    async with (
        streams_of(valkey.url, live=(ALL_TICKERS,)) as streams,
        streams.client() as idle,
        streams.client() as client,
    ):
        await client.subscribe(ALL)
        await streams.opened.drain(streams.house.stop)
        assert (await idle.closed(), await client.closed()) == (1001, 1001)
        async with streams.client() as late:
            assert await late.closed() == 1013


async def test_neither_key_nor_signature_is_logged_whoever_they_are_of(
    valkey: ValkeyServer,
) -> None:
    with capture_logs() as lines:
        async with (
            streams_of(valkey.url, live=(ACCOUNT,)) as streams,
            streams.client() as client,
        ):
            await client.log_in()
            await client.log_in(signature="0" * 63 + "1")
            await client.log_in(apiKey="a-key-of-nobody-at-all")
        said = repr(lines) + repr(streams.house.desk.watch.audit.events)
    for secret in (PAIR.api_key, PAIR.api_secret, "0" * 63, "a-key-of-nobody"):
        assert secret not in said
