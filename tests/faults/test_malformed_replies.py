"""Replies that are none: coded and counted, kept in no cache; no order is called refused."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from gateway.cli.operations import operation
from tests.faults.malformed import BREAKS, sample
from tests.functional.callers import Caller
from tests.functional.conftest import running_service
from tests.functional.exchange import Json
from tests.functional.ordering import cancel, place
from tests.functional.service import Service
from tests.processes import eventually

SYMBOL = "ETHUSDT"
MARKET = f'market(symbol: "{SYMBOL}")'
ACCOUNT = 'account(id: "demo")'
MARKETS = "{ markets { symbol baseAsset } }"
BRIEF = "0.05/0.3"
UNAVAILABLE = "EXCHANGE_UNAVAILABLE"
LIMITED = "RATE_LIMITED"
TOO_MANY = "429 in HTML"
UNREADABLE = [name for name in BREAKS if name != TOO_MANY]
KINDS = ("listing", "rules", "top_of_book", "order_book", "candles", "trades")


PLACE_ORDER = operation("place-order")
INTENT = {"account": "demo", "symbol": SYMBOL}
TERMS = {
    "limit": {"price": "1900", "quantity": "0.1"},
    "market": {"quantity": "0.1"},
    "stop-limit": {"stopPrice": "1700", "price": "1500", "quantity": "0.1"},
    "fast": {"quantity": "0.1"},
}
# Neither is sent where the outcome of another order is unknown.
SYMBOLS = {"market": "BTCUSDT", "fast": "ETHTRY"}
# All that a cancel needs: the order beside the code is for show.
CANCELLED = '{"code": "00000", "order": {"market": "BTCTRY"}}'
ENOUGH_FOR_A_CANCEL = {
    "a needed member is missing",
    "a needed member is null",
    "a needed member is an object",
    "a needed member is a boolean",
    "an exponent beyond all bounds",
    "nothing but success",
}


@dataclass(frozen=True)
class Part:
    """What is read of one endpoint, and a member of the reply without which it cannot be shown."""

    path: str
    needed: str
    selection: str

    @property
    def endpoint(self) -> str:
        """The endpoint as metrics name it."""
        return self.path.rpartition("/")[2]


def of_market(endpoint: str, needed: str, selection: str) -> Part:
    return Part(f"market/{endpoint}", needed, f"{MARKET} {{ {selection} }}")


def of_account(path: str, needed: str, selection: str) -> Part:
    return Part(path, needed, f"{ACCOUNT} {{ {selection} }}")


PARTS = (
    of_market("info", "minTradeTotal", "rules { minTotal stale }"),
    of_market("orderbook", "price", "topOfBook { bid { price } stale }"),
    of_market("depth", "price", "orderBook { bids { price } stale }"),
    of_market("candles", "open", "candles(interval: D1) { candles { low } stale }"),
    of_market("trades", "price", "trades { trades { price } stale }"),
    of_account("market/user-orders", "market", "openOrders { price }"),
    of_account("market/user-trades", "price", "fills { price }"),
    of_account("balance/wallet", "total", "balances { asset total }"),
    of_account("balance/currencies", "symbol", "currencies { asset }"),
    of_account(
        "balance/deposit", "minimumDepositAmount", 'depositOptions(asset: "BTC") { minimum }'
    ),
    of_account(
        "balance/withdraw", "minimumWithdrawAmount", 'withdrawalOptions(asset: "BTC") { minimum }'
    ),
    of_account("balance/deposit-history", "amount", "deposits { quantity }"),
    of_account("balance/withdraw-history", "amount", "withdrawals { quantity }"),
)
QUERY = "{" + " ".join(f"a{n}: {part.selection}" for n, part in enumerate(PARTS)) + "}"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway that forgets what it read at once."""
    brief = {f"NGW_LIFETIME_{kind.upper()}": BRIEF for kind in KINDS}
    with running_service(tmp_path_factory, settings=brief) as running:
        running.exchange.trade(SYMBOL, "1660", "1")
        running.exchange.outsider.limit("buy", SYMBOL, "1650", "1")
        running.exchange.demo.limit("buy", SYMBOL, "1000", "1")
        yield running


@pytest.fixture(autouse=True)
def untroubled(target: Service) -> Iterator[None]:
    """No reply makes the gateway log an error or a traceback."""
    before = target.log.stat().st_size
    yield
    assert target.complaints(before) == []
    # A pause that a 429 began is of its test alone.
    assert eventually(lambda: target.readiness() == "ready")


@contextmanager
def breaking(service: Service, name: str) -> Iterator[None]:
    with ExitStack() as stack:
        for part in PARTS:
            fault = BREAKS[name](sample(part.endpoint), part.needed)
            stack.enter_context(service.exchange.fault(part.path, **fault))
        yield


def read(caller: Caller) -> list[Json]:
    """What is shown of each part, or the code of its error."""
    body = caller.post(QUERY).json()
    parts = [None if part is None else next(iter(part.values())) for part in body["data"].values()]
    for error in body.get("errors", ()):
        parts[int(error["path"][0].removeprefix("a"))] = error["extensions"]["code"]
    return parts


def outdated(part: Json) -> Json:
    return {**part, "stale": True} if isinstance(part, dict) else part


