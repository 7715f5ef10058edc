"""The composition root: builds every part once, keeps the loops running, drains at the end."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
import uvloop
from stamina.instrumentation import set_on_retry_hooks

from gateway.access.policy import Policy
from gateway.access.policy_file import PolicyFile
from gateway.custody import Keyring, load_keyring
from gateway.exchange import log_retry
from gateway.observability import Metrics, Redactor, configure_logging
from gateway.schema import build_schema
from gateway.schema.context import Services
from gateway.schema.documents import Documents
from gateway.schema.execution import Execution
from gateway.schema.limits import DocumentLimits
from gateway.schema.operation_groups import OperationGroups
from gateway.services.account_stream import AccountStream
from gateway.services.accounts import Accounts
from gateway.services.exchange_status import ExchangeStatus
from gateway.services.loops import Loop, kept_up
from gateway.services.market_data import MarketData
from gateway.services.market_memory import MarketMemory
from gateway.services.orders import Orders
from gateway.services.streams import StreamHub
from gateway.settings import Settings
from gateway.stopping import StopDeadline, settle
from gateway.store.breaker import Breaker
from gateway.store.journal import OrderJournal
from gateway.store.market_cache import MarketCache
from gateway.store.redis import open_redis
from gateway.upstream import Upstream, open_upstream
from gateway.web.graphql_http import GraphQLOverHttp
from gateway.web.graphql_ws import SocketLimits
from gateway.web.health import Check, Health
from gateway.web.http_protocol import HeadLimits
from gateway.web.kept_answers import KeptAnswers
from gateway.web.parts import GraphQLParts
from gateway.web.routes import web_application
from gateway.web.server import DrainingServer
from gateway.web.sockets import Sockets
from gateway.web.under_way import UnderWay

_log = structlog.get_logger(__name__)

_DAY_MS = 86_400_000
_REDIS_CONNECTIONS = 32
_REDIS_WATCH_S = 2.0


def wall_ms() -> int:
    """The machine's time in ms since the Unix epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Given:
    """What everything is built from."""

    settings: Settings
    keyring: Keyring
    policy_file: PolicyFile
    metrics: Metrics
    stop: StopDeadline

    def policy(self) -> Policy:
        """The policy in force."""
        return self.policy_file.current


@dataclass(frozen=True, slots=True)
class Stores:
    """The Redis side."""

    cache: MarketCache
    journal: OrderJournal


