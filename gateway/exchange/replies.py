"""What a reply proves: success, a refusal, or nothing."""

from gateway.domain.errors import Refused, Unclear
from gateway.exchange.error_codes import ERROR_CODES, UNCLEAR_CODES
from gateway.exchange.transport import TOO_MANY_REQUESTS, Reply
from gateway.exchange.wire import SUCCESS, Envelope, Unparsable, parse, require_unique_names

_SERVER_ERROR = 500
_LONGEST_CODE = 16


def require_success(endpoint: str, reply: Reply) -> None:
    """Return if the exchange answered "00000"; raise `Refused` or `Unclear` if not.

    The code decides, whatever the HTTP status: the document says nothing of the latter. Without a
    code, with two, or with one that proves nothing, the outcome is not known.
    """
    try:
        require_unique_names(reply.body)
        code = parse(reply.body, Envelope, strict=True).five_digits[:_LONGEST_CODE]
    except Unparsable:
        raise Unclear(endpoint, _without_code(reply.status)) from None
    if code == SUCCESS:
        return
    known = ERROR_CODES.get(code)
    if known is None or code in UNCLEAR_CODES:
        raise Unclear(endpoint, "unlisted" if known is None else known.name.lower(), code)
    raise Refused(endpoint, code, known.name, known.meaning, known.advice, known.retryable)


def _without_code(status: int) -> str:
    if status == TOO_MANY_REQUESTS:
        return "too_many_requests"
    return "server_error" if status >= _SERVER_ERROR else "unparsable"
