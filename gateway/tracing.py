"""Spans of requests, by OpenTelemetry: what was done, in which order, and how long it took.

Names and attributes come from closed sets, as metrics' labels do: no text of a caller, no address,
no message of an exception.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from threading import Thread
from typing import TypeAlias

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Watch: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Gives what a step of this name runs in; the names are a closed set."""

__all__ = ["Span", "Spans", "Watch", "open_spans", "unwatched"]

_OFF = nullcontext(INVALID_SPAN)
_CLOSE_WITHIN_S = 1.0
_EXPORT_WITHIN_S = 5.0
_trace: ContextVar[int | None] = ContextVar("trace", default=None)


def unwatched(_step: str) -> AbstractContextManager[None]:
    """Nobody looks."""
    return nullcontext()


class Spans:
    """Makes spans with `tracer`; without one it makes none, and costs next to nothing."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer

    def request(
        self, name: str, trace: str, traceparent: str | None
    ) -> AbstractContextManager[Span]:
        """The span of a request of the trace id `trace` (hex).

        Its caller's span is its parent, where `traceparent` (W3C Trace Context) names one.
        """
        if self._tracer is None:
            return _OFF
        return _request(self._tracer, name, trace, traceparent)

    def step(self, name: str, **attributes: str) -> AbstractContextManager[Span]:
        """The span of a step of the request that is under way; none where none is, or is recorded.

        What a request has begun and outlives it, such as a subscription, is part of it no more.
        """
        if self._tracer is None or not get_current_span().is_recording():
            return _OFF
        return _ended(self._tracer.start_span(name, attributes=attributes))

    def call(self, name: str) -> AbstractContextManager[Span]:
        """The same, of a step for which something outside of the process is asked."""
        if self._tracer is None or not get_current_span().is_recording():
            return _OFF
        return _ended(self._tracer.start_span(name, kind=SpanKind.CLIENT))


@contextmanager
def _request(tracer: Tracer, name: str, trace: str, traceparent: str | None) -> Iterator[Span]:
    before = _trace.set(int(trace, 16))
    try:
        with _ended(tracer.start_span(name, _caller(trace, traceparent), SpanKind.SERVER)) as span:
            yield span
    finally:
        _trace.reset(before)


def _caller(trace: str, traceparent: str | None) -> Context:
    if traceparent is None:
        return Context()
    carrier = {"traceparent": traceparent}
    found = TraceContextTextMapPropagator().extract(carrier, Context())
    same = get_current_span(found).get_span_context().trace_id == int(trace, 16)
    return found if same else Context()


@contextmanager
def _ended(span: Span) -> Iterator[Span]:
    # An exception's message is nobody's business but the log's, where it is redacted.
    with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextmanager
def open_spans(
    endpoint: str | None, *, share: float, on_export: Callable[[str], None]
) -> Iterator[Spans]:
    """Send the spans of a `share` (0 to 1) of all requests to `endpoint`, by OTLP over HTTP.

    A request that comes with a `traceparent` is recorded if its caller's is. Without an endpoint
    there are no spans. They are sent in batches by a thread of its own; `on_export` is told of each
    batch: sent or failed. Nothing waits for the collector but the end, for a second.
    """
    if endpoint is None:
        yield Spans()
        return
    # Loaded only where they are used: they take time at the start, and memory.
    from gateway.tracing_otlp import provider_of  # noqa: PLC0415

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    provider = provider_of(endpoint, share, _EXPORT_WITHIN_S, _trace.get, on_export)
    try:
        yield Spans(provider.get_tracer("gateway"))
    finally:
        closing = Thread(target=provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_WITHIN_S)
