"""Everybody asks for everything, over HTTP and over WebSockets, and gets what the policy says.

What is expected is computed from the policy file's words by `authorization_rules`, which shares
nothing with the gateway. Everybody asks for what is their own: so nothing but the policy is in
their way.
"""

from collections.abc import Iterator

import pytest

from tests.functional.authorization_fields import ASKS, Ask, declared_needs, outcome_of
from tests.functional.authorization_house import (
    SYMBOL,
    AskingSocket,
    House,
    everything_followed,
    running_house,
)
from tests.functional.authorization_people import ACCOUNTS, NEIGHBOUR, PEOPLE, Person
from tests.functional.authorization_rules import allows, expected, named_accounts
from tests.functional.callers import open_socket

EVERYBODY_AND_NOBODY = (*PEOPLE, None)
PROVEN = [person for person in PEOPLE if person.proves_itself]
UNPROVEN = [person for person in EVERYBODY_AND_NOBODY if person not in PROVEN]
CALLS = [ask for ask in ASKS if ask.operation != "subscription"]
NO_ORDER = "0" * 72


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
def test_over_a_websocket_nobody_is_heard_without_proof(house: House, person: Person | None) -> None:
    outcomes = {ask.name: house.unheard(person, ask) for ask in ASKS}
    assert outcomes == row(person, list(ASKS))
