"""Spans as a collector gets them, over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.faults.secrecy import check_log
from tests.functional.conftest import FreshService
from tests.functional.exchange import DEMO
from tests.functional.ordering import accepted
from tests.functional.service import Service
from tests.processes import eventually, free_port

CALLER = "b7ad6b7169203331"
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """Takes what is sent to /v1/traces."""

    def __init__(self) -> None:
        self.raw = b""
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        self.raw += body
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def of(self, trace: str) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with serving() as collector:
        yield collector


@contextmanager
def serving() -> Iterator[Collector]:
    collector = Collector()
    thread = Thread(target=collector.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        thread.join()
        collector.server.server_close()


def test_an_order_is_traced_from_its_caller_to_the_exchange(
    fresh_service: FreshService, collector: Collector
) -> None:
    service = fresh_service(NGW_OTLP_ENDPOINT=collector.url)
    service.http.headers["traceparent"] = f"00-{TRACE}-{CALLER}-01"
    accepted(service.caller(), "traced-1")
    expected = {
        "HTTP /graphql",
        "graphql mutation",
        "policy decide",
        "journal look",
        "journal begin",
        "journal change",
        "exchange limit-buy",
    }
    assert eventually(lambda: collector.of(TRACE).keys() >= expected)
    spans = collector.of(TRACE)
    assert spans["HTTP /graphql"].parent_span_id.hex() == CALLER
    assert spans["graphql mutation"].parent_span_id == spans["HTTP /graphql"].span_id
    assert {span.key for span in spans["graphql mutation"].attributes} == {"field"}
    assert service.metric("gateway_span_batches_total", outcome="sent") >= 1
    secrets = [DEMO.keys[0].api_secret, DEMO.keys[0].api_key, service.members["trader"].token]
    assert not [secret for secret in secrets if secret.encode() in collector.raw]
    assert b"signature" not in collector.raw.lower()


def test_a_request_s_spans_have_the_trace_id_that_it_is_told(
    fresh_service: FreshService, collector: Collector
) -> None:
    service = fresh_service(NGW_OTLP_ENDPOINT=collector.url)
    trace = service.caller().post("{ viewer { limits { name } } }").headers["x-trace-id"]
    asked = service.http.get("/v3/api/time")
    expected = {"HTTP /graphql", "graphql query"}
    assert eventually(lambda: collector.of(trace).keys() >= expected)
    facade = asked.headers["x-trace-id"]
    assert eventually(lambda: "HTTP /v3" in collector.of(facade))


def test_without_a_collector_all_goes_on_and_stops_as_ever(fresh_service: FreshService) -> None:
    service = fresh_service(NGW_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    accepted(service.caller(), "traced-2")
    assert service.readiness() == "ready"
    assert service.complaints() == []
    stop(service)


def stop(service: Service) -> None:
    service.close()
    assert service.exit_code() == 0
    check_log(service)
