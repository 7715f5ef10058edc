"""From the exchange's reply to the facade's, through the cache: no digit is lost, none is added."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.market import MarketKind, MarketValue, OrderBook, Ticker, TradeHistory, Version
from gateway.domain.money import MAX_DIGITS
from gateway.exchange import readers
from gateway.store import market_codec
from gateway.web.facade import frames, replies, transfer_replies
from tests.unit.web.facade.written import written

AS_WRITTEN = ("f", "e", "E")

amounts = st.builds(
    lambda digits, exponent: Decimal((0, (*digits, 1), exponent)),
    st.lists(st.integers(0, 9), max_size=MAX_DIGITS - 1),
    st.integers(-MAX_DIGITS, 0),
)
"""Above zero, with up to 36 digits, however far behind the point."""

signed = amounts | amounts.map(Decimal.copy_negate) | st.just(Decimal(0))


@st.composite
def numerals(draw: st.DrawFn, values: st.SearchStrategy[Decimal] = amounts) -> tuple[Decimal, str]:
    """A number, and one of the ways in which JSON may write it."""
    value = draw(values)
    return value, format(value, draw(st.sampled_from(AS_WRITTEN)))


def through_the_cache(kind: MarketKind, value: MarketValue) -> MarketValue:
    return market_codec.decode(kind, market_codec.encode(value, 0, Version()))[0]


TICKER = """{"code":"00000","market":{"symbol":"BTCTRY","changeAmount":%s,"changePercent":%s,
"last":%s,"firstBid":%s,"firstAsk":%s,"open":%s,"high":%s,"low":%s,"avg":%s,"volumeQty":%s,
"volume":%s,"openTime":1577738760005,"tradeCount":23}}"""
TICKER_NUMBERS = (
    *("changeAmount", "changePercent", "last", "firstBid", "firstAsk", "open", "high", "low"),
    *("avg", "volumeQty", "volume"),
)


@given(
    st.lists(numerals(signed), min_size=2, max_size=2), st.lists(numerals(), min_size=9, max_size=9)
)
def test_a_ticker_keeps_every_digit(
    changes: list[tuple[Decimal, str]], rest: list[tuple[Decimal, str]]
) -> None:
    numbers = [*changes, *rest]
    text = TICKER % tuple(text for _, text in numbers)
    ticker = through_the_cache(MarketKind.TICKER, readers.read_ticker(text.encode(), "BTCTRY"))
    assert isinstance(ticker, Ticker)
    said = dict(zip(TICKER_NUMBERS, (value for value, _ in numbers), strict=True))
    for told in (
        written(replies.statistics(ticker))["market"],
        written(frames.all_tickers(ticker)),
    ):
        assert {name: told[name] for name in TICKER_NUMBERS} == said


@given(numerals(), numerals(), numerals())
def test_a_book_keeps_every_digit(
    price: tuple[Decimal, str], bid: tuple[Decimal, str], ask: tuple[Decimal, str]
) -> None:
    text = (
        f'{{"code":"00000","book":{{"bids":[{{"price":{price[1]},"amount":{bid[1]},"count":1}}],'
        f'"asks":[{{"price":9{"0" * 35},"amount":{ask[1]},"count":1}}]}}}}'
    )
    book = readers.read_order_book(text.encode(), "BTCTRY")
    book_again = through_the_cache(MarketKind.ORDER_BOOK, book)
    assert isinstance(book_again, OrderBook)
    told = written(replies.depth(book_again))["book"]
    assert written(frames.order_book(book_again))["depth"] == told
    assert told["bids"] == [{"price": price[0], "amount": bid[0], "count": 1}]
    assert told["asks"][0]["amount"] == ask[0]


@given(numerals(), numerals())
def test_a_trade_keeps_every_digit(
    price: tuple[Decimal, str], quantity: tuple[Decimal, str]
) -> None:
    row = f'{{"price":{price[1]},"amount":{quantity[1]},"time":1577891201415,"type":0}}'
    history = readers.read_trades(f'{{"code":"00000","trades":[{row}]}}'.encode(), "BTCTRY")
    history_again = through_the_cache(MarketKind.TRADES, history)
    assert isinstance(history_again, TradeHistory)
    (told,) = written(replies.trades(history_again))["trades"]
    assert (told["price"], told["amount"]) == (price[0], quantity[0])


@given(numerals(signed), numerals(signed), numerals(amounts | st.just(Decimal(0))))
def test_a_wallet_keeps_every_digit(
    total: tuple[Decimal, str], available: tuple[Decimal, str], held: tuple[Decimal, str]
) -> None:
    row = f'"total":{total[1]},"available":{available[1]},"reserved":{held[1]}'
    text = f'{{"code":"00000","wallet":[{{"symbol":"BTC",{row}}}]}}'
    (told,) = written(transfer_replies.wallet(readers.read_balances(text.encode())))["wallet"]
    assert (told["total"], told["available"], told["reserved"]) == (total[0], available[0], held[0])


@given(numerals(), numerals(), numerals(signed))
def test_a_fill_keeps_every_digit(
    price: tuple[Decimal, str], quantity: tuple[Decimal, str], fee: tuple[Decimal, str]
) -> None:
    row = (
        f'"symbol":"BTCUSDT","price":{price[1]},"amount":{quantity[1]},"side":1,"orderType":0,'
        f'"commission":{fee[1]},"commissionSymbol":"USDT","time":1591875237869'
    )
    text = f'{{"code":"00000","trades":[{{{row}}}]}}'
    (told,) = written(replies.user_trades(readers.read_fills(text.encode())))["trades"]
    assert (told["price"], told["amount"], told["commission"]) == (price[0], quantity[0], fee[0])
