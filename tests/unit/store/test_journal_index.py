import pytest
from hypothesis import given

from gateway.domain.errors import BadUserInput
from gateway.domain.placements import Placement
from gateway.store.journal_index import (
    client_order_id_at,
    cursor_at,
    position_at,
    position_of,
)
from tests.unit.store.examples import placement, placements


@given(intent=placements)
def test_a_cursor_leads_to_its_position_and_that_to_its_placement(intent: Placement) -> None:
    position = position_of(intent)
    assert position_at(cursor_at(position)) == position
    assert client_order_id_at(position) == intent.command.client_order_id


def test_a_cursor_shows_nothing_of_what_it_leads_to() -> None:
    cursor = cursor_at(position_of(placement(client_order_id="my-order")))
    assert "my-order" not in cursor


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nothing",
        "ä",
        "\ud800",
        cursor_at("c-1"),
        cursor_at("123:c-1"),
        cursor_at("0000000000001000:c-1") + "!",
        cursor_at("0000000000001000:c-1")[:-1],
        "_" * 100_000,
    ],
    ids=range(9),
)
def test_what_is_no_cursor_is_refused_by_the_argument_s_name(cursor: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        position_at(cursor)
    assert refused.value.field == "after"
