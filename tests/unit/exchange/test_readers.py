"""Whatever stands anywhere in a reply, reading it gives a value or says that it has no meaning."""

import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.market import CandleInterval, OrderSide
from gateway.domain.orders import OrderSpec, PlaceOrder
from gateway.exchange import readers
from tests.unit.exchange.spoiling import spoiled, spoiled_by

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


@each_reader
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_reader_reads_or_raises_value_error_and_nothing_else(
    name: str, read: Callable[[bytes], object], data: st.DataObject
) -> None:
    body = data.draw(spoiled((SAMPLES / f"{name}.json").read_text()))
    with suppress(ValueError):
        read(body.encode())


@each_reader
def test_no_number_passes_that_is_none_or_has_no_end(
    name: str, read: Callable[[bytes], object]
) -> None:
    text = (SAMPLES / f"{name}.json").read_text()
    for body in spoiled_by(text, '"NaN"', '"-Infinity"', "1E+400", "1E-400", "9" * 40):
        with suppress(ValueError):
            told = repr(read(body.encode()))
            assert not re.search(r"Decimal\('([^']*[a-z]|[^']*E[+-]400|9{40})", told)


@each_reader
def test_a_field_that_the_document_does_not_give_is_ignored_anywhere(
    name: str, read: Callable[[bytes], object]
) -> None:
    text = (SAMPLES / f"{name}.json").read_text()
    assert read(text.replace("{", '{"new":[{"a":null}],').encode()) == read(text.encode())


def test_a_cancel_is_read_whatever_its_order_looks_like() -> None:
    for order in ("null", "5", "{}", '{"side":"NaN"}', "[" * 100_000):
        body = f'{{"code":"00000","order":{order}}}'.encode()
        assert readers.read_cancelled(body, "6b11") is None
