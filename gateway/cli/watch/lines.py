"""One line for people for each event."""

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]
"""What an operation of `graphql/operations/watch-*.graphql` selects."""


def ticker(event: Event) -> str:
    """The last price, the best bid and ask, the day's change."""
    change = event["changePercent"]
    return _line(
        event["asOf"],
        f"{event['symbol']:<9}",
        f"last {event['last']}",
        f"bid {_or_dash(event['bid'])}",
        f"ask {_or_dash(event['ask'])}",
        f"{change} %" if change is not None else "",
        _staleness(event),
    )


def top_of_book(event: Event) -> str:
    """The best bid and ask with their quantities."""
    return _line(
        event["asOf"],
        event["symbol"],
        f"bid {_level(event['bid'])}",
        f"ask {_level(event['ask'])}",
        _staleness(event),
    )


def order_book(event: Event) -> str:
    """The best bid and ask, and how many prices each side has."""
    bids, asks = event["bids"], event["asks"]
    return _line(
        event["asOf"],
        event["symbol"],
        f"bids {len(bids)} from {_level(bids[0] if bids else None)}",
        f"asks {len(asks)} from {_level(asks[0] if asks else None)}",
        _staleness(event),
    )


def candle(event: Event) -> str:
    """The candle's four prices and its volume; its open time says which candle it is."""
    values = event["candle"]
    prices = (f"{name} {values[name]}" for name in ("open", "high", "low", "close", "volume"))
    return _line(
        event["asOf"],
        f"{event['symbol']} {event['interval']} of {_clock(values['openTime'])}",
        *prices,
        _staleness(event),
    )


def trade(event: Event) -> str:
    """Which way the taker went, how much and at what price."""
    if event["__typename"] == "Gap":
        return _gap(event)
    return _line(
        event["time"],
        event["symbol"],
        f"{event['side']:<4} {event['quantity']} at {event['price']}",
    )


def order(event: Event) -> str:
    """What the order is, where it stands, and how much of it is filled.

    The only time that is known is when it was placed, so the line says that it is this one.
    """
    if event["__typename"] == "Gap":
        return _gap(event)
    if event["__typename"] == "Placement":
        return _placement(event)
    return _order(event)


def _order(event: Event) -> str:
    return "placed " + _line(
        event["time"],
        event["symbol"],
        f"{event['side']} {event['type']} {_or_dash(event['quantity'])}"
        f" at {_or_dash(event['price'])}",
        f"stop {event['stopPrice']}" if event["stopPrice"] else "",
        f"for {event['quoteTotal']}" if event["quoteTotal"] else "",
        event["status"],
        f"filled {_or_dash(event['filledQuantity'])}",
        f"order {_or_dash(event['orderId'])}",
    )


def balance(event: Event) -> str:
    """What there is of an asset, and how much of that is free; it has no time of its own."""
    if event["__typename"] == "Gap":
        return _gap(event)
    parts = (f"{name} {event[name]}" for name in ("total", "available", "held"))
    return "  ".join([f"{event['asset']:<6}", *parts])


def account_event(event: Event) -> str:
    """The event's number, and what happened."""
    sequence, change = _or_dash(event["sequence"]), event["change"]
    return f"{sequence:>6}  {_ACCOUNT_CHANGES[change['__typename']](change)}"


def printable(line: str) -> str:
    """Escape what could steer a terminal: names are as the exchange wrote them."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in line
    )


def _account_order(event: Event) -> str:
    return f"{_order(event['order'])}  {event['origin']}"


def _placement(event: Event) -> str:
    words = f"placement {event['id']}  {event['symbol']}  {event['side']}  {event['state']}"
    return words if event["evidence"] is None else f"{words}  {event['evidence']}"


def _fill(event: Event) -> str:
    return _line(
        event["executedAt"],
        event["symbol"],
        f"{event['side']} {event['type']} {event['quantity']} at {event['price']}",
        f"fee {event['fee']} {event['feeAsset']}",
    )


def _gap(event: Event) -> str:
    return _line(event["since"], f"gap: something may be missing since then ({event['reason']})")


def _line(time: str, *parts: str) -> str:
    return "  ".join([_clock(time), *(part for part in parts if part)])


def _clock(timestamp: str) -> str:
    """The time of day of an RFC 3339 timestamp in UTC."""
    return timestamp.partition("T")[2]


def _level(level: Event | None) -> str:
    return f"{level['quantity']} at {level['price']}" if level else "-"


def _or_dash(value: str | None) -> str:
    return "-" if value is None else value


def _staleness(event: Event) -> str:
    return "STALE" if event["stale"] else ""


_ACCOUNT_CHANGES = {
    "AccountOrder": _account_order,
    "Placement": _placement,
    "Fill": _fill,
    "Balance": balance,
    "Gap": _gap,
}
