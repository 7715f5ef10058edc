"""The exchange's side of the gateway, built from the settings."""

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from gateway.custody import Keyring
from gateway.domain.signing import LoginFrame
from gateway.exchange import (
    ExchangeClient,
    ExchangeClock,
    Feed,
    FeedCounters,
    FeedTiming,
    Timeouts,
    open_transport,
)
from gateway.observability import Metrics
from gateway.services.account_stream import AccountStream, AccountTiming
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Upstream:
    """The exchange's client, its clock, its public stream, and each account's stream."""

    exchange: ExchangeClient
    clock: ExchangeClock
    feed: Feed
    account_streams: dict[str, AccountStream]


@asynccontextmanager
async def open_upstream(
    settings: Settings,
    keyring: Keyring,
    metrics: Metrics,
    *,
    wall_ms: Callable[[], int],
    close_within: float,
) -> AsyncIterator[Upstream]:
    """Build it; its streams connect when they are run.

    `wall_ms` is the machine's time; closing a connection takes at most `close_within` seconds.
    """
    feed = partial(_feed, settings, metrics, wall_ms, close_within)
    timeouts = Timeouts(settings.exchange_connect_timeout_s, settings.exchange_read_timeout_s)
    async with open_transport(
        settings.exchange_rest_url,
        timeouts=timeouts,
        connections=settings.exchange_connections,
        close_within=close_within,
    ) as transport:
        clock = ExchangeClock(wall_ms, time.monotonic)
        exchange = ExchangeClient(
            transport,
            clock,
            post_form=settings.exchange_post_form,
            window_ms=settings.order_window_ms,
            on_call=lambda endpoint, code: metrics.upstream_requests.labels(endpoint, code).inc(),
        )
        account_streams = {
            account: AccountStream(
                account=account,
                feed=feed("account", account, keyring.login_frame(account)),
                exchange=exchange,
                sign=keyring.signer(account),
                queue_size=settings.stream_queue,
                timing=AccountTiming(linger_s=settings.feed_linger_s),
            )
            for account in keyring.accounts
        }
        yield Upstream(exchange, clock, feed("public"), account_streams)


def _feed(
    settings: Settings,
    metrics: Metrics,
    wall_ms: Callable[[], int],
    close_within: float,
    name: Literal["public", "account"],
    account: str | None = None,
    login: LoginFrame | None = None,
) -> Feed:
    return Feed(
        settings.exchange_ws_url,
        name=name if account is None else f"{name} {account}",
        wall_ms=wall_ms,
        monotonic=time.monotonic,
        rng=random.SystemRandom(),
        timing=FeedTiming(
            audit_every=settings.feed_audit_s,
            mute_after=settings.feed_mute_s,
            backoff_cap=settings.feed_backoff_cap_s,
            close_within=close_within,
        ),
        login=login,
        only_while_wanted=login is not None,
        counters=FeedCounters(
            malformed=lambda reason: metrics.feed_malformed.labels(name, reason.value).inc(),
            refused=lambda topic: metrics.feed_refusals.labels(name, topic.value).inc(),
            ended=lambda ending: metrics.feed_endings.labels(name, ending.value).inc(),
            handler_failed=lambda event: metrics.feed_handler_failures.labels(name, event).inc(),
        ),
    )
