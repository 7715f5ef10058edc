"""The exchange: the only package that knows its names, its signatures' place and its moods.

Specified by the exchange's own API document; what it leaves out is decided where it matters.
"""

from gateway.exchange.calls import BACKING_OFF, PreparedRequest, Retry, log_retry
from gateway.exchange.client import ExchangeClient, is_order_id
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.error_codes import (
    CODES_FOR_THE_OPERATOR,
    CODES_TO_RECONCILE,
    ERROR_CODES,
    KEY_REFUSED_CODES,
    ORDER_NOT_OPEN,
    ExchangeCode,
)
from gateway.exchange.feed import Feed, FeedCounters
from gateway.exchange.feed_timing import FeedTiming
from gateway.exchange.transport import Timeouts, Transport, open_transport

__all__ = [
    "BACKING_OFF",
    "CODES_FOR_THE_OPERATOR",
    "CODES_TO_RECONCILE",
    "ERROR_CODES",
    "KEY_REFUSED_CODES",
    "ORDER_NOT_OPEN",
    "ExchangeClient",
    "ExchangeClock",
    "ExchangeCode",
    "Feed",
    "FeedCounters",
    "FeedTiming",
    "PreparedRequest",
    "Retry",
    "Timeouts",
    "Transport",
    "is_order_id",
    "log_retry",
    "open_transport",
]
