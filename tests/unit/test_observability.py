import base64
import io
import json
import logging
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.observability import (
    REDACTED,
    LineCounter,
    Redactor,
    bind_trace,
    configure_logging,
    trace_id,
)

SECRET = 's3cr3t/with+odd="chars"&é%'
PLAIN = "0123456789abcdefghijklmnopqrstuv"
TRACE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The process's log, redacted, with the two secrets known; put back as it was afterwards."""
    root, known = logging.getLogger(), dict(logging.Logger.manager.loggerDict)
    handlers, level = root.handlers, root.level
    levels = {each: each.level for each in known.values() if isinstance(each, logging.Logger)}
    structure = structlog.get_config()
    redact = Redactor()
    redact.learn([SECRET, PLAIN, ""])
    stream = io.StringIO()
    configure_logging("DEBUG", "json", redact, stream)
    yield stream
    structlog.configure(**structure)
    root.handlers = handlers
    root.setLevel(level)
    for name in ("httpx", "httpcore", "aiohttp", "websockets", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    for logger, before in levels.items():
        logger.setLevel(before)


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_lines_that_are_a_warning_or_worse_are_counted_by_their_level() -> None:
    counted: list[str] = []
    counter = LineCounter(counted.append)
    for level in (logging.INFO, logging.WARNING, 35, logging.ERROR, logging.CRITICAL):
        record = logging.LogRecord("any", level, "file", 1, "text", None, None)
        if level >= counter.level:
            counter.handle(record)
    assert counted == ["warning", "warning", "error", "critical"]


FORMS = {
    "as it stands": SECRET,
    "as JSON": json.dumps(SECRET),
    "as ASCII JSON in JSON": json.dumps({"text": json.dumps({"key": PLAIN})}),
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded in lower case": re.sub(
        "%..", lambda code: code[0].lower(), quote(SECRET, safe="")
    ),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "URL-safe base64": base64.urlsafe_b64encode(SECRET.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_known_secret_is_found_in_each_of_its_forms(form: str, log: io.StringIO) -> None:
    structlog.get_logger("test").info("said", text=f"before {form} after")
    text = log.getvalue()
    assert REDACTED in text
    assert "s3cr3t" not in text
    assert PLAIN not in text
    assert FORMS["base64"].rstrip("=") not in text
    assert FORMS["URL-safe base64"].rstrip("=") not in text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET /v3/api/x?timestamp=1&signature=abcdef012345 HTTP/1.1", "abcdef012345"),
        ('{"method": "USER_STREAMS", "signature": "abcdef012345"}', "abcdef012345"),
        ("{'signature': 'abcdef012345', 'x': 1}", "abcdef012345"),
        (json.dumps({"a": json.dumps({"signature": "abcdef012345"})}), "abcdef012345"),
        ("Authorization: Bearer abcdef012345", "abcdef012345"),
        ("redis://:abcdef012345@redis:6379/0", "abcdef012345"),
        ("https://user:abcdef012345@host/", "abcdef012345"),
        ("unix:///run/redis.sock?password=abcdef012345&db=0", "abcdef012345"),
        ("a token such as ngw_abcdef0123456789abcdef in words", "abcdef0123456789abcdef"),
        ("the secret ngwvsAbcdef0123456789Abcdef of a pair", "Abcdef0123456789Abcdef"),
        ("a JWT, eyJhbGciOiJub25lIn0.eyJzdWIiOiJkZXNrIn0.c2lnbmVk, in words", "c2lnbmVk"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_unknown_as_it_is(
    text: str, hidden: str, log: io.StringIO
) -> None:
    logging.getLogger("library").warning("said: %s", text)
    logging.getLogger("library").warning("object", extra={"told": text})
    assert hidden not in log.getvalue()
    assert log.getvalue().count(REDACTED) >= 2
    lines(log)


def test_tracebacks_of_nested_errors_are_redacted_and_show_no_local_variables(
    log: io.StringIO,
) -> None:
    held = "a-local-variable-" + "x" * 3

    def send() -> None:
        message = f"could not send {SECRET} of {len(held)}"
        raise ValueError(message)

    def fail() -> None:
        try:
            send()
        except ValueError as inner:
            outer = f"signature={PLAIN}"
            raise RuntimeError(outer) from inner

    try:
        fail()
    except RuntimeError:
        structlog.get_logger("test").exception("failed")
        logging.getLogger("library").exception("failed too")
    text = log.getvalue()
    assert "ValueError" in text
    assert "RuntimeError" in text
    for secret in ("s3cr3t", PLAIN, held):
        assert secret not in text
    assert len(lines(log)) == 2


@given(st.text(st.characters(codec="utf-8")))
def test_a_line_without_secrets_is_left_as_it_is(text: str) -> None:
    redact = Redactor()
    redact.learn([SECRET])
    harmless = text.replace("=", "").replace(":", "").replace("ngw", "").replace("earer", "")
    if "s3cr3t" not in harmless:
        assert redact(harmless) == harmless


def test_without_known_secrets_nothing_is_taken_for_one() -> None:
    redact = Redactor()
    redact.learn([""])
    assert redact("order.ended placement=demo.1") == "order.ended placement=demo.1"


@pytest.mark.parametrize(
    "name",
    [
        "httpx", "httpcore.http11", "aiohttp.client", "websockets.client", "uvicorn.error",
        "asyncio",
    ],
)  # fmt: skip
def test_the_libraries_that_log_addresses_are_silent_below_warning(
    name: str, log: io.StringIO
) -> None:
    logging.getLogger(name).info("a whole frame")
    logging.getLogger(name).debug("a whole frame")
    assert log.getvalue() == ""
    logging.getLogger(name).warning("trouble")
    assert [line["event"] for line in lines(log)] == ["trouble"]


def test_a_line_is_a_json_object_with_its_trace_id(log: io.StringIO) -> None:
    with bind_trace(TRACE):
        structlog.get_logger("here").info("something.happened", count=3)
    structlog.get_logger("here").info("else")
    first, second = lines(log)
    assert first["trace_id"] == TRACE
    assert (first["event"], first["count"], first["level"], first["logger"]) == (
        "something.happened", 3, "info", "here",
    )  # fmt: skip
    assert "trace_id" not in second


@pytest.mark.parametrize(
    ("given_header", "expected"),
    [
        (f"00-{TRACE}-0123456789abcdef-01", TRACE),
        (None, "07" * 16),
        ("", "07" * 16),
        (f"00-{TRACE.upper()}-0123456789abcdef-01", "07" * 16),
        (f"00-{'0' * 32}-0123456789abcdef-01", "07" * 16),
        (f"00-{TRACE}-0123456789abcdef-01\n", "07" * 16),
        (f"00-{TRACE}", "07" * 16),
    ],
)
def test_a_trace_id_is_the_caller_s_or_a_new_one(given_header: str | None, expected: str) -> None:
    assert trace_id(given_header, lambda count: b"\x07" * count) == expected
