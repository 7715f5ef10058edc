"""The exchange's side of the gateway, built from the settings."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from gateway.app.given import Given, wall_ms
from gateway.app.governance import Governance
from gateway.custody import Keyring
from gateway.domain.audit import GATEWAY, AuditEvent, AuditKind
from gateway.domain.errors import GatewayError, UnknownAccount
from gateway.domain.key_errors import NoKey
from gateway.domain.signing import LoginFrame, Purpose
from gateway.exchange import (
    ExchangeClient,
    ExchangeClock,
    Feed,
    FeedCounters,
    FeedTiming,
    Timeouts,
    open_transport,
)
from gateway.services.account_stream import AccountStream, AccountTiming
from gateway.services.account_streams import AccountStreams
from gateway.services.key_rotation import KeyRefusals
from gateway.services.signed_reads import SignedReads

_CANCEL = "cancel-order"


@dataclass(frozen=True, slots=True)
class Upstream:
    """The exchange's client, its clock, its public stream, and the accounts' streams and reads."""

    exchange: ExchangeClient
    clock: ExchangeClock
    feed: Feed
    reads: SignedReads
    account_streams: AccountStreams


@asynccontextmanager
async def open_upstream(given: Given, governance: Governance) -> AsyncIterator[Upstream]:
    """Build it; its streams connect when they are run."""
    settings, keyring = given.settings, given.keyring
    timeouts = Timeouts(settings.exchange_connect_timeout_s, settings.exchange_read_timeout_s)
    async with open_transport(
        settings.exchange_rest_url,
        timeouts=timeouts,
        connections=settings.exchange_connections,
        close_within=given.stop.for_closing,
        on_too_many=governance.back_off.hit,
        watch=given.watch("exchange", given.metrics.upstream_seconds),
    ) as transport:
        clock = ExchangeClock(wall_ms, time.monotonic)
        metrics = given.metrics
        exchange = ExchangeClient(
            transport,
            clock,
            post_form=settings.exchange_post_form,
            window_ms=settings.order_window_ms,
            on_call=lambda endpoint, code: metrics.upstream_requests.labels(endpoint, code).inc(),
            on_refused=KeyRefusals(keyring, governance.audit.note),
            gate=lambda endpoint: governance.back_off.check(cancel=endpoint == _CANCEL),
        )
        reads = SignedReads(keyring.signer, governance.rates, governance.audit)

        def open_stream(account: str) -> AccountStream:
            return AccountStream(
                account=account,
                feed=_feed(given, "account", account, _recorded_login(given, governance, account)),
                exchange=exchange,
                reads=reads,
                queue_size=settings.stream_queue,
                timing=AccountTiming(linger_s=settings.feed_linger_s),
                exchange_now=clock.now,
            )

        streams = AccountStreams(open_stream, partial(_no_stream, keyring))
        streams.set_accounts(keyring.readable)
        yield Upstream(exchange, clock, _feed(given, "public"), reads, streams)


def _no_stream(keyring: Keyring, account: str) -> GatewayError:
    """Why an account has no stream: to withdraw from it, or to read it, are keys of their own."""
    if account in keyring.accounts:
        return NoKey(account, Purpose.READ)
    return UnknownAccount(account)


def _recorded_login(given: Given, governance: Governance, account: str) -> LoginFrame:
    """A login is a signed call too, and its frame is a credential: each one goes on record."""
    sign = given.keyring.login_frame(account)

    def login() -> str:
        frame = sign()
        event = AuditEvent(
            kind=AuditKind.LOGIN,
            principal=GATEWAY,
            account=account,
            action="USER_STREAMS",
            outcome="SENDING",
            detail={"key": str(given.keyring.reading_key(account))},
        )
        governance.audit.note(event)
        return frame

    return login


def _feed(
    given: Given,
    name: Literal["public", "account"],
    account: str | None = None,
    login: LoginFrame | None = None,
) -> Feed:
    settings, metrics = given.settings, given.metrics
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
            close_within=given.stop.for_closing,
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
