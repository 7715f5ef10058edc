from decimal import Decimal

import pytest

from gateway.domain.orders import OrderSpec, OrderType
from tests.unit.schema.examples import Journal, desk_of
from tests.unit.services.examples import order

pytestmark = pytest.mark.anyio

D = Decimal
PLACE = """mutation($input: PlaceOrderInput!) { placeOrder(input: $input) {
  __typename
  ... on OrderAccepted { order { orderId placement { id } } placement { type order {
    placement { id } } } }
  ... on OrderRejected { code message }
} }"""


def given(side: str, order: dict[str, object]) -> dict[str, object]:
    command = {"account": "demo", "clientOrderId": "a", "symbol": "BTCUSDT", "side": side}
    return {"input": {**command, "order": order}}


SPECS = [
    (
        "BUY",
        {"limit": {"price": "1.50", "quantity": "2"}},
        OrderSpec(price=D("1.50"), quantity=D(2)),
    ),
    ("SELL", {"market": {"quantity": "2"}}, OrderSpec(type=OrderType.MARKET, quantity=D(2))),
    (
        "SELL",
        {"stopLimit": {"stopPrice": "3", "price": "1", "quantity": "2"}},
        OrderSpec(type=OrderType.STOP_LIMIT, stop_price=D(3), price=D(1), quantity=D(2)),
    ),
    ("BUY", {"fast": {"quoteTotal": "4"}}, OrderSpec(type=OrderType.FAST, quote_total=D(4))),
    ("SELL", {"fast": {"quantity": "2"}}, OrderSpec(type=OrderType.FAST, quantity=D(2))),
]


@pytest.mark.parametrize(
    ("side", "terms", "spec"), SPECS, ids=["limit", "market", "stop-limit", "fast buy", "fast sell"]
)
async def test_an_order_of_each_type_becomes_the_command_for_it(
    side: str, terms: dict[str, object], spec: OrderSpec
) -> None:
    journal = Journal()
    async with desk_of(given=journal) as desk:
        desk.exchange.answers["place"] = order(None)
        result = (await desk.run(PLACE, given(side, terms)))["data"]["placeOrder"]
        (placed,) = journal.begun
    assert result["__typename"] == "OrderAccepted", result
    assert repr(placed.command.spec) == repr(spec)
    assert result["placement"]["type"] == spec.type.value


async def test_an_order_without_an_id_shows_the_placement_that_made_it() -> None:
    journal = Journal()
    async with desk_of(given=journal) as desk:
        desk.exchange.answers["place"] = order(None)
        terms: dict[str, object] = {"market": {"quantity": "1"}}
        result = (await desk.run(PLACE, given("BUY", terms)))["data"]["placeOrder"]
        (placed,) = journal.begun
    assert result["order"] == {"orderId": None, "placement": {"id": placed.id}}
    assert result["placement"]["order"] == {"placement": {"id": placed.id}}


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"limit": {"price": "0", "quantity": "1"}}, "order.limit.price"),
        ({"market": {"quantity": "-1"}}, "order.market.quantity"),
        (
            {"stopLimit": {"stopPrice": "0", "price": "1", "quantity": "1"}},
            "order.stopLimit.stopPrice",
        ),
        ({"fast": {"quoteTotal": "0"}}, "order.fast.quoteTotal"),
        ({"fast": {"quantity": "0.0"}}, "order.fast.quantity"),
        ({"fast": {"quantity": "1"}}, "order.fast"),
    ],
    ids=range(6),
)
async def test_terms_that_make_no_order_are_named_and_nothing_is_sent(
    terms: dict[str, object], field: str
) -> None:
    async with desk_of() as desk:
        result = (await desk.run(PLACE, given("BUY", terms)))["data"]["placeOrder"]
        assert "place" not in desk.exchange.asked
    assert result["code"] == "BAD_USER_INPUT"
    assert result["message"].startswith(f"{field}: ")
