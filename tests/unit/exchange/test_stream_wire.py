"""The WebSocket's frames, as the exchange's document shows them."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.exchange.stream_wire import (
    Acknowledgement,
    AvailableFrame,
    CandlesFrame,
    DepthFrame,
    Malformed,
    Method,
    OrderFrame,
    ReservedFrame,
    StreamName,
    TickerFrame,
    TopOfBookFrame,
    TradeFrame,
    Unreadable,
    decode_frame,
    encode_request,
)

STREAM = Path(__file__).parents[2] / "payloads" / "stream"
REPLIES = sorted(path.name for path in STREAM.glob("*.reply.json"))
REQUESTS = sorted(
    path.name for path in STREAM.glob("*.request.json") if path.name != "user-streams.request.json"
)
DATA = {
    "all-tickers": TickerFrame,
    "ticker": TickerFrame,
    "candles": CandlesFrame,
    "order-book": TopOfBookFrame,
    "depth": DepthFrame,
    "trade": TradeFrame,
    "balance-update": AvailableFrame,
    "reserved-update": ReservedFrame,
    "order-update": OrderFrame,
}


@pytest.mark.parametrize(("name", "shape"), DATA.items(), ids=DATA)
def test_a_frame_with_a_type_and_no_method_is_data(name: str, shape: type) -> None:
    text = (STREAM / f"{name}.json").read_text()
    assert isinstance(decode_frame(text.replace("{", '{"news":[1],', 1)), shape)


def test_every_data_frame_of_the_document_is_known() -> None:
    assert {path.stem for path in STREAM.glob("*.json") if "." not in path.stem} == set(DATA)


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_of_the_document_is_a_success_that_names_its_stream(name: str) -> None:
    text = (STREAM / name).read_text()
    frame = decode_frame(text)
    assert isinstance(frame, Acknowledgement)
    assert frame.succeeded
    fields = json.loads(text)
    expected = {key: fields[key] for key in ("type", "symbol", "interval") if key in fields}
    assert frame.name == (StreamName(**expected) if expected else None)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_reads_as_in_the_document(name: str) -> None:
    request = json.loads((STREAM / name).read_text())
    names = [StreamName(**param) for param in request.get("params", [])]
    assert json.loads(encode_request(Method(request["method"]), names)) == request


def test_a_failure_may_say_nothing_but_a_message() -> None:
    frame = decode_frame((STREAM / "user-streams.refused.json").read_text())
    assert isinstance(frame, Acknowledgement)
    assert (frame.method, frame.succeeded, frame.name) == (Method.USER_STREAMS, False, None)


def test_a_status_that_the_document_does_not_give_is_no_success() -> None:
    frame = decode_frame('{"method":"SUBSCRIBE","status":"ok","type":"allTickers"}')
    assert isinstance(frame, Acknowledgement)
    assert not frame.succeeded


def test_a_listing_names_every_subscription() -> None:
    frame = decode_frame((STREAM / "list-subscriptions.reply.json").read_text())
    assert isinstance(frame, Acknowledgement)
    assert frame.result == [StreamName("orderBook", "BTCUSDT"), StreamName("depth", "BTCUSDT")]


def test_money_keeps_every_digit() -> None:
    frame = decode_frame('{"type":"ticker","symbol":"A","last":0.10000000000000000001}')
    assert isinstance(frame, TickerFrame)
    assert frame.last == Decimal("0.10000000000000000001")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Malformed.NOT_AN_OBJECT),
        ('"type"', Malformed.NOT_AN_OBJECT),
        ("{}", Malformed.UNKNOWN_KIND),
        ('{"type":null}', Malformed.UNKNOWN_KIND),
        ('{"type":"depth","symbol":"A","depth":[]}', Malformed.WRONG_SHAPE),
        ('{"method":7,"status":"success"}', Malformed.WRONG_SHAPE),
    ],
    ids=lambda value: str(value) or "empty",
)
def test_any_other_frame_is_unreadable_with_a_reason_that_does_not_show_it(
    text: str, reason: Malformed
) -> None:
    with pytest.raises(Unreadable) as caught:
        decode_frame(text)
    assert str(caught.value) == f"frame withheld: {reason}"
