import pytest
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st

from gateway.schema.limits import DocumentLimits, excess

MOST = DocumentLimits(depth=8, aliases=15, fields=1000, tokens=1000, cost=25_000)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{ a { b { c { d { e { f { g { h } } } } } } } }", None),
        (
            "{ a { b { c { d { e { f { g { h { i } } } } } } } } }",
            "the operation's depth is 9; at most 8 allowed",
        ),
        ("{" + " ".join(f"x{number}: a" for number in range(15)) + "}", None),
        (
            "{" + " ".join(f"x{number}: a" for number in range(16)) + "}",
            "the operation's aliases count 16; at most 15 allowed",
        ),
        ("{" + "a " * 1000 + "}", None),
        ("{" + "a " * 1001 + "}", "the operation's fields count 1001; at most 1000 allowed"),
        ("{ __schema { types { fields { type { ofType { ofType { name } } } } } } }", None),
    ],
    ids=range(7),
)
def test_a_document_is_told_what_it_has_too_much_of(text: str, problem: str | None) -> None:
    assert excess(parse(text), MOST) == problem


@given(st.integers(0, 4), st.integers(0, 4))
def test_a_fragment_counts_wherever_it_is_named(spreads: int, fields: int) -> None:
    text = (
        "{" + "...f " * spreads + " a } "
        "fragment f on Query {" + "x: b " * fields + " ... on Query { c { d } } }"
    )
    exact = DocumentLimits(
        depth=2 if spreads else 1,
        aliases=spreads * fields,
        fields=1 + spreads * (fields + 2),
        tokens=0,
        cost=0,
    )
    assert excess(parse(text), exact) is None
    less = DocumentLimits(exact.depth, exact.aliases, exact.fields - 1, 0, 0)
    assert excess(parse(text), less) is not None


def test_fragments_that_multiply_are_counted_without_being_written_out() -> None:
    """Ten spreads in each of forty fragments are 10**40 fields."""
    bomb = "{ ...f0 }" + "".join(
        f"fragment f{number} on Query {{ {f'...f{number + 1} ' * 10} }}" for number in range(40)
    )
    problem = excess(parse(bomb + "fragment f40 on Query { a }"), MOST)
    assert problem == f"the operation's fields count {10**40}; at most 1000 allowed"


def test_each_operation_of_a_document_keeps_the_limits() -> None:
    deep = "{ a { b { c { d { e { f { g { h { i } } } } } } } } }"
    assert excess(parse(f"query One {{ a }} query Two {deep}"), MOST) is not None
