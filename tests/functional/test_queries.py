"""What can be read, asked of a running gateway over HTTP."""

from decimal import Decimal

from tests.functional.callers import Caller
from tests.functional.exchange import Exchange

TICKER = "query($s: String!) { market(symbol: $s) { ticker { last bid ask stale source asOf } } }"


def test_a_market_shows_its_ticker(exchange: Exchange, trader: Caller) -> None:
    exchange.trade("LINKTRY", "218.500", "1")
    assert trader.answer(TICKER, s="LINKTRY")["market"]["ticker"]["last"] == "218.5"
