"""What both servers are asked, and how their answers are compared."""

from typing import Any

SYMBOL = "BTCUSDT"

_TICKER = """ticker {
      last bid ask open high low average change changePercent baseVolume quoteVolume tradeCount asOf
    }"""
_LEVELS = "bids { price quantity orders } asks { price quantity orders } asOf"

MARKET = f"""query Market($symbol: String!) {{
  market(symbol: $symbol) {{
    symbol name baseAsset quoteAsset
    {_TICKER}
    orderBook(depth: 5) {{ {_LEVELS} }}
  }}
}}"""

MARKETS = f"""query Markets {{
  markets {{
    symbol name baseAsset quoteAsset
    {_TICKER}
  }}
}}"""

WATCH_BOOK = f"""subscription WatchBook($symbol: String!) {{
  orderBook(symbol: $symbol, depth: 20) {{ symbol {_LEVELS} }}
}}"""

STATISTICS = f"/v3/api/market/24h?symbol={SYMBOL}"
WALLET = "/v3/api/balance/wallet"

PLACE_LIMIT = """mutation PlaceLimit($input: PlaceOrderInput!) {
  placeOrder(input: $input) {
    __typename
    ... on OrderAccepted { order { orderId status } placement { id state } }
    ... on OrderRejected { code message }
  }
}"""


def shape(value: object) -> Any:  # noqa: ANN401 - as nested as the JSON value that it is made of
    """The same nesting, names and lengths, with each scalar's type in its place."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "number" if type(value) in (int, float) else type(value).__name__
