"""Everybody asks for everything, over HTTP and over WebSockets, and gets what the policy says.

What is expected is computed from the policy file's words by `authorization_rules`, which shares
nothing with the gateway. Everybody asks for what is their own: so nothing but the policy is in
their way.
"""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.functional.authorization_fields import ASKS, NOWHERE, Ask, declared_needs, outcome_of
from tests.functional.authorization_house import (
    NO_ORDER,
    SYMBOL,
    AskingSocket,
    House,
    everything_followed,
    running_house,
)
from tests.functional.authorization_people import (
    ACCOUNTS,
    EVERYBODY,
    NEIGHBOUR,
    PEOPLE,
    Person,
)
from tests.functional.authorization_rules import (
    allows,
    expected,
    missing_action,
    named_accounts,
)
from tests.functional.callers import open_socket
from tests.processes import eventually

EVERYBODY_AND_NOBODY = (*PEOPLE, None)
PROVEN = [person for person in PEOPLE if person.proves_itself]
UNPROVEN = [person for person in EVERYBODY_AND_NOBODY if person not in PROVEN]
CALLS = [ask for ask in ASKS if ask.operation != "subscription"]


def name_of(person: Person | None) -> str:
    return "no token" if person is None else person.name


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The gateway that these tests share."""
    with running_house(tmp_path_factory) as running:
        yield running


def row(person: Person | None, asks: list[Ask]) -> dict[str, str]:
    """What is expected of each ask, by its name."""
    outcomes = {ask.name: expected(person, ask) for ask in asks}
    assert len(outcomes) == len(asks), "two asks have the same name"
    return outcomes


def test_each_field_of_the_schema_has_a_row_and_takes_what_it_declares() -> None:
    assert {ask.field: ask.action for ask in ASKS} == declared_needs()


def test_every_outcome_of_every_field_is_expected_of_somebody() -> None:
    for ask in ASKS:
        outcomes = {expected(person, ask) for person in EVERYBODY_AND_NOBODY}
        allowed = ask.account != "nowhere" and ask.action is not None
        assert "UNAUTHENTICATED" in outcomes
        assert not allowed or {"OK", "FORBIDDEN"} <= outcomes, ask.name


@pytest.mark.parametrize("person", EVERYBODY_AND_NOBODY, ids=name_of)
def test_over_http_everybody_gets_what_the_policy_says(house: House, person: Person | None) -> None:
    outcomes = {ask.name: house.over_http(person, ask) for ask in CALLS}
    assert outcomes == row(person, CALLS)


@pytest.mark.parametrize("person", PROVEN, ids=name_of)
def test_over_a_websocket_everybody_gets_what_the_policy_says(house: House, person: Person) -> None:
    with (
        everything_followed(house),
        open_socket(house.service.ws_url, house.token(person)) as socket,
    ):
        asking = AskingSocket(socket)
        outcomes = {ask.name: asking.outcome(ask, house.variables(person, ask)) for ask in ASKS}
    assert outcomes == row(person, list(ASKS))


@pytest.mark.parametrize("person", UNPROVEN, ids=name_of)
def test_over_a_websocket_nobody_is_heard_without_proof(
    house: House, person: Person | None
) -> None:
    outcomes = {ask.name: house.unheard(person, ask) for ask in ASKS}
    assert outcomes == row(person, list(ASKS))


@pytest.mark.parametrize("person", PROVEN, ids=name_of)
def test_everybody_is_shown_the_accounts_and_rules_that_are_theirs(
    house: House, person: Person
) -> None:
    entry = person.entry()
    shown = house.caller(person).answer(
        "{ accounts { id } viewer { principal grants { id } denies { id } } }"
    )
    assert [account["id"] for account in shown["accounts"]] == named_accounts(entry)
    assert shown["viewer"] == {
        "principal": person.name,
        "grants": [{"id": grant["id"]} for grant in entry["grants"]],
        "denies": [{"id": deny["id"]} for deny in entry["denies"]],
    }


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("person", PROVEN, ids=name_of)
def test_open_orders_are_ones_own_or_with_the_right_all(
    house: House, person: Person, account: str
) -> None:
    house.order_of_nobody(account)
    house.order_of_neighbour(account)
    entry = person.entry()
    standing = house.standing(account)
    own = standing.intersection(house.orders[person.name, account])
    seen = standing if allows(entry, "orders:read-all", account) else own
    assert seen, "there is nothing to be seen"
    if allows(entry, "account:read", account):
        assert shown_orders(house, person, account, f'(symbol: "{SYMBOL}")') == seen
        assert streamed_orders(house, person, account) == shown_orders(house, person, account)
    else:
        document = f'{{ account(id: "{account}") {{ openOrders {{ orderId }} }} }}'
        hidden = account not in named_accounts(entry)
        code = "UNKNOWN_ACCOUNT" if hidden else "FORBIDDEN"
        assert house.caller(person).code(document) == code


def shown_orders(house: House, person: Person, account: str, choice: str = "") -> set[str]:
    document = f'{{ account(id: "{account}") {{ openOrders{choice} {{ orderId }} }} }}'
    orders = house.caller(person).answer(document)["account"]["openOrders"]
    return {order["orderId"] for order in orders}


def streamed_orders(house: House, person: Person, account: str) -> set[str]:
    """The orders that a stream begins with: all that it tells before a gap."""
    document = f"""subscription {{ orders(account: "{account}") {{
        __typename ... on Order {{ orderId }}
    }} }}"""
    told: set[str] = set()
    with open_socket(house.service.ws_url, house.token(person)) as socket:
        socket.subscribe(document)
        told.add(socket.next()["orders"]["orderId"])
        house.service.exchange.streams("cut", account)
        while (event := socket.next()["orders"])["__typename"] != "Gap":
            told.add(event["orderId"])
    return told


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("person", PROVEN, ids=name_of)
def test_orders_that_are_cancelled_are_ones_own_or_with_the_right_all(
    house: House, person: Person, account: str
) -> None:
    (ask,) = [
        each for each in ASKS if (each.field, each.account) == ("Mutation.cancelOrder", account)
    ]
    may = expected(person, ask)
    may_all = allows(person.entry(), "orders:read-all", account)
    others = may if may != "OK" or may_all else "ORDER_NOT_FOUND"
    none = "ORDER_NOT_FOUND" if others == "OK" else others
    orders = {
        house.own_order(person, account): may,
        house.order_of_neighbour(account): others,
        house.order_of_nobody(account): others,
        NO_ORDER: none,
    }
    outcomes = {order_id: cancelled(house, person, ask, order_id) for order_id in orders}
    assert outcomes == orders
    standing = house.standing(account)
    for order_id in orders.keys() - {NO_ORDER}:
        sent = house.service.exchange.requests("market/cancel-order", orderId=order_id)
        assert bool(sent) == (orders[order_id] == "OK") == (order_id not in standing)


def cancelled(house: House, person: Person, ask: Ask, order_id: str) -> str:
    response = house.caller(person).post(ask.document, ownOrder=order_id)
    return outcome_of(response.json(), ask)


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("person", PROVEN, ids=name_of)
def test_placements_are_ones_own_but_for_who_may_operate_the_account(
    house: House, person: Person, account: str
) -> None:
    caller = house.caller(person)
    of_another = house.placements[NEIGHBOUR.name, account]
    document = "query ($id: ID!) { placement(id: $id) { id } }"
    operates = allows(person.entry(), "operate", account)
    shown = {"id": of_another} if operates else None
    assert caller.answer(document, id=of_another) == {"placement": shown}
    document = f'{{ placements(account: "{account}") {{ edges {{ node {{ id }} }} }} }}'
    if account not in named_accounts(person.entry()):
        assert caller.code(document) == "UNKNOWN_ACCOUNT"
        return
    edges = caller.answer(document)["placements"]["edges"]
    listed = {edge["node"]["id"] for edge in edges}
    assert house.placements[person.name, account] in listed
    assert of_another not in listed


@pytest.fixture(scope="module")
def quiet(house: House) -> None:
    """What other tests were denied is on record: repeated denials are, a second later."""
    time.sleep(1.5)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("person", [each for each in PROVEN if each.name != EVERYBODY], ids=name_of)
def test_each_denial_is_on_record_once(house: House, person: Person) -> None:
    before = denials(house, person)
    outcomes = [(ask, house.over_http(person, ask)) for ask in CALLS]
    told = Counter(
        (_denied(person, ask, outcome), _declared(ask.account, outcome), outcome)
        for ask, outcome in outcomes
        # That there is nothing to switch is no denial.
        if outcome == "FORBIDDEN" or (outcome == "UNKNOWN_ACCOUNT" and ask.action != "operate")
    )
    assert eventually(lambda: denials(house, person) - before == told)


def _denied(person: Person, ask: Ask, outcome: str) -> str:
    if outcome == "UNKNOWN_ACCOUNT":
        return ask.action or "account:read"
    return missing_action(person, ask)


def _declared(account: str | None, outcome: str) -> str | None:
    # Denials are merged whatever accounts a caller makes up, or may not know of.
    return None if outcome == "UNKNOWN_ACCOUNT" or account == NOWHERE else account


def denials(house: House, person: Person) -> Counter[tuple[str, str | None, str]]:
    """How often somebody was denied what, as the audit log has it."""
    document = """query ($principal: ID!, $after: String) {
        auditLog(first: 100, after: $after, principal: $principal, kind: DENIED) {
            edges { node { action account outcome detail { name value } } }
            pageInfo { hasNextPage endCursor }
        }
    }"""
    caller = house.caller(NEIGHBOUR)
    found: Counter[tuple[str, str | None, str]] = Counter()
    after, more = None, True
    while more:
        page = caller.answer(document, principal=person.name, after=after)["auditLog"]
        for edge in page["edges"]:
            node = edge["node"]
            named = {each["name"]: each["value"] for each in node["detail"]}
            account = _declared(node["account"], node["outcome"])
            found[node["action"], account, node["outcome"]] += int(named.get("count", 1))
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    return found
