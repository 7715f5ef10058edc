import pytest
from graphql import OperationType

from gateway.schema.documents import DocumentFault, Documents
from tests.unit.schema.examples import LIMITS, SCHEMA

TICKER = '{ market(symbol: "BTCUSDT") { ticker { last } } }'


def documents(capacity: int = 10) -> Documents:
    return Documents(SCHEMA, LIMITS, capacity)


def code_of(text: str, name: str | None = None) -> str:
    with pytest.raises(DocumentFault) as fault:
        documents().operation(text, name)
    (code,) = {(error.extensions or {})["code"] for error in fault.value.errors}
    assert str(fault.value)
    return str(code)


def test_equal_documents_are_parsed_and_validated_once() -> None:
    kept = documents()
    assert kept.operation(TICKER, None).document is kept.operation(TICKER, None).document


def test_the_documents_used_last_are_kept() -> None:
    kept = documents(capacity=2)
    first = kept.operation(TICKER, None).document
    kept.operation("{ a: __typename }", None)
    assert kept.operation(TICKER, None).document is first
    kept.operation("{ b: __typename }", None)
    assert kept.operation(TICKER, None).document is first
    for number in range(2):
        kept.operation(f"{{ c{number}: __typename }}", None)
    assert kept.operation(TICKER, None).document is not first


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("\ud800", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...a } fragment a on Query { ...a }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("{ ...missing }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { a: topOfBook(symbol: "A") { asOf } exchange: __typename }',
         "GRAPHQL_VALIDATION_FAILED"),
        ("{" + " __typename" * 1000 + "}", "TOO_COMPLEX"),
        ("#\n" * 5000 + "{ __typename }", "TOO_COMPLEX"),
        ("{ markets " + "{ a " * 400 + "}" * 401, "TOO_COMPLEX"),
        ("{ market(symbol: " + "[" * 400 + "]" * 400 + ") { symbol } }", "TOO_COMPLEX"),
        ("{" + "".join(f"a{number}: __typename " for number in range(16)) + "}", "TOO_COMPLEX"),
        ("{ __typename } query Two { __typename }", "GRAPHQL_VALIDATION_FAILED"),
    ],
    ids=range(14),
)  # fmt: skip
def test_what_cannot_be_executed_says_why_with_a_code(text: str, code: str) -> None:
    assert code_of(text) == code


def test_an_operation_is_found_by_its_name_and_a_wrong_name_is_a_fault() -> None:
    text = "query One { __typename } query Two { __typename }"
    assert documents().operation(text, "Two").name == "Two"
    assert code_of(text, "Three") == "GRAPHQL_VALIDATION_FAILED"


def test_no_more_than_a_few_errors_are_told() -> None:
    with pytest.raises(DocumentFault) as fault:
        documents().operation("{" + " nothing" * 200 + "}", None)
    assert len(fault.value.errors) <= 6


@pytest.mark.parametrize(
    ("text", "public"),
    [
        (TICKER, True),
        ("{ markets { symbol } __typename }", True),
        ('subscription { trades(symbol: "BTCUSDT") { __typename } }', True),
        ('subscription { orders(account: "demo") { __typename } }', False),
        ("{ accounts { id } }", False),
        ("{ markets { symbol } viewer { principal } }", False),
        ("{ exchange { reachable } }", False),
        ("{ __schema { queryType { name } } }", False),
        ("{ ...all } fragment all on Query { accounts { id } }", False),
        ("{ ... { viewer { principal } } }", False),
        ("{ markets: viewer { principal } }", False),
    ],
)
def test_public_is_what_names_nothing_but_public_market_data(text: str, *, public: bool) -> None:
    operation = documents().operation(text, None)
    assert operation.public is public


def test_a_mutation_is_never_public() -> None:
    operation = documents().operation("mutation { __typename }", None)
    assert (operation.type, operation.public) == (OperationType.MUTATION, False)
