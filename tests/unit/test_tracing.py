import asyncio
import socket

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode

from gateway.tracing import Spans, open_spans, unwatched

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


@pytest.fixture
def made() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(made: InMemorySpanExporter) -> Spans:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(made))
    return Spans(provider.get_tracer("test"))


def ended(made: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in made.get_finished_spans()}


def ids(span: ReadableSpan) -> tuple[str, str | None]:
    """Its trace's, and its parent's."""
    assert span.context is not None
    parent = None if span.parent is None else f"{span.parent.span_id:016x}"
    return f"{span.context.trace_id:032x}", parent


def test_without_a_tracer_there_are_no_spans() -> None:
    spans = Spans()
    with spans.request("request", TRACE, None) as one, spans.step("step") as two:
        assert one is two is INVALID_SPAN
    with spans.call("call") as three, unwatched("step"):
        assert three is INVALID_SPAN


def test_a_request_continues_its_caller_s_trace(spans: Spans, made: InMemorySpanExporter) -> None:
    with spans.request("request", TRACE, f"00-{TRACE}-{CALLER}-01"):
        pass
    assert ids(ended(made)["request"]) == (TRACE, CALLER)
    assert ended(made)["request"].kind is SpanKind.SERVER


def test_a_caller_who_does_not_record_is_not_recorded_here(
    spans: Spans, made: InMemorySpanExporter
) -> None:
    with spans.request("request", TRACE, f"00-{TRACE}-{CALLER}-00"), spans.step("step"):
        pass
    assert ended(made) == {}


@pytest.mark.parametrize("header", ["nonsense", f"00-{'1' * 32}-{CALLER}-01"])
def test_a_parent_of_another_trace_is_none(
    spans: Spans, made: InMemorySpanExporter, header: str
) -> None:
    with spans.request("request", TRACE, header):
        pass
    assert ids(ended(made)["request"])[1] is None


def test_steps_and_calls_lie_below_what_is_under_way(
    spans: Spans, made: InMemorySpanExporter
) -> None:
    with (
        spans.request("request", TRACE, None) as request,
        spans.step("step", action="read") as step,
        spans.call("call"),
    ):
        pass
    found = ended(made)
    assert ids(found["call"])[1] == f"{step.get_span_context().span_id:016x}"
    assert ids(found["step"])[1] == f"{request.get_span_context().span_id:016x}"
    assert dict(found["step"].attributes or {}) == {"action": "read"}
    assert found["call"].kind is SpanKind.CLIENT


def test_a_step_of_no_request_has_no_span(spans: Spans, made: InMemorySpanExporter) -> None:
    with spans.step("step"), spans.call("call"):
        pass
    assert ended(made) == {}


@pytest.mark.anyio
async def test_what_outlives_its_request_has_no_spans_after_it(
    spans: Spans, made: InMemorySpanExporter
) -> None:
    over = asyncio.Event()

    async def later() -> None:
        await over.wait()
        with spans.step("late"):
            pass

    with spans.request("request", TRACE, None):
        task = asyncio.create_task(later())
    over.set()
    await task
    assert ended(made).keys() == {"request"}


def test_a_failure_is_told_by_its_kind_and_never_by_its_words(
    spans: Spans, made: InMemorySpanExporter
) -> None:
    with (
        pytest.raises(LookupError),
        spans.request("request", TRACE, None),
        spans.step("step"),
    ):
        raise LookupError("signature=secret")
    step = ended(made)["step"]
    assert (step.status.status_code, step.status.description) == (StatusCode.ERROR, "LookupError")
    assert step.events == ()
    assert "secret" not in step.to_json()


def test_without_an_endpoint_none_are_sent() -> None:
    with open_spans(None, share=1, on_export=print) as spans:
        assert spans.request("request", TRACE, None).__enter__() is INVALID_SPAN


def test_a_collector_that_never_answers_is_not_waited_for() -> None:
    outcomes: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with (
            open_spans(endpoint, share=1, on_export=outcomes.append) as spans,
            spans.request("request", TRACE, None) as span,
        ):
            assert f"{span.get_span_context().trace_id:032x}" == TRACE
    assert outcomes == []  # neither sent nor given up yet


def test_of_no_share_nothing_is_recorded_but_what_a_caller_records() -> None:
    with open_spans("http://127.0.0.1:9", share=0, on_export=print) as spans:
        with spans.request("request", TRACE, None) as span:
            assert not span.is_recording()
        with spans.request("request", TRACE, f"00-{TRACE}-{CALLER}-01") as span:
            assert span.is_recording()
