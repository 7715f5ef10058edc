"""Whatever stands anywhere in a reply, reading it gives a value or says that it has no meaning."""

import copy
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.market import CandleInterval, OrderSide
from gateway.domain.orders import OrderSpec, PlaceOrder
from gateway.exchange import readers

SAMPLES = Path(__file__).parents[2] / "payloads" / "rest"
BUY = PlaceOrder(
    "demo",
    "a-1",
    "BTCUSDT",
    OrderSide.BUY,
    OrderSpec(price=Decimal(9500), quantity=Decimal("0.001")),
)
READERS: dict[str, Callable[[bytes], object]] = {
    "time": readers.read_time,
    "markets": readers.read_markets,
    "24h": partial(readers.read_ticker, symbol="BTCTRY"),
    "info": partial(readers.read_rules, symbol="BTCTRY"),
    "candles": partial(readers.read_candles, symbol="BTCTRY", interval=CandleInterval.M5),
    "orderbook": partial(readers.read_top_of_book, symbol="BTCTRY"),
    "depth": partial(readers.read_order_book, symbol="BTCTRY"),
    "trades": partial(readers.read_trades, symbol="BTCTRY"),
    "wallet": readers.read_balances,
    "user-orders": readers.read_orders,
    "user-trades": readers.read_fills,
    "limit-buy": partial(readers.read_placed, command=BUY),
    "currencies": readers.read_currencies,
    "deposit": partial(readers.read_deposit_options, asset="TRY"),
    "withdraw": partial(readers.read_withdrawal_options, asset="BTC"),
    "deposit-history": readers.read_deposits,
    "withdraw-history": readers.read_withdrawals,
}
each_reader = pytest.mark.parametrize(("name", "read"), READERS.items(), ids=READERS)

NUMBERS = ["-1", "0", "1E+400", "1E-400", "9" * 40, "0.1", '"NaN"', '"-Infinity"', '"1e3"']
ANYTHING = st.one_of(
    st.sampled_from(NUMBERS),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=4,
    ).map(json.dumps),
)


def places(value: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 - JSON
    """Give the way to every value inside `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in inner:
        yield (*path, name)
        if isinstance(one, dict | list):
            yield from places(one, *path, name)


def put(reply: Any, path: tuple[str | int, ...], text: str) -> bytes:  # noqa: ANN401 - JSON
    """Write the reply with `text` at the end of `path`."""
    changed = copy.deepcopy(reply)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = "@here@"
    return json.dumps(changed).replace('"@here@"', text).encode()


@each_reader
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_reader_reads_or_raises_value_error_and_nothing_else(
    name: str, read: Callable[[bytes], object], data: st.DataObject
) -> None:
    reply = json.loads((SAMPLES / f"{name}.json").read_bytes())
    body = put(reply, data.draw(st.sampled_from(list(places(reply)))), data.draw(ANYTHING))
    try:
        told = repr(read(body))
    except ValueError:
        return
    assert "Decimal('NaN')" not in told
    assert "Decimal('-Infinity')" not in told


@each_reader
def test_a_field_that_the_document_does_not_give_is_ignored_anywhere(
    name: str, read: Callable[[bytes], object]
) -> None:
    text = (SAMPLES / f"{name}.json").read_text()
    assert read(text.replace("{", '{"new":[{"a":null}],').encode()) == read(text.encode())


def test_a_cancel_is_read_whatever_its_order_looks_like() -> None:
    for order in ("null", "5", "{}", '{"side":"NaN"}', "[" * 100_000):
        assert readers.read_cancelled(f'{{"code":"00000","order":{order}}}'.encode()) is None
