from collections.abc import AsyncIterator

import pytest
import strawberry
from graphql import ExecutionResult, GraphQLObjectType, OperationType

from gateway.access.policy import Action
from gateway.schema.documents import Documents
from gateway.schema.requires import (
    AuthenticatedDirective,
    RequiresDirective,
    UndeclaredAccess,
    require_declarations,
)
from tests.unit.schema.examples import LIMITS, SCHEMA, codes, desk_of
from tests.unit.services.examples import policy

pytestmark = pytest.mark.anyio

NEEDS_NO_GRANT = {
    ("Account", "id"): "names what the caller has reached already",
    ("Query", "accounts"): "lists what the caller is granted, and nothing is an answer",
    ("Query", "account"): "says no to what the caller may not know of; its parts need grants",
    ("Query", "placement"): "shows the caller's own, and those of an account that they operate",
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
    ("Account", "quarantine"): '{ account(id: "demo") { quarantine } }',
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

REFUSED_IN_THE_RESULT = {
    "placeOrder": """mutation { placeOrder(input: {
      account: "demo", clientOrderId: "a", symbol: "BTCUSDT", side: BUY
      order: {limit: {price: "1", quantity: "1"}}
    }) { __typename ... on Problem { code } } }""",
    "cancelOrder": """mutation { cancelOrder(input: {account: "demo", orderId: "a"}) {
      __typename ... on Problem { code } } }""",
    "cancelAllOrders": """mutation { cancelAllOrders(input: {account: "demo"}) {
      __typename ... on Problem { code } } }""",
    "armDeadManSwitch": """mutation { armDeadManSwitch(input: {account: "demo", seconds: 60}) {
      __typename ... on Problem { code } } }""",
    "disarmDeadManSwitch": """mutation { disarmDeadManSwitch(account: "demo") {
      __typename ... on Problem { code } } }""",
}
"""A request for each mutation that is refused in its result, by the mutation's name."""

TRIED_APART = {("Account", "deadManSwitch"), ("Subscription", "accountEvents")}
"""What answers only with a Redis, or takes more than one grant: tested with what it shows."""

DECIDED_BY_THE_SERVICE = {
    ("Query", "auditLog"),
    ("Query", "tradingSwitches"),
    ("Query", "suspensions"),
    ("Query", "quarantines"),
    ("Query", "unresolvedPlacements"),
    ("Mutation", "resolvePlacement"),
    ("Mutation", "reopenAccount"),
    ("Mutation", "setTradingState"),
    ("Mutation", "suspendPrincipal"),
    ("Mutation", "restorePrincipal"),
}
"""What is asked for of everything or of one account: each is tried over the wire."""


def declaring(directive: type) -> set[tuple[str, str]]:
    """Every field with this directive."""
    return {
        (kind.name, name)
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType)
        for name, field in kind.fields.items()
        if "strawberry-definition" in field.extensions
        and any(
            isinstance(each, directive)
            for each in field.extensions["strawberry-definition"].directives
        )
    }


def test_what_needs_no_grant_has_a_reason_here() -> None:
    assert declaring(AuthenticatedDirective) == set(NEEDS_NO_GRANT)


def test_every_field_that_declares_what_it_requires_is_tried() -> None:
    refused = {("Mutation", name) for name in REFUSED_IN_THE_RESULT}
    tried = set(ASKED) | refused | DECIDED_BY_THE_SERVICE | TRIED_APART
    assert declaring(RequiresDirective) == tried


@strawberry.type
class Reads:
    @strawberry.field
    def bare(self) -> int:
        return 1


@strawberry.type
class Does:
    @strawberry.mutation
    def bare(self) -> int:
        return 1


@strawberry.type
class Account:
    guarded: int = strawberry.field(directives=[RequiresDirective(action="account:read")])
    bare: int


@strawberry.type
class Declared:
    account: Account = strawberry.field(directives=[AuthenticatedDirective()])
    market: int = strawberry.field(directives=[RequiresDirective(action="market:read")])


@strawberry.type
class Follows:
    @strawberry.subscription
    async def bare(self) -> AsyncIterator[int]:
        yield 1


def test_a_field_that_declares_nothing_fails_the_build() -> None:
    built = strawberry.Schema(query=Reads, mutation=Does, subscription=Follows)
    with pytest.raises(UndeclaredAccess) as raised:
        require_declarations(built._schema)  # noqa: SLF001 - as the build does
    assert str(raised.value) == (
        "neither @requires nor @authenticated: Reads.bare, Does.bare, Follows.bare"
    )


def test_a_field_of_an_account_that_declares_nothing_fails_the_build() -> None:
    built = strawberry.Schema(query=Declared)
    with pytest.raises(UndeclaredAccess) as raised:
        require_declarations(built._schema)  # noqa: SLF001 - as the build does
    assert raised.value.fields == ("Account.bare",)


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


@pytest.mark.parametrize("name", REFUSED_IN_THE_RESULT)
async def test_a_mutation_without_its_grant_says_so_in_its_result(name: str) -> None:
    async with desk_of(policy(Action.ACCOUNT_READ)) as desk:
        (result,) = (await desk.run(REFUSED_IN_THE_RESULT[name]))["data"].values()
        assert result["code"] == "FORBIDDEN"
        assert not {"place", "cancel"} & set(desk.exchange.asked)
