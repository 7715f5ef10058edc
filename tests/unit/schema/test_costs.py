from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLList, get_nullable_type, parse

from gateway.schema.costs import LENGTHS, cost
from gateway.schema.documents import DocumentFault, Documents
from tests.unit.schema.examples import LIMITS, SCHEMA

OPERATIONS = Path(__file__).parents[3] / "graphql" / "operations"
CANDLES = "candles { openTime closeTime open high low close volume }"
FROM = 'from: "2026-01-01T00:00:00Z"'
HOURS = 'from: "2026-01-01T06:10:00Z", to: "2026-01-01T08:00:00Z"'
BACKWARDS = 'from: "2026-01-01T08:00:00Z", to: "2026-01-01T06:00:00Z"'
DECADE = 'from: "2026-01-01T00:00:00Z", to: "2036-01-01T00:00:00Z"'
OF_ONE_STATE = '{ placements(account: "a", first: 1, state: $s) { edges { cursor } } }'
EVERY_MARKET = """{ markets { symbol name baseAsset quoteAsset
  ticker { last bid ask open high low change changePercent baseVolume quoteVolume asOf stale }
  rules { pricePrecision quantityPrecision totalPrecision minTotal minQuantity orderEnabled stale }
  topOfBook { bid { price quantity orders } ask { price quantity orders } asOf stale } } }"""
ONE_MARKET = f"""{{ market(symbol: "BTCUSDT") {{ symbol
  orderBook(depth: 100) {{ bids {{ price quantity orders }} asks {{ price quantity orders }} }}
  candles(interval: M1, {FROM}) {{ {CANDLES} asOf stale }}
  trades(first: 100) {{ trades {{ price quantity side time }} asOf stale }} }} }}"""
EVERYDAY = {path.stem: path.read_text(encoding="utf-8") for path in OPERATIONS.glob("*.graphql")}
EVERYDAY |= {"every-market": EVERY_MARKET, "one-market": ONE_MARKET}


def lists() -> Iterator[str]:
    """Every field of the schema that is a list, as "Type.field"."""
    for kind in SCHEMA.type_map.values():
        if kind.name.startswith("__") or kind.name.endswith("Input"):
            continue
        for name, field in getattr(kind, "fields", {}).items():
            if isinstance(get_nullable_type(field.type), GraphQLList):
                yield f"{kind.name}.{name}"


def test_every_list_of_the_schema_has_a_length_and_nothing_else_has() -> None:
    assert set(lists()) == LENGTHS.keys()


def market(selection: str) -> str:
    return f'{{ market(symbol: "BTCUSDT") {{ {selection} }} }}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 1),
        ("{ __schema { types { name } } }", 1),
        ("{ markets { symbol } }", 200),
        ('{ markets(symbols: ["A", "B"]) { symbol } }', 4),
        ("{ auditLog(first: 5) { edges { cursor } } }", 11),
        ('{ markets(symbols: "A") { symbol } }', 2),
        ("query ($s: [String!]) { markets(symbols: $s) { symbol } }", 200),
        ("{ markets(symbols: null) { symbol } }", 200),
        (market("orderBook { bids { price } }"), 42),
        (market("orderBook(depth: 5) { bids { price } asks { price } }"), 22),
        (market("orderBook(depth: 5) { ...b }") + "fragment b on OrderBook { bids { price } }", 12),
        (market("orderBook(depth: 5) { ... on OrderBook { ... { bids { price } } } }"), 12),
        (market("orderBook(depth: 999) { bids { price } }"), 202),
        (market("orderBook(depth: -5) { bids { price } }"), 4),
        (market("orderBook(depth: null) { bids { price } }"), 202),
        ("query ($d: Int = 1) " + market("orderBook(depth: $d) { bids { price } }"), 202),
        (market("trades(first: 10) { trades { price } }"), 22),
        (market("candles(interval: M1) { candles { open } }"), 2002),
        (market("candles(interval: M1, from: null, to: null) { candles { open } }"), 2002),
        (market(f"candles(interval: M30, {HOURS}) {{ candles {{ open }} }}"), 12),
        (market(f"candles(interval: H4, {HOURS}) {{ candles {{ open }} }}"), 6),
        (market(f"candles(interval: H1, {BACKWARDS}) {{ candles {{ open }} }}"), 4),
        (market(f"candles(interval: M1, {DECADE}) {{ candles {{ open }} }}"), 2002),
        ("query ($i: CandleInterval!) "
         + market(f"candles(interval: $i, {HOURS}) {{ candles {{ open }} }}"), 2002),
        (market(f"candles(interval: M1, {FROM}) {{ candles {{ open }} }}"), 2002),
        ("query ($t: Timestamp) " + market("candles(interval: M1, to: $t) { candles { open } }"),
         2002),
        ("{ a: __typename } query Two { markets { symbol } }", 200),
        ('subscription { orderBook(symbol: "A", depth: 3) { asks { price } } }', 7),
        ('{ placements(account: "a") { edges { cursor } } }', 101),
        ('{ placements(account: "a", first: 5) { edges { cursor node { id } } } }', 21),
        ('{ placements(account: "a", first: null) { edges { cursor } } }', 201),
        ('{ placements(account: "a", first: 1, state: UNKNOWN) { edges { cursor } } }', 201),
        (f"query ($s: PlacementState) {OF_ONE_STATE}", 201),
        ('{ placements(account: "a", first: 1, state: null) { edges { cursor } } }', 3),
        ('{ account(id: "a") { fills { price } } }', 1001),
    ],
    ids=range(35),
)  # fmt: skip
def test_a_list_counts_as_many_times_as_it_may_have_members(text: str, expected: int) -> None:
    assert cost(SCHEMA, parse(text)) == expected


def test_fragments_that_multiply_are_priced_without_being_written_out() -> None:
    bomb = "{ ...f0 }" + "".join(
        f"fragment f{number} on Query {{ {f'...f{number + 1} ' * 10} }}" for number in range(40)
    )
    text = bomb + "fragment f40 on Query { markets { symbol } }"
    assert cost(SCHEMA, parse(text)) == 200 * 10**40


@pytest.mark.parametrize("name", sorted(EVERYDAY))
def test_what_a_desk_asks_every_day_is_within_the_limit(name: str) -> None:
    Documents(SCHEMA, LIMITS, 1).operation(EVERYDAY[name], None)


def test_a_small_document_that_asks_for_all_there_is_is_refused_with_its_cost() -> None:
    one = f"candles(interval: M1, {FROM}) {{ {CANDLES} }}"
    text = "{" + " ".join(f"a{number}: markets {{ {one} }}" for number in range(15)) + "}"
    with pytest.raises(DocumentFault) as fault:
        Documents(SCHEMA, LIMITS, 1).operation(text, None)
    assert str(fault.value) == "the operation's cost is 12003000; at most 25000 allowed"
    (error,) = fault.value.errors
    assert (error.extensions or {})["code"] == "TOO_COMPLEX"
