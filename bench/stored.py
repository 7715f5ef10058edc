"""Where the textbook's data lies in Redis."""

LISTING = "textbook:markets"


def ticker_key(symbol: str) -> str:
    """The key of a market's last ticker."""
    return f"textbook:ticker:{symbol}"


def book_key(symbol: str) -> str:
    """The key of a market's book, and the channel that its changes are published to."""
    return f"textbook:book:{symbol}"
