"""OpenTelemetry's own machinery: trace ids, sampling, batches, OTLP over HTTP."""

from collections.abc import Callable, Sequence

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased


def provider_of(
    endpoint: str,
    share: float,
    within_s: float,
    trace: Callable[[], int | None],
    on_export: Callable[[str], None],
) -> TracerProvider:
    """Make spans whose trace id is `trace`'s, and send them to `endpoint`/v1/traces."""
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(share)),
        resource=Resource.create({"service.name": "narkasa-gateway"}),
        id_generator=_Ids(trace),
        shutdown_on_exit=False,
    )
    session = requests.Session()
    session.trust_env = False
    address = f"{endpoint.rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=address, timeout=within_s, session=session)
    provider.add_span_processor(BatchSpanProcessor(_Counted(exporter, on_export)))
    return provider


class _Ids(RandomIdGenerator):
    """Trace ids are those of the logs."""

    def __init__(self, trace: Callable[[], int | None]) -> None:
        self._trace = trace

    def generate_trace_id(self) -> int:
        """The request's, or a new one."""
        return self._trace() or super().generate_trace_id()


class _Counted(SpanExporter):
    """Tells what becomes of each batch."""

    def __init__(self, exporter: SpanExporter, on_export: Callable[[str], None]) -> None:
        self._exporter = exporter
        self._on_export = on_export

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = self._exporter.export(spans)
        self._on_export("sent" if result is SpanExportResult.SUCCESS else "failed")
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._exporter.shutdown()
