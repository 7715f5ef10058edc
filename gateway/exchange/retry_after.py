"""When a reply says to come back: 'Retry-After', in seconds or as a date (RFC 9110, 10.2.3)."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

_LONGEST_NUMBER = 9


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """How long the headers of a reply ask to wait; None if they do not, or not in a known form.

    `headers` are looked up by names in lower case. A date counts from the reply's own: the peer's
    clock need not agree with this machine's.
    """
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:_LONGEST_NUMBER])
    until, sent = _time(asked), _time(headers.get("date", ""))
    if until is None or sent is None:
        return None
    return max(0.0, (until - sent).total_seconds())


def _time(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
