"""What is answered in the place of the truth. Pure."""

from dataclasses import dataclass

from gateway.sandbox.codes import Code
from gateway.sandbox.faults import FILLER, Fault, Outcome
from gateway.sandbox.replies import Body, encode

JSON = "application/json"
_HTML = "text/html"

_BAD_GATEWAY = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
_TOO_MANY = b"<html><body><h1>429 Too Many Requests</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply; ``code`` is the one in its body, None when it has none of ours."""

    status: int
    media_type: str
    body: bytes
    code: str | None = None


def coded(code: str, status: int = 200) -> Reply:
    """A reply with a code and its text, without a text when no table has the code."""
    texts = {known.value: known.text for known in Code}
    body: Body = {"code": code, "msg": texts[code]} if code in texts else {"code": code}
    return Reply(status, JSON, encode(body), code)


def faulty_reply(fault: Fault) -> Reply | None:
    """The reply that a fault with an outcome makes up; None hangs up."""
    match fault.outcome:
        case Outcome.CODE_BEFORE | Outcome.CODE_AFTER:
            return coded(fault.code or Code.UNEXPECTED_ERROR.value)
        case Outcome.EXECUTE_LATE if fault.code:
            return coded(fault.code)
        case Outcome.HTML_502:
            return Reply(502, _HTML, _BAD_GATEWAY)
        case Outcome.TOO_MANY_REQUESTS:
            return _too_many(fault.media_type)
        case Outcome.REPLY:
            body = fault.body.replace(FILLER, "x" * fault.filler)
            return Reply(fault.status, fault.media_type or JSON, body.encode())
        case _:
            return None


def _too_many(media_type: str | None) -> Reply:
    if media_type == JSON:
        return coded(Code.UNEXPECTED_ERROR.value, status=429)
    return Reply(429, media_type or _HTML, _TOO_MANY)
