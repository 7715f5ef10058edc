"""Bad values for every argument of every field: refused with a code, by name where it can be."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLInputObjectType,
    GraphQLObjectType,
    get_named_type,
    is_required_argument,
)

from tests.functional.bad_values import (
    BAD_USER_INPUT,
    MISTYPED,
    SCHEMA,
    STRANGE,
    post,
    refusal,
    values,
)
from tests.functional.callers import Json, open_socket
from tests.functional.service import Service

BOOK = 'orderBook(symbol: "BTCUSDT", depth: $value) { symbol }'
PAGE = "{ edges { cursor } }"


def of_market(selection: str) -> str:
    return f'{{ market(symbol: "BTCUSDT") {{ {selection} }} }}'


def of_account(selection: str) -> str:
    return f'{{ account(id: "demo") {{ {selection} }} }}'


# By argument: what gives it `$value`.
ARGUMENTS = {
    "Query.markets(symbols)": "{ markets(symbols: $value) { symbol } }",
    "Query.markets(quoteAsset)": "{ markets(quoteAsset: $value) { symbol } }",
    "Query.market(symbol)": "{ market(symbol: $value) { symbol } }",
    "Query.account(id)": "{ account(id: $value) { id } }",
    "Query.placement(id)": "{ placement(id: $value) { id } }",
    "Query.placements(account)": f"{{ placements(account: $value) {PAGE} }}",
    "Query.placements(clientOrderId)": (
        f'{{ placements(account: "demo", clientOrderId: $value) {PAGE} }}'
    ),
    "Query.placements(state)": f'{{ placements(account: "demo", state: $value) {PAGE} }}',
    "Query.placements(first)": f'{{ placements(account: "demo", first: $value) {PAGE} }}',
    "Query.placements(after)": f'{{ placements(account: "demo", after: $value) {PAGE} }}',
    "Query.unresolvedPlacements(account)": "{ unresolvedPlacements(account: $value) { id } }",
    "Mutation.disarmDeadManSwitch(account)": (
        "{ disarmDeadManSwitch(account: $value) { ... on Problem { code } } }"
    ),
    "Query.auditLog(first)": f"{{ auditLog(first: $value) {PAGE} }}",
    "Query.auditLog(after)": f"{{ auditLog(after: $value) {PAGE} }}",
    # A start is of no account; a denial bears the one that was asked for, whatever it is.
    "Query.auditLog(account)": f"{{ auditLog(account: $value, kind: STARTED) {PAGE} }}",
    "Query.auditLog(principal)": f"{{ auditLog(principal: $value) {PAGE} }}",
    "Query.auditLog(kind)": f"{{ auditLog(kind: $value) {PAGE} }}",
    "Market.orderBook(depth)": of_market("orderBook(depth: $value) { symbol }"),
    "Market.candles(interval)": of_market("candles(interval: $value) { symbol }"),
    "Market.candles(from)": of_market("candles(interval: M1, from: $value) { symbol }"),
    "Market.candles(to)": of_market("candles(interval: M1, to: $value) { symbol }"),
    "Market.trades(first)": of_market("trades(first: $value) { symbol }"),
    "Account.openOrders(symbol)": of_account("openOrders(symbol: $value) { symbol }"),
    "Account.fills(symbol)": of_account("fills(symbol: $value) { symbol }"),
    "Account.depositOptions(asset)": of_account("depositOptions(asset: $value) { name }"),
    "Account.withdrawalOptions(asset)": of_account("withdrawalOptions(asset: $value) { name }"),
    "Subscription.tickers(symbols)": "{ tickers(symbols: $value) { symbol } }",
    "Subscription.topOfBook(symbol)": "{ topOfBook(symbol: $value) { symbol } }",
    "Subscription.orderBook(symbol)": "{ orderBook(symbol: $value) { symbol } }",
    "Subscription.orderBook(depth)": f"{{ {BOOK} }}",
    "Subscription.candles(symbol)": "{ candles(symbol: $value, interval: M1) { symbol } }",
    "Subscription.candles(interval)": (
        '{ candles(symbol: "BTCUSDT", interval: $value) { symbol } }'
    ),
    "Subscription.trades(symbol)": "{ trades(symbol: $value) { __typename } }",
    "Subscription.orders(account)": "{ orders(account: $value) { __typename } }",
    "Subscription.balances(account)": "{ balances(account: $value) { __typename } }",
    "Subscription.accountEvents(account)": "{ accountEvents(account: $value) { sequence } }",
    "Subscription.accountEvents(after)": (
        '{ accountEvents(account: "demo", after: $value) { sequence } }'
    ),
}
OPERATIONS = ("Mutation", "Subscription")
OPERATORS = ("auditLog", "unresolvedPlacements")
# What matches nothing is no error where one chooses among what there is; and a mutation's result
# says itself why nothing was done.
ANSWERS: dict[str, Json] = {
    "Mutation.disarmDeadManSwitch(account)": {"disarmDeadManSwitch": {"code": "UNKNOWN_ACCOUNT"}},
    "Query.placement(id)": {"placement": None},
    "Query.auditLog(account)": {"auditLog": {"edges": []}},
    "Query.auditLog(principal)": {"auditLog": {"edges": []}},
}
UNKNOWN = {
    "symbol": {"code": "UNKNOWN_SYMBOL"},
    "symbols": {"code": "UNKNOWN_SYMBOL"},
    "account": {"code": "UNKNOWN_ACCOUNT"},
    "id": {"code": "UNKNOWN_ACCOUNT"},
}


def defined() -> Iterator[tuple[str, GraphQLArgument]]:
    """Every argument of every field but the inputs of mutations, which have tests of their own."""
    for kind in SCHEMA.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                for given, argument in field.args.items():
                    if not isinstance(get_named_type(argument.type), GraphQLInputObjectType):
                        yield f"{kind.name}.{name}({given})", argument


DEFINED = dict(defined())


def bad(kinds: dict[str, dict[str, Json]]) -> list[object]:
    """A parameter set for each argument and bad value."""
    return [
        pytest.param(place, value, id=f"{place} {name}")
        for place, definition in DEFINED.items()
        for name, value in values(kinds, definition)
    ]


@pytest.fixture(autouse=True)
def untroubled(service: Service) -> Iterator[None]:
    """No bad input makes the gateway log an error or a traceback."""
    before = service.log.stat().st_size
    yield
    assert service.complaints(before) == []


def ask(service: Service, place: str, **variables: Json) -> Json:
    """The response when an argument is given a value, or none."""
    kind = place.partition(".")[0].lower() if place.startswith(OPERATIONS) else "query"
    document = f"{kind}($value: {DEFINED[place].type}) {ARGUMENTS[place]}"
    if kind != "subscription":
        name = "operator" if any(field in place for field in OPERATORS) else "trader"
        return post(service.caller(name), document, **variables)
    with open_socket(service.ws_url, service.members["trader"].token) as socket:
        socket.subscribe(document, **variables)
        message = socket.receive()
        assert message["type"] == "error", message
        return {"errors": message["payload"]}


def test_every_argument_is_tried() -> None:
    assert set(ARGUMENTS) == set(DEFINED)


@pytest.mark.parametrize(("place", "value"), bad(MISTYPED))
def test_a_value_of_another_type_is_refused_by_its_name(
    service: Service, place: str, value: Json
) -> None:
    field = "value[0]" if isinstance(value, list) and "symbols" in place else "value"
    (error,) = ask(service, place, value=value)["errors"]
    assert error["extensions"]["code"] == BAD_USER_INPUT
    assert error["extensions"]["field"].startswith(field)


@pytest.mark.parametrize("given", [{}, {"value": None}], ids=["missing", "null"])
@pytest.mark.parametrize("place", [name for name in DEFINED if is_required_argument(DEFINED[name])])
def test_a_value_that_is_needed_and_not_there_is_refused(
    service: Service, place: str, given: Json
) -> None:
    refusal(ask(service, place, **given), code=BAD_USER_INPUT)


@pytest.mark.parametrize(("place", "value"), bad(STRANGE))
def test_a_value_that_is_nothing_there_is_is_refused_or_finds_nothing(
    service: Service, place: str, value: Json
) -> None:
    name = place.rstrip(")").partition("(")[2]
    if place in ANSWERS:
        assert ask(service, place, value=value)["data"] == ANSWERS[place]
    else:
        by_name = {"code": BAD_USER_INPUT, "field": name}
        refusal(ask(service, place, value=value), **UNKNOWN.get(name, by_name))


def test_an_argument_that_no_field_has_is_refused(service: Service) -> None:
    document = '{ market(symbol: "BTCUSDT", colour: "red") { symbol } }'
    refusal(post(service.caller(), document), code="GRAPHQL_VALIDATION_FAILED")
