"""From the settings to a running service, and back down again in the reverse order."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
import uvloop
from prometheus_client import disable_created_metrics
from pydantic import SecretStr
from stamina.instrumentation import set_on_retry_hooks

from gateway.access.candidate import CandidateFile
from gateway.access.policy_file import PolicyFile
from gateway.app.checks import build_checks, build_start_gate
from gateway.app.duties import build_duties
from gateway.app.edges import Edges, build_edges
from gateway.app.first_samples import begin_at_zero
from gateway.app.foundation import open_foundation
from gateway.app.given import Given, wall_ms
from gateway.app.loops import build_loops, record_loops
from gateway.app.stores import Stores
from gateway.app.use_cases import build_services, build_trade
from gateway.custody import (
    KeyPlaces,
    Keyring,
    configured_sources,
    read_keys,
    virtual_key_opener,
)
from gateway.custody.process_memory import keep_memory_private
from gateway.exchange import log_retry
from gateway.metrics import Metrics
from gateway.observability import LineCounter, Redactor, configure_logging
from gateway.services.audit import AuditTrail
from gateway.services.cancels import Cancels
from gateway.services.loops import kept_up
from gateway.services.orders import Orders
from gateway.settings import Settings
from gateway.stopping import StopDeadline
from gateway.tracing import Spans, open_spans
from gateway.web.health import Health
from gateway.web.http_protocol import HeadLimits
from gateway.web.routes import web_application
from gateway.web.server import DrainingServer

_log = structlog.get_logger(__name__)

_VOLATILE = (
    "NGW_JOURNAL_ACCEPT_VOLATILE is set: an order is sent before its record is sure to outlive a "
    "crash of Redis, and nobody notices when records are lost. Not for real money."
)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The running service."""

    edges: Edges
    health: Health


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises `BadPolicy` and `FaultyCredentials` when the policy file or the keys are no good.
    """
    keep_memory_private()
    redact = Redactor()
    configure_logging(settings.log_level, settings.log_format, redact)
    set_on_retry_hooks([log_retry])
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here
    metrics = Metrics()
    lines, batches = metrics.log_lines, metrics.span_batches
    logging.getLogger().addHandler(LineCounter(lambda level: lines.labels(level).inc()))
    with open_spans(
        settings.otlp_endpoint,
        share=settings.trace_share,
        on_export=lambda outcome: batches.labels(outcome).inc(),
    ) as spans:
        given = _given(settings, redact, metrics, spans)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(given))


def _given(settings: Settings, redact: Redactor, metrics: Metrics, spans: Spans) -> Given:
    places = _key_places(settings)
    sources = configured_sources(places)
    found = read_keys(sources)
    keyring = Keyring(found.keys)
    redact.learn(keyring.secrets())
    candidate = settings.policy_candidate_file
    return Given(
        settings=settings,
        key_sources=sources,
        keyring=keyring,
        open_virtual=virtual_key_opener(places),
        policy_file=PolicyFile(settings.policy_file, wall_ms),
        candidate_file=None if candidate is None else CandidateFile(candidate, wall_ms),
        metrics=metrics,
        redact=redact,
        stop=StopDeadline(settings.shutdown_grace_s, time.monotonic),
        spans=spans,
    )


def _key_places(settings: Settings) -> KeyPlaces:
    return KeyPlaces(
        folder=settings.credentials_dir,
        text=_revealed(settings.credentials),
        sealed_file=settings.keys_file,
        encryption_key_file=settings.key_encryption_key_file,
        encryption_key_text=_revealed(settings.key_encryption_key),
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


async def _serve(given: Given) -> None:
    async with open_gateway(given) as gateway:
        edges, settings = gateway.edges, given.settings
        application = web_application(
            graphql=edges.graphql,
            sockets=edges.sockets,
            rest=edges.rest,
            streams=edges.streams,
            health=gateway.health,
            allowed_origins=settings.allowed_origins,
        )
        if settings.journal_accept_volatile:
            _log.warning("journal.volatile_accepted", problem=_VOLATILE)
        _log.info("gateway.starting", host=settings.host, port=settings.port)
        server = DrainingServer(
            application,
            host=settings.host,
            port=settings.port,
            stop=given.stop,
            head=HeadLimits(settings.max_head_bytes, settings.head_timeout_s),
            opened=(edges.opened, edges.event_streams),
            health=gateway.health,
        )
        await server.serve()


@asynccontextmanager
async def open_gateway(given: Given) -> AsyncIterator[Gateway]:
    """Build every part, run its loops, and take all of it down again in the reverse order."""
    async with AsyncExitStack() as stack:
        begin_at_zero(given.metrics)
        base = await open_foundation(stack, given)
        await base.stores.look_at_server()
        # Whatever comes after this is down before the audit log ends, and so on record.
        records = record_loops(base)
        await stack.enter_async_context(kept_up(records, given.loop_failed))
        stack.push_async_callback(finish_audit, base.governance.audit, given.stop)
        trade = build_trade(stack, base)
        services = build_services(stack, trade)
        duties = build_duties(trade)
        edges = build_edges(base, services)
        stack.push_async_callback(edges.groups.aclose)
        checks = build_checks(base, services.exchange, duties)
        loops = build_loops(base, services, edges, duties)
        given.count_failures_of((*records, *loops, *duties.leaders.duties))
        await stack.enter_async_context(kept_up(loops, given.loop_failed))
        stack.push_async_callback(drain, services.orders, services.cancels, base.stores, given.stop)
        services.streams.start()
        start = build_start_gate(base)
        yield Gateway(edges, Health(checks, start, given.metrics.registry, given.redact))


async def drain(orders: Orders, cancels: Cancels, stores: Stores, stop: StopDeadline) -> None:
    """Let orders and cancels under way end, and what became of them be recorded, in the time."""
    within_s = stop.for_requests()
    with suppress(TimeoutError):
        async with asyncio.timeout(stop.for_records()):
            await asyncio.gather(orders.aclose(within_s), cancels.aclose(within_s))
            await stores.journal.caught_up()


async def finish_audit(audit: AuditTrail, stop: StopDeadline) -> None:
    """Let what is noted be written, in the time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(stop.for_records()):
            await audit.finish()
