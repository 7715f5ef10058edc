"""The published documents of graphql/operations, each sent to a running gateway."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.functional.callers import Caller, Json, open_socket
from tests.functional.ordering import accepted, command
from tests.functional.service import Service

FOLDER = Path(__file__).parents[2] / "graphql" / "operations"
DOCUMENTS = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.graphql")}

MARKET = {"symbol": "BTCTRY"}
ACCOUNT = {"account": "demo"}
MARKET_ORDER = {
    **ACCOUNT,
    **MARKET,
    "clientOrderId": "document-market",
    "side": "BUY",
    "order": {"market": {"quantity": "0.001"}},
}
CANDLES = {**MARKET, "interval": "H1"}
SWITCH = {"principal": "stranger", "state": "CANCEL_ONLY", "reason": "a document"}
SUSPENSION = {"principal": "former", "reason": "a document"}

VARIABLES: dict[str, Callable[[Caller], Mapping[str, Any]]] = {
    "account": lambda _: {"id": "demo", **MARKET},
    "arm-dead-man-switch": lambda _: {**ACCOUNT, "seconds": 3600},
    "audit-log": lambda _: {},
    "cancel-all-orders": lambda _: {**ACCOUNT, "principal": "second-trader"},
    "cancel-order": lambda caller: {
        **ACCOUNT,
        "orderId": accepted(caller, "document-cancelled")["order"]["orderId"],
    },
    "candles": lambda _: CANDLES,
    "currencies": lambda _: ACCOUNT,
    "disarm-dead-man-switch": lambda _: ACCOUNT,
    "exchange": lambda _: {},
    "fills": lambda _: {**ACCOUNT, **MARKET},
    "market": lambda _: MARKET,
    "markets": lambda _: {"quoteAsset": "TRY"},
    "order-book": lambda _: {**MARKET, "depth": 5},
    "place-limit-order": lambda _: command("document"),
    "place-order": lambda _: {"input": MARKET_ORDER},
    "placement": lambda caller: {"id": accepted(caller, "document-read")["placement"]["id"]},
    "placements": lambda _: ACCOUNT,
    "reopen-account": lambda _: {**ACCOUNT, "reason": "a document"},
    "resolve-placement": lambda caller: {
        "id": accepted(caller, "document-resolved")["placement"]["id"],
        "outcome": "PLACED",
        "reason": "a document",
    },
    "restore-principal": lambda _: SUSPENSION,
    "set-trading-state": lambda _: SWITCH,
    "suspend-principal": lambda _: SUSPENSION,
    "trades": lambda _: {**MARKET, "first": 5},
    "trading-switches": lambda _: {},
    "transfer-options": lambda _: {**ACCOUNT, "asset": "BTC"},
    "transfers": lambda _: ACCOUNT,
    "unresolved-placements": lambda _: ACCOUNT,
    "viewer": lambda _: {},
    "watch-account-events": lambda _: {**ACCOUNT, "after": "0"},
    "watch-balances": lambda _: ACCOUNT,
    "watch-candles": lambda _: CANDLES,
    "watch-order-book": lambda _: {**MARKET, "depth": 5},
    "watch-orders": lambda _: ACCOUNT,
    "watch-tickers": lambda _: {"symbols": ["BTCTRY"]},
    "watch-top-of-book": lambda _: MARKET,
    "watch-trades": lambda _: MARKET,
}
WATCHED = sorted(name for name in VARIABLES if name.startswith("watch-"))
FOR_OPERATORS = [
    "audit-log",
    "reopen-account",
    "resolve-placement",
    "restore-principal",
    "set-trading-state",
    "suspend-principal",
    "trading-switches",
    "unresolved-placements",
]
EMPTY_WHILE_ALL_IS_WELL = {"quarantines", "unresolvedPlacements"}
ANSWERED = sorted(VARIABLES.keys() - {*WATCHED, *FOR_OPERATORS})


@pytest.fixture(scope="module", autouse=True)
def something_to_show(service: Service, trader: Caller) -> Iterator[None]:
    """A trade, an open order and a fill, so that answers have a content, and something to buy."""
    service.exchange.trade("BTCTRY", "434000", "0.01")
    accepted(trader, "document-open")
    service.exchange.outsider.limit("sell", "BTCTRY", "434000", "0.1")
    accepted(trader, "document-filled", price="434000")
    yield
    operator = service.caller("operator")
    operator.answer(DOCUMENTS["set-trading-state"], **SWITCH | {"state": "ACTIVE"})
    operator.answer(DOCUMENTS["restore-principal"], **SUSPENSION)
    trader.answer(DOCUMENTS["disarm-dead-man-switch"], **ACCOUNT)
    service.exchange.sweep()


def shows_something(answer: Json) -> bool:
    """Whether no root field is null or empty, but for those that had better be."""
    found = {name: value for name, value in answer.items() if name not in EMPTY_WHILE_ALL_IS_WELL}
    return all(value not in (None, [], {}) for value in found.values())


def test_every_published_document_is_tried_here() -> None:
    assert VARIABLES.keys() == DOCUMENTS.keys()


@pytest.mark.parametrize("name", ANSWERED)
def test_a_published_query_or_mutation_is_answered(trader: Caller, name: str) -> None:
    assert shows_something(trader.answer(DOCUMENTS[name], **VARIABLES[name](trader)))


@pytest.mark.parametrize("name", FOR_OPERATORS)
def test_a_published_document_for_operators_is_answered(service: Service, name: str) -> None:
    operator = service.caller("operator")
    operator.answer(DOCUMENTS["set-trading-state"], **SWITCH)
    operator.answer(DOCUMENTS["suspend-principal"], **SUSPENSION)
    assert shows_something(operator.answer(DOCUMENTS[name], **VARIABLES[name](service.caller())))


@pytest.mark.parametrize("name", WATCHED)
def test_a_published_subscription_shows_what_is_known(
    service: Service, trader: Caller, name: str
) -> None:
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(DOCUMENTS[name], **VARIABLES[name](trader))
        assert shows_something(opened.next())
