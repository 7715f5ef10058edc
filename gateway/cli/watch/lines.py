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
    """What the order is, where it stands, how much of it is filled, and whose id it has.

    The only time that is known is when it was placed, so the line says that it is this one.
    """
    match event["__typename"]:
        case "Gap":
            return _gap(event)
        case "Placement":
            ids = f"placement {event['id']}", f"client {event['clientOrderId']}"
            terms = f"{event['symbol']}  {event['side']}"
            return _words(*ids, terms, event["state"], event["evidence"])
    placement = event["placement"]
    return _words(_order(event), placement and f"client {placement['clientOrderId']}")


def _order(event: Event) -> str:
    return _words(
        event["symbol"],
        _terms(event, event["quantity"], event["price"]),
        event["status"],
        f"filled {_or_dash(event['filledQuantity'])}",
        f"order {_or_dash(event['orderId'])}",
        f"placed {event['time']}",
    )


def _terms(event: Event, quantity: str | None, price: str | None) -> str:
    return _words(
        f"{event['side']} {event['type']} {_or_dash(quantity)} at {_or_dash(price)}",
        event["stopPrice"] and f"stop {event['stopPrice']}",
        event["quoteTotal"] and f"for {event['quoteTotal']}",
    )


def balance(event: Event) -> str:
    """What there is of an asset, and how much of that is free; it has no time of its own."""
    if event["__typename"] == "Gap":
        return _gap(event)
    parts = (f"{name} {event[name]}" for name in ("total", "available", "held"))
    return "  ".join([f"{event['asset']:<6}", *parts])


def account_event(event: Event) -> str:
    """The event's number, when it happened, and what did."""
    sequence, change = _or_dash(event["sequence"]), event["change"]
    told = _ACCOUNT_CHANGES[change["__typename"]](change)
    return _words(f"{sequence:>6}", event["time"], told)


def printable(line: str) -> str:
    """Escape what could steer a terminal: names are as the exchange wrote them."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in line
    )


def _account_order(event: Event) -> str:
    placement = event["placementId"]
    return _words(_order(event["order"]), event["origin"], placement and f"placement {placement}")


def _account_placement(event: Event) -> str:
    return _words(
        f"placement {event['id']}",
        f"of {event['principal']}",
        f"client {event['clientOrderId']}",
        event["symbol"],
        _terms(event, event["orderedQuantity"], event["orderedPrice"]),
        event["state"],
        event["evidence"],
    )


def _fill(event: Event) -> str:
    return _words(
        event["symbol"],
        f"{event['side']} {event['type']} {event['quantity']} at {event['price']}",
        f"fee {event['fee']} {event['feeAsset']}",
        f"executed {event['executedAt']}",
    )


def _account_gap(event: Event) -> str:
    since = "" if event["since"].startswith(_EVER) else f" since {event['since']}"
    return f"gap: something may be missing{since} ({event['reason']})"


def _gap(event: Event) -> str:
    return _line(event["since"], f"gap: something may be missing since then ({event['reason']})")


def _line(time: str, *parts: str) -> str:
    return _words(_clock(time), *parts)


def _words(*parts: str | None) -> str:
    return "  ".join(part for part in parts if part)


def _clock(timestamp: str) -> str:
    """The time of day of an RFC 3339 timestamp in UTC."""
    return timestamp.partition("T")[2]


def _level(level: Event | None) -> str:
    return f"{level['quantity']} at {level['price']}" if level else "-"


def _or_dash(value: str | None) -> str:
    return "-" if value is None else value


def _staleness(event: Event) -> str:
    return "STALE" if event["stale"] else ""


_EVER = "1970-"
"""The year of a gap that reaches back to before anything that was told."""

_ACCOUNT_CHANGES = {
    "AccountOrder": _account_order,
    "Placement": _account_placement,
    "Fill": _fill,
    "Balance": balance,
    "Gap": _account_gap,
}
