"""What stands in a reply or a frame, written and read again without losing a digit."""

from decimal import Decimal
from pathlib import Path

from gateway.domain.account import BalanceChange
from gateway.domain.market import CandleUpdate, OrderBook, Ticker, TopOfBook, Trade
from gateway.domain.orders import Order
from gateway.domain.streams import TopicKind, Update
from gateway.exchange.stream_mapping import map_frame
from gateway.exchange.stream_wire import Acknowledgement, decode_frame
from gateway.web.facade import frames
from gateway.web.facade.answers import encode
from gateway.web.facade.requests import Body
from tests.unit.sandbox.clients import Json, exact_json

_PAYLOADS = Path(__file__).parents[3] / "payloads"


def sample_text(name: str) -> bytes:
    """The document's sample of this name, such as "rest/24h"."""
    return (_PAYLOADS / f"{name}.json").read_bytes()


def sample(name: str) -> Json:
    return exact_json(sample_text(name))


def written(members: Body) -> Json:
    """The members as who gets the reply reads them."""
    reply = exact_json(encode("00000", members))
    del reply["code"]
    return reply


def read_frame(text: str) -> Update:
    """What the gateway understands of a frame of the exchange."""
    frame = decode_frame(text)
    assert not isinstance(frame, Acknowledgement)
    return map_frame(frame, 7, {})


def frame_of(told: Update) -> Body:
    """The facade's frame of it."""
    match told.value:
        case Ticker() as ticker:
            every = told.topic.kind is TopicKind.ALL_TICKERS
            frame = frames.all_tickers(ticker) if every else frames.ticker(ticker)
        case CandleUpdate() as update:
            frame = frames.candle(update)
        case TopOfBook() as book:
            frame = frames.top_of_book(book)
        case OrderBook() as book:
            frame = frames.order_book(book)
        case Trade() as trade:
            frame = frames.trade(trade)
        case Order() as order:
            frame = frames.order(order)
        case BalanceChange(asset=asset, available=Decimal() as quantity):
            frame = frames.available(asset, quantity)
        case BalanceChange(asset=asset, held=Decimal() as quantity):
            frame = frames.reserved(asset, quantity)
        case _:
            raise AssertionError(told)
    return frame