@dataclass(frozen=True, slots=True)
class Gateway:
    """The running service."""

    graphql: GraphQLOverHttp
    sockets: Sockets
    health: Health


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises `BadPolicy` and `FaultyCredentials` when the policy file or the credentials are no good.
    """
    redact = Redactor()
    configure_logging(settings.log_level, settings.log_format, redact)
    set_on_retry_hooks([log_retry])
    given = Given(
        settings=settings,
        keyring=_keyring(settings, redact),
        policy_file=PolicyFile(settings.policy_file, wall_ms),
        metrics=Metrics(),
        stop=StopDeadline(settings.shutdown_grace_s, time.monotonic),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(given))


def _keyring(settings: Settings, redact: Redactor) -> Keyring:
    text = settings.credentials.get_secret_value() if settings.credentials else None
    loaded = load_keyring(settings.credentials_dir, text)
    redact.learn(loaded.keyring.secrets())
    for warning in loaded.warnings:
        _log.warning("credentials.exposed", problem=warning)
    return loaded.keyring


async def _serve(given: Given) -> None:
    async with open_gateway(given) as gateway:
        application = web_application(
            graphql=gateway.graphql,
            sockets=gateway.sockets,
            health=gateway.health,
            allowed_origins=given.settings.allowed_origins,
        )
        _log.info("gateway.starting", host=given.settings.host, port=given.settings.port)
        server = DrainingServer(
            application,
            host=given.settings.host,
            port=given.settings.port,
            stop=given.stop,
            head=HeadLimits(given.settings.max_head_bytes, given.settings.head_timeout_s),
            sockets=gateway.sockets,
            health=gateway.health,
        )
        await server.serve()


@asynccontextmanager
async def open_gateway(given: Given) -> AsyncIterator[Gateway]:
    """Build every part, run its loops, and take all of it down again in the reverse order."""
    settings = given.settings
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(
            open_upstream(
                settings,
                given.keyring,
                given.metrics,
                wall_ms=wall_ms,
                close_within=given.stop.for_closing,
            )
        )
        stores = await _stores(stack, given)
        services = _services(given, upstream, stores)
        for part in (services.accounts, services.streams):
            stack.push_async_callback(part.aclose)
        gateway, groups = _edges(given, upstream, stores, services)
        stack.push_async_callback(groups.aclose)
        loops = _loops(given, upstream, stores, services, gateway)
        await stack.enter_async_context(kept_up(loops))
        stack.push_async_callback(settle, services.orders, stores.journal, given.stop)
        services.streams.start()
        yield gateway


async def _stores(stack: AsyncExitStack, given: Given) -> Stores:
    settings, metrics = given.settings, given.metrics
    open_with = partial(
        open_redis,
        connect_timeout=settings.redis_timeout_s,
        command_timeout=settings.redis_timeout_s,
        max_connections=_REDIS_CONNECTIONS,
    )
    cache = MarketCache(
        await stack.enter_async_context(open_with(settings.cache_redis_url.get_secret_value())),
        breaker=Breaker(failures=3, pause_s=1.0, clock=time.monotonic),
        count=lambda fault: metrics.cache_failures.labels(fault.value).inc(),
        wall_ms=wall_ms,
    )
    journal = OrderJournal(
        await stack.enter_async_context(open_with(settings.state_redis_url.get_secret_value())),
        keep_ms=settings.journal_retention_days * _DAY_MS,
        spool_limit=settings.journal_spool,
    )
    metrics.journal_spooled.set_function(journal.pending)
    metrics.journal_problem.set_function(lambda: journal.problem is not None)
    return Stores(cache, journal)


def _market_data(given: Given, upstream: Upstream, stores: Stores) -> MarketData:
    settings = given.settings
    memory = MarketMemory(lifetime=settings.lifetime, now=wall_ms, capacity=settings.cache_rows)
    return MarketData(
        exchange=upstream.exchange,
        cache=stores.cache,
        memory=memory,
        lifetime=settings.lifetime,
        now=wall_ms,
        metrics=given.metrics,
    )


def _services(given: Given, upstream: Upstream, stores: Stores) -> Services:
    settings, keyring = given.settings, given.keyring
    market_data = _market_data(given, upstream, stores)
    accounts = Accounts(
        policy=given.policy,
        signers={account: keyring.signer(account) for account in keyring.accounts},
        exchange=upstream.exchange,
        streams=upstream.account_streams,
    )
    return Services(
        market_data=market_data,
        streams=StreamHub(
            feed=upstream.feed,
            market_data=market_data,
            queue_size=settings.stream_queue,
            linger_s=settings.feed_linger_s,
            now=wall_ms,
        ),
        accounts=accounts,
        orders=Orders(
            accounts=accounts,
            market_data=market_data,
            journal=stores.journal,
            exchange=upstream.exchange,
            now=wall_ms,
            random_bytes=os.urandom,
            lease_ms=int(settings.order_lease_s * 1000),
            metrics=given.metrics,
        ),
        exchange=ExchangeStatus(upstream.exchange, upstream.clock, upstream.feed, wall_ms),
        policy=given.policy,
        now=wall_ms,
    )


def _edges(
    given: Given, upstream: Upstream, stores: Stores, services: Services
) -> tuple[Gateway, OperationGroups]:
    settings, metrics = given.settings, given.metrics
    schema = build_schema()
    execution = Execution(schema)
    parts = GraphQLParts(
        services=services,
        documents=Documents(schema, DocumentLimits.of(settings), settings.document_entries),
        execution=execution,
        groups=OperationGroups(execution, metrics),
        metrics=metrics,
        under_way=UnderWay(
            metrics,
            requests=settings.max_requests,
            subscriptions=settings.max_subscriptions_per_principal,
        ),
        random_bytes=os.urandom,
    )
    gateway = Gateway(
        graphql=GraphQLOverHttp(
            parts,
            KeptAnswers(services.market_data, settings.answer_bytes),
            max_body=settings.max_body_bytes,
        ),
        sockets=Sockets(
            parts,
            SocketLimits(
                init_s=settings.connection_init_s,
                subscriptions=settings.max_subscriptions_per_connection,
                outbox=settings.stream_queue,
            ),
            allowed_origins=settings.allowed_origins,
            most=settings.max_connections,
            most_waiting=settings.max_waiting_connections,
            most_of_principal=settings.max_connections_per_principal,
        ),
        health=Health(_checks(given, upstream, stores, services.exchange), metrics.registry),
    )
    return gateway, parts.groups


def _checks(
    given: Given, upstream: Upstream, stores: Stores, exchange: ExchangeStatus
) -> dict[str, Check]:
    feed = upstream.feed
    given.metrics.policy_refused.set_function(lambda: given.policy_file.problem is not None)
    given.metrics.exchange_answers.set_function(lambda: exchange.problem is None)
    given.metrics.feed_connected.labels("public").set_function(lambda: feed.state.connected)
    return {
        "policy": lambda: given.policy_file.problem,
        **_account_checks(given, upstream.account_streams),
        "cache": lambda: None if stores.cache.available else "the cache Redis is away",
        "journal": lambda: stores.journal.problem,
        "exchange": lambda: exchange.problem,
        "feed": lambda: None if feed.state.connected else "the exchange's stream is not connected",
        "clock": lambda: None if upstream.clock.now() else "the exchange's time is not known",
    }


def _account_checks(given: Given, streams: dict[str, AccountStream]) -> dict[str, Check]:
    def unusable() -> str | None:
        missing = set(given.policy().accounts).difference(given.keyring.accounts)
        return f"no credentials for {', '.join(sorted(missing))}" if missing else None

    def refused() -> str | None:
        names = [account for account, stream in streams.items() if stream.login_refused]
        return f"the exchange refuses the stream of {', '.join(names)}" if names else None

    def unread() -> str | None:
        problems = [
            f"{account} cannot be read: {stream.problem}"
            for account, stream in streams.items()
            if stream.problem
        ]
        return "; ".join(problems) or None

    for account, stream in streams.items():
        login = given.metrics.feed_login_refused.labels(account)
        login.set_function(partial(getattr, stream, "login_refused"))
        reading = given.metrics.account_unread.labels(account)
        reading.set_function(partial(_is_unread, stream))
    return {"accounts": unusable, "logins": refused, "streams": unread}


def _is_unread(stream: AccountStream) -> bool:
    return stream.problem is not None


def _loops(
    given: Given, upstream: Upstream, stores: Stores, services: Services, gateway: Gateway
) -> dict[str, Loop]:
    settings = given.settings

    async def follow_policy() -> None:
        await given.policy_file.watch(settings.policy_reload_s, lambda _: None)

    async def recheck_sockets() -> None:
        while True:
            await asyncio.sleep(settings.policy_reload_s)
            await gateway.sockets.recheck()

    return {
        "journal": stores.journal.run,
        "journal-watch": lambda: stores.journal.watch(_REDIS_WATCH_S),
        "cache-watch": lambda: stores.cache.watch(_REDIS_WATCH_S),
        "market-data": services.market_data.run,
        "feed": lambda: upstream.feed.run(services.streams.receive),
        **{f"account-{name}": stream.run for name, stream in upstream.account_streams.items()},
        "policy": follow_policy,
        "exchange": lambda: services.exchange.follow(settings.clock_sync_s),
        "sockets": recheck_sockets,
    }
