import pytest
from graphql import ExecutionResult, GraphQLObjectType, OperationType

from gateway.access.policy import Action
from gateway.schema.documents import Documents
from tests.unit.schema.examples import LIMITS, SCHEMA, codes, desk_of
from tests.unit.services.examples import policy

pytestmark = pytest.mark.anyio

REASONS_FOR_NO_GRANT = {
    ("Query", "accounts"): "lists what the caller is granted, and nothing is an answer",
    ("Query", "account"): "says no to what the caller may not know of; its parts need grants",
    ("Query", "placement"): "shows the caller's own only",
    ("Query", "placements"): "shows the caller's own only, of an account that they may know of",
    ("Query", "viewer"): "tells the caller who they are",
}

ASKED = {
    ("Query", "exchange"): "{ exchange { reachable } }",
    ("Query", "markets"): "{ markets { symbol } }",
    ("Query", "market"): '{ market(symbol: "BTCUSDT") { symbol } }',
    ("Account", "balances"): '{ account(id: "demo") { balances { asset } } }',
    ("Account", "openOrders"): '{ account(id: "demo") { openOrders { symbol } } }',
    ("Account", "fills"): '{ account(id: "demo") { fills { symbol } } }',
    ("Account", "currencies"): '{ account(id: "demo") { currencies { asset } } }',
    ("Account", "depositOptions"): (
        '{ account(id: "demo") { depositOptions(asset: "BTC") { asset } } }'
    ),
    ("Account", "withdrawalOptions"): (
        '{ account(id: "demo") { withdrawalOptions(asset: "BTC") { asset } } }'
    ),
    ("Account", "deposits"): '{ account(id: "demo") { deposits { asset } } }',
    ("Account", "withdrawals"): '{ account(id: "demo") { withdrawals { asset } } }',
    ("Account", "tradingState"): '{ account(id: "demo") { tradingState } }',
    ("Subscription", "balances"): 'subscription { balances(account: "demo") { __typename } }',
    ("Subscription", "tickers"): "subscription { tickers { symbol } }",
    ("Subscription", "topOfBook"): 'subscription { topOfBook(symbol: "BTCUSDT") { asOf } }',
    ("Subscription", "orderBook"): 'subscription { orderBook(symbol: "BTCUSDT") { asOf } }',
    ("Subscription", "candles"): (
        'subscription { candles(symbol: "BTCUSDT", interval: M1) { asOf } }'
    ),
    ("Subscription", "trades"): 'subscription { trades(symbol: "BTCUSDT") { __typename } }',
    ("Subscription", "orders"): 'subscription { orders(account: "demo") { __typename } }',
}
"""A request for each field that declares what it requires and is refused by an error."""

REFUSED_IN_THE_RESULT = {("Mutation", "placeOrder"), ("Mutation", "cancelOrder")}


def declaring() -> set[tuple[str, str]]:
    """Every field with @requires."""
    return {
        (kind.name, name)
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType)
        for name, field in kind.fields.items()
        if "strawberry-definition" in field.extensions
        and any(
            type(directive).__name__ == "RequiresDirective"
            for directive in field.extensions["strawberry-definition"].directives
        )
    }


def test_every_root_field_declares_what_it_requires_or_has_a_reason() -> None:
    roots = {
        (root.name, name)
        for operation in OperationType
        if (root := SCHEMA.get_root_type(operation)) is not None
        for name in root.fields
    }
    assert roots - declaring() == set(REASONS_FOR_NO_GRANT)


def test_every_field_that_declares_what_it_requires_is_tried_below() -> None:
    assert declaring() == set(ASKED) | REFUSED_IN_THE_RESULT


async def outcome(text: str, *granted: Action) -> list[str]:
    operation = Documents(SCHEMA, LIMITS, 10).operation(text, None)
    async with desk_of(policy(*granted)) as desk:
        if operation.type is not OperationType.SUBSCRIPTION:
            return codes(await desk.run(text))
        begun = await desk.execution.subscribe(operation, None, desk.context())
        if not isinstance(begun, ExecutionResult):
            return []
        return [getattr(error.original_error, "code", "?") for error in begun.errors or ()]


@pytest.mark.parametrize("field", sorted(ASKED), ids=".".join)
async def test_a_field_cannot_be_resolved_without_its_grant(field: tuple[str, str]) -> None:
    of_account = "account" in ASKED[field]
    needed = Action.ACCOUNT_READ if of_account else Action.MARKET_READ
    others = [action for action in Action if action is not needed]
    assert await outcome(ASKED[field], *others) == ["FORBIDDEN"]
    assert await outcome(ASKED[field], needed) == []


async def test_who_may_not_know_of_an_account_learns_nothing_of_it() -> None:
    for text in (
        '{ account(id: "demo") { id } }',
        '{ account(id: "nowhere") { id } }',
        '{ placements(account: "demo") { edges { cursor } } }',
        '{ placements(account: "nowhere") { edges { cursor } } }',
    ):
        assert await outcome(text, Action.MARKET_READ) == ["UNKNOWN_ACCOUNT"]


CANCEL = """mutation { cancelOrder(input: {account: "demo", orderId: "a"}) {
  __typename ... on CancelRejected { code } } }"""
PLACE = """mutation { placeOrder(input: {
  account: "demo", clientOrderId: "a", symbol: "BTCUSDT", side: BUY
  order: {limit: {price: "1", quantity: "1"}}
}) { __typename ... on OrderRejected { code rule } } }"""


@pytest.mark.parametrize("text", [PLACE, CANCEL], ids=["placeOrder", "cancelOrder"])
async def test_a_mutation_without_its_grant_says_so_in_its_result(text: str) -> None:
    async with desk_of(policy(Action.ACCOUNT_READ)) as desk:
        (result,) = (await desk.run(text))["data"].values()
        assert result["code"] == "FORBIDDEN"
        assert not {"place", "cancel"} & set(desk.exchange.asked)
