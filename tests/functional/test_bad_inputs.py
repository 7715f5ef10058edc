"""Bad values for every member of every input: refused with a code, by name; nothing is sent."""

from collections.abc import Iterator
from copy import deepcopy

import pytest
from graphql import (
    GraphQLInputField,
    GraphQLInputObjectType,
    get_named_type,
    is_required_input_field,
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
from tests.functional.callers import Json
from tests.functional.exchange import Exchange
from tests.functional.service import Service

OPERATORS = (
    "resolvePlacement",
    "reopenAccount",
    "setTradingState",
    "suspendPrincipal",
    "restorePrincipal",
)
ORDER = {"account": "demo", "clientOrderId": "bad-input", "symbol": "BTCTRY", "side": "BUY"}
TERMS: dict[str, Json] = {
    "limit": {"price": "300000", "quantity": "0.001"},
    "market": {"quantity": "0.001"},
    "stopLimit": {"stopPrice": "500000", "price": "500000", "quantity": "0.001"},
    "fast": {"quoteTotal": "100"},
}
WHY = "to see it refused"
# A person's reason is any text on one line.
REASONS = {("reason", "a query"), ("reason", "a path")}
OTHERS: dict[str, Json] = {
    "cancelOrder": {"account": "demo", "orderId": "0" * 72},
    "cancelAllOrders": {"account": "demo"},
    "armDeadManSwitch": {"account": "demo", "seconds": 3600},
    "resolvePlacement": {"id": "0" * 32, "outcome": "PLACED", "reason": WHY},
    "reopenAccount": {"account": "demo", "reason": WHY},
    "setTradingState": {"state": "ACTIVE", "reason": WHY},
    "suspendPrincipal": {"principal": "stranger", "reason": WHY},
    "restorePrincipal": {"principal": "stranger", "reason": WHY},
}
UNKNOWN = {"symbol": "UNKNOWN_SYMBOL", "account": "UNKNOWN_ACCOUNT"}
# What is looked up first is refused first: of a placement that there is not, no more is looked at.
FIRST = {"resolvePlacement": "id"}


def mutations() -> dict[str, str]:
    """The type of each mutation's input; one that takes none has arguments as fields have."""
    assert SCHEMA.mutation_type is not None
    return {
        name: get_named_type(field.args["input"].type).name
        for name, field in SCHEMA.mutation_type.fields.items()
        if "input" in field.args
    }


def members(name: str, path: str = "") -> Iterator[tuple[str, GraphQLInputField]]:
    """Every member of an input by its path, inner ones included."""
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLInputObjectType)
    for member, field in kind.fields.items():
        yield f"{path}{member}", field
        inside = get_named_type(field.type)
        if isinstance(inside, GraphQLInputObjectType):
            yield from members(inside.name, f"{path}{member}.")


INPUTS = mutations()
MEMBERS = [
    (mutation, path, field) for mutation, name in INPUTS.items() for path, field in members(name)
]


def good(mutation: str, path: str) -> Json:
    """A good input that has the member, if only by its parent."""
    if mutation in OTHERS:
        return dict(OTHERS[mutation])
    kind = path.split(".")[1] if path.count(".") else "limit"
    return {**ORDER, "order": {kind: deepcopy(TERMS[kind])}}


def inside(given: Json, path: str) -> Json:
    """The object that holds the member."""
    for name in path.split(".")[:-1]:
        given = given[name]
    return given


def changed(mutation: str, path: str, value: Json) -> Json:
    """A good input but for one member."""
    given = good(mutation, path)
    holder = inside(given, path)
    if path.startswith("order.fast."):
        holder.clear()  # it has one member or the other
    holder[path.rpartition(".")[2]] = value
    return given


def bad(kinds: dict[str, dict[str, Json]]) -> list[object]:
    """A parameter set for each member and bad value."""
    return [
        pytest.param(mutation, path, value, id=f"{mutation} {path} {name}")
        for mutation, path, field in MEMBERS
        for name, value in values(kinds, field)
        if (path, name) not in REASONS
    ]


