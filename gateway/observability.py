"""Logs, trace ids, and the layer that keeps secrets out of both."""

import base64
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

_PATTERNS = (
    re.compile(r"(?<=signature=)[^&\s\"'\\]+", re.IGNORECASE),
    # As JSON, as JSON inside a JSON string, and as Python shows a mapping.
    re.compile(r"(signature\\*[\"']\s*:\s*\\*[\"'])[^\"'\\]+", re.IGNORECASE),
    re.compile(r"(?<=password=)[^&\s\"'\\]+", re.IGNORECASE),
    re.compile(r"(?<=bearer )[^\s\"'\\]+", re.IGNORECASE),
    re.compile(r"(?<=://)[^/\s\"'@]*:[^/\s\"'@]+(?=@)"),
    re.compile(r"\bngw_[A-Za-z0-9_-]{20,}"),
    re.compile(r"\bngwv[ks][A-Za-z0-9]{20,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
)
"""Signatures, tokens, and passwords in addresses, wherever they stand in a line."""

_TALKATIVE = ("httpx", "httpcore", "aiohttp", "websockets", "uvicorn", "asyncio")
"""These write full addresses or frames, signatures included, below WARNING."""


class Redactor:
    """Takes known secrets, and whatever looks like one, out of a text.

    Custody hands in the secrets that it holds; each is looked for as it stands, as JSON writes it,
    percent-encoded and in base64.
    """

    def __init__(self) -> None:
        self._secrets: dict[str, frozenset[str]] = {}
        self._known: re.Pattern[str] | None = None

    def learn(self, secrets: Iterable[str], *, of: str = "") -> None:
        """Replace the set of known secrets; there is one for each name of what they are `of`."""
        self._secrets[of] = frozenset(secrets)
        known = frozenset().union(*self._secrets.values())
        forms = {form for secret in known if secret for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """Return `text` with every secret replaced."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        for pattern in _PATTERNS:
            text = pattern.sub(_keeping_what_leads, text)
        return text


def _keeping_what_leads(found: re.Match[str]) -> str:
    return f"{found[1] if found.re.groups else ''}{REDACTED}"


def _forms(secret: str) -> set[str]:
    as_json = json.dumps(secret)[1:-1]
    percent = quote(secret, safe="")
    encoded = secret.encode()
    return {
        secret,
        as_json,
        json.dumps(as_json)[1:-1],  # JSON that was given to a log whose lines are JSON
        percent,
        re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), percent),
        base64.b64encode(encoded).decode().rstrip("="),
        base64.urlsafe_b64encode(encoded).decode().rstrip("="),
    }


def configure_logging(
    level: str,
    form: Literal["json", "console"],
    redact: Callable[[str], str],
    stream: TextIO = sys.stdout,
) -> None:
    """Send every log line of the process, our own and the libraries', through one redacted form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(form, colors=stream.isatty()),
                _redacting(redact),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _rendering(form: Literal["json", "console"], *, colors: bool) -> list[Processor]:
    if form == "console":
        # The stock formatter shows local variables, and a local variable may hold anything.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _redacting(redact: Callable[[str], str]) -> Processor:
    def processor(_logger: WrappedLogger, _method: str, line: EventDict | str) -> str:
        return redact(str(line))

    return processor


_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


def trace_id(traceparent: str | None, random_bytes: Callable[[int], bytes]) -> str:
    """The trace id of a request: its caller's (W3C Trace Context, `traceparent`), or a new one."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found and found[1].strip("0") else random_bytes(16).hex()


@contextmanager
def bind_trace(trace: str) -> Iterator[None]:
    """Put the trace id on every log line written inside."""
    with structlog.contextvars.bound_contextvars(trace_id=trace):
        yield


class LineCounter(logging.Handler):
    """Tells `count` of each line of the log that is a warning or worse: its level, from LEVELS."""

    LEVELS = ("warning", "error", "critical")

    def __init__(self, count: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._count = count

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a line."""
        tens = record.levelno // 10 - logging.WARNING // 10
        self._count(self.LEVELS[min(tens, len(self.LEVELS) - 1)])