def unusable(service: Service, part: Part) -> float:
    """How many replies of an endpoint were counted that were no success."""
    name = "gateway_upstream_requests_total"
    whole = service.metric(name, endpoint=part.endpoint)
    return whole - service.metric(name, endpoint=part.endpoint, code="00000")


def kept(service: Service) -> set[str]:
    """The kinds of what the cache holds of the market; the ticker comes of the stream."""
    names = service.valkey.command("KEYS", f"ngw:1:market:*:{SYMBOL}:*").decode()
    return set(re.findall(rf"market:(\w+):{SYMBOL}", names)) - {"ticker"}


@pytest.fixture(scope="module")
def known(target: Service) -> list[Json]:
    """What there is to be shown."""
    shown = read(target.caller())
    assert UNAVAILABLE not in shown
    return shown


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_reply_that_cannot_be_read_is_a_coded_error_and_is_counted_and_not_kept(
    target: Service, known: list[Json], name: str
) -> None:
    caller = target.caller()
    before = [unusable(target, part) for part in PARTS]
    with breaking(target, name):
        for shown, last in zip(read(caller), known, strict=True):
            assert shown in (UNAVAILABLE, last, outdated(last))
        nothing = [UNAVAILABLE] * len(PARTS)
        assert eventually(lambda: read(caller) == nothing and not kept(target))
    counted = [unusable(target, part) for part in PARTS]
    assert all(after > first for first, after in zip(before, counted, strict=True))
    assert eventually(lambda: read(caller) == known)


def test_a_429_stops_all_reads_and_is_kept_no_more_than_another_broken_reply(
    target: Service, known: list[Json]
) -> None:
    caller = target.caller()
    with breaking(target, TOO_MANY):
        nothing = [LIMITED if ACCOUNT in part.selection else UNAVAILABLE for part in PARTS]
        assert eventually(lambda: read(caller) == nothing and not kept(target))
        assert "too many" in target.problems()["exchange"]
    assert eventually(lambda: read(caller) == known)


@pytest.mark.parametrize("name", BREAKS)
def test_an_order_whose_reply_cannot_be_read_is_pending_and_went_out_once(
    target: Service, name: str
) -> None:
    exchange, price = target.exchange, str(300_000 + list(BREAKS).index(name))
    fault = BREAKS[name](sample("limit-buy"), "market")
    executed = {} if fault["outcome"] == "truncated" else {"executes": True}
    with exchange.fault("market/limit-buy", **fault, **executed):
        result = place(target.caller(), f"broken-{price}", price=price)
    assert result["__typename"] == "OrderPending", result
    assert (result["placement"]["state"], result["placement"]["newIdSafe"]) == ("UNKNOWN", False)
    assert len(exchange.requests("market/limit-buy", price=price)) == 1
    assert len(exchange.orders("demo", price=int(price))) == 1


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("kind", ["limit", "market", "stop-limit", "fast"])
def test_of_every_order_type_an_order_whose_reply_cannot_be_read_is_pending(
    target: Service, kind: str, side: str
) -> None:
    endpoint = f"market/{kind}-{side}"
    terms = TERMS[kind] if (kind, side) != ("fast", "buy") else {"quoteTotal": "1000"}
    given = {**INTENT, "clientOrderId": endpoint.replace("/", "."), "side": side.upper()}
    if kind == "limit" and side == "buy":
        terms = {**terms, "price": "1500"}  # an order of one's own is not to be met
    given["symbol"] = SYMBOLS.get(kind, SYMBOL)
    member = "stopLimit" if kind == "stop-limit" else kind
    before = len(target.exchange.requests(endpoint))
    with target.exchange.fault(endpoint, outcome="truncated"):
        answer = target.caller().answer(PLACE_ORDER, input={**given, "order": {member: terms}})
    assert answer["placeOrder"]["__typename"] == "OrderPending", answer
    assert len(target.exchange.requests(endpoint)) == before + 1


@pytest.mark.parametrize("name", BREAKS)
def test_a_cancel_is_accepted_by_success_alone_and_else_pending(target: Service, name: str) -> None:
    order_id = target.exchange.demo.limit("buy", "BTCTRY", "290000", "0.001")
    fault = BREAKS[name](CANCELLED, "market")
    with target.exchange.fault("market/cancel-order", **fault):
        result = cancel(target.caller(), order_id)
    # What was carried out all the same is found out at once.
    enough = name in ENOUGH_FOR_A_CANCEL or fault["outcome"] == "truncated"
    expected = "OrderCancelled" if enough else "CancelPending"
    assert result["__typename"] == expected


@pytest.mark.parametrize("name", ["a needed member is an object", "not a number", "half a text"])
def test_without_a_list_of_markets_that_can_be_read_no_market_is_made_up(
    target: Service, name: str
) -> None:
    caller = target.caller()
    markets = caller.answer(MARKETS)
    fault = BREAKS[name](sample("markets"), "firstSymbol")
    with target.exchange.fault("market/markets", **fault):
        assert eventually(lambda: "errors" in caller.post(MARKETS).json())
        assert caller.code(MARKETS) == UNAVAILABLE
        assert place(target.caller(), f"no-list-{len(name)}")["code"] == UNAVAILABLE
    assert eventually(lambda: caller.post(MARKETS).json().get("data") == markets)