@pytest.fixture(autouse=True)
def untroubled(service: Service, exchange: Exchange) -> Iterator[None]:
    """No bad input makes the gateway log an error or a traceback, or place an order."""
    before, orders = service.log.stat().st_size, exchange.orders("demo")
    yield
    assert service.complaints(before) == []
    assert exchange.orders("demo") == orders


def send(service: Service, mutation: str, given: Json) -> Json:
    document = f"""mutation($input: {INPUTS[mutation]}!) {{ {mutation}(input: $input) {{
      __typename ... on Problem {{ code message }} }} }}"""
    caller = service.caller("operator" if mutation in OPERATORS else "trader")
    return post(caller, document, input=given)


@pytest.mark.parametrize(("mutation", "path", "value"), bad(MISTYPED))
def test_a_value_of_another_type_is_refused_by_its_path(
    service: Service, mutation: str, path: str, value: Json
) -> None:
    refusal(
        send(service, mutation, changed(mutation, path, value)), code=BAD_USER_INPUT, field=path
    )


@pytest.mark.parametrize("value", [None, 7, "x", [1]], ids=["null", "number", "text", "list"])
@pytest.mark.parametrize(
    "path", ["order", "order.limit", "order.market", "order.stopLimit", "order.fast"]
)
def test_terms_that_are_none_are_refused(service: Service, path: str, value: Json) -> None:
    refusal(send(service, "placeOrder", changed("placeOrder", path, value)), code=BAD_USER_INPUT)


NEEDED = [(mutation, path) for mutation, path, field in MEMBERS if is_required_input_field(field)]


@pytest.mark.parametrize(("mutation", "path"), NEEDED)
def test_a_member_that_is_needed_and_not_there_is_refused_by_its_path(
    service: Service, mutation: str, path: str
) -> None:
    given = good(mutation, path)
    del inside(given, path)[path.rpartition(".")[2]]
    refusal(send(service, mutation, given), code=BAD_USER_INPUT, field=path)


@pytest.mark.parametrize(
    "path", ["colour", "order.colour", "order.limit.colour", "order.fast.price"]
)
def test_a_member_that_no_input_has_is_refused_by_its_path(service: Service, path: str) -> None:
    kind = path.split(".")[1] if path.count(".") == 2 else "limit"
    given = {**ORDER, "order": {kind: deepcopy(TERMS[kind])}}
    inside(given, path)[path.rpartition(".")[2]] = "1"
    refusal(send(service, "placeOrder", given), code=BAD_USER_INPUT, field=path)


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"limit": TERMS["limit"], "market": TERMS["market"]},
        {"fast": {}},
        {"fast": {"quoteTotal": "100", "quantity": "0.001"}},
    ],
    ids=["no type", "two types", "no terms", "two terms"],
)
def test_an_order_is_of_one_type_and_a_fast_one_has_one_term(service: Service, order: Json) -> None:
    refusal(send(service, "placeOrder", {**ORDER, "order": order}), code=BAD_USER_INPUT)


@pytest.mark.parametrize(("mutation", "path", "value"), bad(STRANGE))
def test_a_value_that_nothing_can_be_made_of_is_refused_by_its_path(
    service: Service, mutation: str, path: str, value: Json
) -> None:
    given = changed(mutation, path, value)
    if path == "order.fast.quantity":
        given["side"] = "SELL"
    result = send(service, mutation, given)["data"][mutation]
    assert result["__typename"].endswith("Rejected")
    if path in UNKNOWN:
        assert result["code"] == UNKNOWN[path]
    else:
        assert result["code"] == BAD_USER_INPUT
        assert result["message"].startswith(f"{FIRST.get(mutation, path)}: ")


def test_a_fast_order_by_the_terms_of_the_other_side_is_refused_by_its_path(
    service: Service,
) -> None:
    for side, terms in (("BUY", {"quantity": "0.001"}), ("SELL", {"quoteTotal": "100"})):
        given = {**ORDER, "side": side, "order": {"fast": terms}}
        result = send(service, "placeOrder", given)["data"]["placeOrder"]
        assert result["code"] == BAD_USER_INPUT
        assert result["message"].startswith("order.fast: ")
