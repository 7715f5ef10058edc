"""Saying no in the exchange's language."""

from dataclasses import dataclass

from gateway.exchange import ERROR_CODES
from gateway.web.facade import codes

OUTCOME_UNKNOWN = "outcome unknown, do not resend"
"""The `msg` beside 90000 for an order of which nobody knows yet whether it stands."""

CANCEL_UNKNOWN = "outcome unknown, send again"
"""The same for a cancel: a second one does no harm, and tells."""

_AS_REPLIED = {codes.NOT_PROVEN: "Invalid API key or secret."}
"""Where the document's sample of a reply ("Information") words it otherwise than its table."""


@dataclass(eq=False)
class Refusal(Exception):
    """A reply other than 00000: the exchange's five-digit `code` and the `msg` beside it.

    `status` is the HTTP status: 200 for what the exchange itself would refuse, for its clients
    decide by the code. `retry_after` in seconds, where coming back later can help.
    """

    code: str
    msg: str
    status: int = 200
    retry_after: float | None = None

    def __str__(self) -> str:
        """Give the code and the message."""
        return f"{self.code} {self.msg}"


def refusal_of(code: str, status: int = 200, retry_after: float | None = None) -> Refusal:
    """Refuse with one of the exchange's codes, and its own text for it ("Error Codes")."""
    return Refusal(code, _AS_REPLIED.get(code, ERROR_CODES[code].meaning), status, retry_after)
