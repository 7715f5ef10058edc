"""docs/errors.md is the table of codes, and the code is held to it."""

import re
from collections.abc import Iterator
from pathlib import Path

import gateway.domain.stop_errors  # noqa: F401 - what it defines has rows too
from gateway.domain.errors import ExchangeFailure, GatewayError, Refused
from gateway.domain.order_errors import AgainstRules
from gateway.domain.placements import PlacementState
from gateway.exchange import ERROR_CODES
from gateway.schema import errors as graphql_errors

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCUMENT, re.MULTILINE)
OF_THE_GATEWAY = {code: cells.split(" | ") for code, cells in ROWS if not code.isdigit()}
OF_THE_EXCHANGE = {code: cells.split(" | ") for code, cells in ROWS if code.isdigit()}
OF_DOCUMENTS = {
    graphql_errors.PARSE_FAILED,
    graphql_errors.VALIDATION_FAILED,
    graphql_errors.TOO_COMPLEX,
    graphql_errors.BAD_USER_INPUT,
    graphql_errors.INTERNAL,
}
OF_PLACEMENTS = {PlacementState.NOT_PLACED.value}
"""What was found to be no order has no answer whose code it could tell."""


def failures(base: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from failures(kind)


def yes_or_no(value: bool) -> str:  # noqa: FBT001 - it is what is written
    return "yes" if value else "no"


def test_every_code_has_one_row() -> None:
    codes = [code for code, _ in ROWS]
    assert len(codes) == len(set(codes))
    # The one is only ever raised as one of its kinds, the other with a code of the exchange's.
    kinds = [kind for kind in failures() if kind not in {ExchangeFailure, AgainstRules}]
    ours = {kind.code for kind in kinds} | OF_DOCUMENTS | OF_PLACEMENTS
    assert set(OF_THE_GATEWAY) == ours
    assert set(OF_THE_EXCHANGE) == set(ERROR_CODES)


def test_every_row_says_whether_trying_again_can_help() -> None:
    for kind in failures():
        if kind not in {Refused, ExchangeFailure, AgainstRules}:
            assert OF_THE_GATEWAY[kind.code][1] == yes_or_no(kind.retryable), kind
    assert OF_THE_GATEWAY[Refused.code][1] == "as there"
    assert OF_THE_GATEWAY[graphql_errors.INTERNAL][1] == "yes"


def test_every_row_of_the_exchange_says_what_the_code_says() -> None:
    for code, known in ERROR_CODES.items():
        row = [f"`{known.name}`", known.meaning, yes_or_no(known.retryable), known.advice]
        assert OF_THE_EXCHANGE[code] == row


def test_every_status_of_the_http_edge_is_told() -> None:
    sources = (ROOT / "gateway" / "web").glob("*.py")
    used = {
        status
        for source in sources
        for status in re.findall(
            r"(?:HttpRefusal|_Answer|_refuse)\((\d{3})\b", source.read_text(encoding="utf-8")
        )
    }
    assert used >= {"200", "401", "431", "503"}
    assert {status for status in used if not re.search(rf"\b{status}\b", DOCUMENT)} == set()
