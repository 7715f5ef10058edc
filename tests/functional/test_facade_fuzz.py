"""Whatever is asked of the facade: the exchange's shape and a code, never a fault of its own.

Schemathesis makes the requests out of the facade's own description: valid ones, and ones that break
it; the same ones each time.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.web.facade.openapi import document
from tests.functional.conftest import running_service
from tests.functional.service import Service

# The pings of the sandboxes' sockets, on threads of this process, draw from `random` while
# Hypothesis watches whether a strategy does.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

EXAMPLES = 20
SUCCESS, NOT_PROVEN, UNEXPECTED = "00000", "20001", "90000"
REAL = {"amount": "0.001", "total": "100", "interval": "h1", "startDate": "0"}
"""Values that lead past the look at the parameters."""
MAY_FAIL = re.compile(r"/(?:(?:market|fast)-(?:buy|sell)|cancel-order|create-withdraw)$")
"""What is not done for lack of an order to meet or to cancel, or never."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
each_mode = pytest.mark.parametrize("mode", [mode.value for mode in GenerationMode])
fuzzed = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])


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


SCHEMA = schemathesis.openapi.from_dict(document())
SCHEMA.config.generation.update(with_security_parameters=False)
OPERATIONS = [(method, path) for path in SCHEMA for method in SCHEMA[path]]
each_operation = pytest.mark.parametrize(("method", "path"), OPERATIONS)


def real_values(path: str) -> st.SearchStrategy[dict[str, str]]:
    """Values of which an endpoint can make something: all of them, or some."""
    symbol = "BTC" if "/balance/" in path else "BTCUSDT"
    price, target = ("40000", "51000") if path.endswith("buy") else ("60000", "49000")
    real = {**REAL, "symbol": symbol, "price": price, "target": target}
    one_by_one = {name: st.just(value) for name, value in real.items()}
    return st.just(real) | st.fixed_dictionaries({}, optional=one_by_one)


def in_one_place(case: Case[Any], real: dict[str, str]) -> Case[Any]:
    """The same with its parameters in the body or in the query, some of their values real."""
    # Names and values of headers are for tests of their own: the server refuses some itself.
    case.headers.clear()
    if isinstance(case.body, dict):
        case.query.clear()
    for carried in (case.query, case.body):
        if isinstance(carried, dict):
            carried.update({name: value for name, value in real.items() if name in carried})
    return case


def coded(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """A code of five digits, and a text beside it unless it is success."""
    reply = response.json()
    assert re.fullmatch(r"[0-9]{5}", reply["code"])
    assert (reply["code"] == SUCCESS) != ("msg" in reply)


def ask_all(
    target: Service,
    session: requests.Session,
    route: tuple[str, str],
    mode: str,
    headers: dict[str, str],
) -> Counter[str]:
    """Send what is made up for an endpoint; give how often each code was answered."""
    method, path = route
    cases = SCHEMA[path][method].as_strategy(generation_mode=GenerationMode(mode))
    answered: Counter[str] = Counter()

    @fuzzed
    @given(cases, real_values(path))
    def ask(case: Case[Any], real: dict[str, str]) -> None:
        base = str(target.http.base_url).rstrip("/")
        made = in_one_place(case, real)
        reply = made.call_and_validate(base, session, headers, checks=[coded, *CHECKS])
        answered.update([reply.json()["code"]])

    before = target.log.stat().st_size
    ask()
    assert target.complaints(before) == []
    return answered


@each_mode
@each_operation
def test_what_is_made_up_is_answered_with_a_code(
    target: Service, session: requests.Session, method: str, path: str, mode: str
) -> None:
    token = target.members["trader"].token
    headers = {"Authorization": f"Bearer {token}", "X-Gateway-Account": "demo"}
    answered = ask_all(target, session, (method, path), mode, headers)
    assert not answered.keys() & {NOT_PROVEN, UNEXPECTED}, answered
    assert answered[SUCCESS] or mode == GenerationMode.NEGATIVE.value or MAY_FAIL.search(path)


@each_operation
def test_nothing_is_answered_to_who_shows_nothing_that_proves_anything(
    target: Service, session: requests.Session, method: str, path: str
) -> None:
    answered = ask_all(target, session, (method, path), "positive", {"X-APNK-APIKEY": "k" * 64})
    assert not answered.keys() & {SUCCESS, UNEXPECTED}, answered
