"""Whatever is asked: an answer or coded errors, never a fault of the gateway's own.

Schemathesis makes the documents out of the published schema: valid ones, and ones that break it in
one place; the same ones each time. It knows no subscriptions, so it is shown those as queries.
"""

import re
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.graphql import nodes
from schemathesis.specs.openapi.checks import negative_data_rejection, response_schema_conformance

from tests.faults.load import repeated
from tests.functional.callers import Json, Socket, open_socket
from tests.functional.conftest import running_service
from tests.functional.exchange import QUIET, Exchange
from tests.functional.service import Service

# The pings of the sandboxes' sockets, on threads of this process, draw from `random` while
# Hypothesis watches whether a strategy does.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

ROOT = Path(__file__).parents[2]
SDL = (ROOT / "graphql" / "schema.graphql").read_text(encoding="utf-8")
SCHEMA = schemathesis.graphql.from_file(SDL)
OPERATIONS = [(root, field) for root in SCHEMA for field in SCHEMA[root]]
STREAMS = schemathesis.graphql.from_file(
    SDL.replace("type Query {", "type Unasked {").replace("type Subscription {", "type Query {")
)["Query"]
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
DOCUMENTED = set(re.findall(r"^\| `([A-Z_]+)` \|", ERRORS, re.MULTILINE))
OF_OPERATORS = ("operate", "audit:read")
EXAMPLES = 120
_PACE_S = 0.05

# Values that lead past the first check, and any text at all.
IDS = ("vault", "fuzz", "0" * 72)
NAMES = ("BTCUSDT", "ETHTRY", "BTC", "TRY", "fuzz-1", "fuzz-2")
CURSOR = b64encode(b"9000000000000000:fuzz-1").decode()
NO_DECIMALS = ("1E5", "NaN", "-Infinity", "1" * 37, " 1", "", "1,5")
MOMENTS = ("2026-01-31T12:00:00.000Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "now")

MADE_UP = {
    # Mapped, so that the one that leads furthest counts as half of the choice, not as a third.
    "ID": st.just("demo") | (st.sampled_from(IDS) | st.text()).map(str),
    "String": st.one_of(st.sampled_from(NAMES), st.just(CURSOR), st.text()),
    "Decimal": st.one_of(
        st.decimals(min_value=-1, max_value=100_000, places=3).map("{:f}".format),
        st.sampled_from(NO_DECIMALS),
        st.text(),
    ),
    "Timestamp": st.sampled_from(MOMENTS) | st.datetimes().map("{:%Y-%m-%dT%H:%M:%SZ}".format),
}
for scalar, texts in MADE_UP.items():
    schemathesis.graphql.scalar(scalar, texts.map(nodes.String))
COUNTS = st.integers(0, 101) | st.integers(-(2**31), 2**31 - 1)
schemathesis.graphql.scalar("Int", COUNTS.map(nodes.Int))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway whose books may fill with whatever is made up."""
    with running_service(tmp_path_factory) as running:
        running.exchange.trade("BTCUSDT", "50000", "1")
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """What Schemathesis sends with; proxies of the machine have no say."""
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


def who_may(field: str) -> str:
    """Who calls a field: its answer is to be more than that it is forbidden."""
    rule = re.search(rf"^  {field}\b.*@requires\(action: \"([a-z:-]+)\"\)", SDL, re.MULTILINE)
    return "operator" if rule and rule[1] in OF_OPERATORS else "trader"


def codes(response: Response) -> list[str]:
    return [error["extensions"]["code"] for error in response.json().get("errors", ())]


def coded(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """An answer has data or coded errors, and none is a fault of the gateway's own."""
    assert response.status_code == requests.codes.ok
    assert "data" in response.json() or codes(response)
    assert set(codes(response)) <= DOCUMENTED - {"INTERNAL"}


each_mode = pytest.mark.parametrize("mode", [mode.value for mode in GenerationMode])
fuzzed = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])


@each_mode
@pytest.mark.parametrize(("root", "field"), OPERATIONS)
def test_what_is_made_up_is_answered_or_refused_with_a_code(
    target: Service, session: requests.Session, root: str, field: str, mode: str
) -> None:
    documents = SCHEMA[root][field].as_strategy(generation_mode=GenerationMode(mode))
    outcomes: Counter[str] = Counter()

    @fuzzed
    @given(documents)
    def ask(case: Case[Any]) -> None:
        response = case.call_and_validate(
            f"{target.http.base_url}/graphql",
            session,
            target.caller(who_may(field)).headers,
            checks=[coded, response_schema_conformance, negative_data_rejection],
        )
        outcomes.update(codes(response) or ["OK"])

    before = target.log.stat().st_size
    ask()
    assert target.complaints(before) == []
    assert outcomes["OK"] or mode == GenerationMode.NEGATIVE.value, outcomes


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway before markets that move, and an account with an order: every stream has news."""
    config = replace(QUIET, market_maker=True, tick_seconds=0.05)
    with running_service(tmp_path_factory, config) as running:
        running.exchange.demo.limit("buy", "BTCUSDT", "30000", "0.001")
        yield running


@contextmanager
def eventful(exchange: Exchange) -> Iterator[None]:
    """Let something happen on the account all the time, for who is told of what comes next."""

    def pay_in(_number: int) -> None:
        exchange.control("deposits", account="demo", asset="HOT", quantity="1")
        time.sleep(_PACE_S)  # enough happens, and the machine has time for the rest

    with repeated(pay_in, 1):
        yield


def first_message(opened: Socket, document: str, stream: str) -> Json:
    """The first that is said of a subscription, which then ends."""
    opened.subscribe(document, stream)
    while (message := opened.receive())["id"] != stream:
        assert message["type"] == "next", message  # of one that is ending
    if message["type"] == "next":
        opened.send(type="complete", id=stream)
    return message


@each_mode
@pytest.mark.parametrize("field", list(STREAMS))
def test_a_made_up_subscription_tells_something_or_is_refused_with_a_code(
    lively: Service, field: str, mode: str
) -> None:
    outcomes: Counter[str] = Counter()
    streams = map(str, count())
    before = lively.log.stat().st_size
    with (
        eventful(lively.exchange),
        open_socket(lively.ws_url, lively.caller().token) as opened,
    ):

        @fuzzed
        @given(STREAMS[field].as_strategy(generation_mode=GenerationMode(mode)))
        def follow(case: Case[Any]) -> None:
            message = first_message(opened, "subscription " + str(case.body), next(streams))
            told = message["type"] == "next"
            errors = message["payload"].get("errors", ()) if told else message["payload"]
            found = [error["extensions"]["code"] for error in errors]
            assert set(found) <= DOCUMENTED - {"INTERNAL"}
            assert found or told
            outcomes.update(found or ["OK"])

        follow()
    assert lively.complaints(before) == []
    assert bool(outcomes["OK"]) == (mode == GenerationMode.POSITIVE.value), outcomes
