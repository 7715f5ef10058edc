"""Every code of the exchange: the sandbox gives it, and callers see what docs/errors.md says of it.

What an order, a cancel or a read can provoke, provokes it; where a rule of the gateway refuses the
order before, it is refused under the same name. All codes are put in the sandbox's mouth as well,
also on endpoints that never answer them: this is about their way to the caller. What is due there
is read from the gateway's own table; `tests/unit/exchange/test_error_codes.py` holds that against
the document. Those of withdrawing and signing are provoked without the gateway: by clients of the
sandbox (`tests/functional/test_clients.py`), or in `tests/unit/sandbox`.
"""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.cli.operations import operation
from gateway.exchange import ERROR_CODES
from gateway.sandbox import Account, Permission, default_assets, default_markets
from tests.functional.conftest import running_service
from tests.functional.exchange import DEMO, QUIET, Json, account
from tests.functional.ordering import cancel
from tests.functional.service import MARKET, READ, TRADE_ALL, Member, Service
from tests.processes import eventually

PLACE = operation("place-order")


def with_key(name: str, **changes: object) -> Account:
    made = account(name)
    (keys,) = made.keys
    return replace(made, keys=(replace(keys, **changes),))  # type: ignore[arg-type]


KNOWN = (
    DEMO,
    replace(account("newcomer"), registered=False),
    replace(account("unverified"), verification=0),
    replace(account("abroad"), country="US"),
    with_key("onlooker", permissions=frozenset({Permission.READ})),
    with_key("elsewhere", addresses=(ip_network("10.0.0.0/8"),)),
)
UNKNOWN = account("unknown")
MARKETS, ASSETS = default_markets(), default_assets()
ETH, LINK, UNI = (ASSETS[symbol] for symbol in ("ETH", "LINK", "UNI"))
CONFIG = replace(
    QUIET,
    accounts=(*QUIET.accounts, *KNOWN[1:]),
    markets=MARKETS
    | {
        "HOTTRY": replace(MARKETS["HOTTRY"], enabled=False),
        "UNITRY": replace(MARKETS["UNITRY"], market_orders=False, fast_orders=False),
    },
    assets=ASSETS
    | {
        "ETH": replace(ETH, deposit=replace(ETH.deposit, enabled=False)),
        "LINK": replace(LINK, withdraw=replace(LINK.withdraw, enabled=False)),
        "UNI": replace(UNI, deposit=replace(UNI.deposit, blocked_countries=frozenset({"US"}))),
    },
)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway for accounts that the exchange refuses, each for its reason; a caller for each."""
    accounts = (*KNOWN, UNKNOWN)
    names = [each.account_id for each in accounts]
    people = [Member(name, (MARKET, READ, TRADE_ALL), account=name) for name in names]
    states = ("ready", "degraded")  # accounts that cannot be followed are told of
    with running_service(tmp_path_factory, CONFIG, accounts, people, ready=states) as running:
        running.exchange.demo.limit("sell", "XRPTRY", "4.5", "100")
        for name in STOPPING.values():
            ask_account(running, name, "openOrders { symbol }")
        keys = [f"{name}/" for name in STOPPING.values()]
        assert eventually(lambda: all(key in running.problems().get("keys", "") for key in keys))
        yield running


def limit(price: str, quantity: str) -> Json:
    return {"limit": {"price": price, "quantity": quantity}}


FAIR = limit("300000", "0.001")

# By code: who orders, where, which way, and what.
ORDERS: dict[str, tuple[str, str, str, Json]] = {
    "10010": ("newcomer", "BTCTRY", "BUY", FAIR),
    "10031": ("demo", "BTCTRY", "BUY", limit("300000", "900000")),
    "10038": ("demo", "HOTTRY", "BUY", limit("0.07", "1000")),
    "10039": ("demo", "BTCTRY", "BUY", limit("300000", "0.00003")),
    "10040": ("demo", "BTCTRY", "BUY", limit("300000", "0.0000001")),
    "10041": ("demo", "XRPTRY", "BUY", limit("4.6", "100")),
    "10042": ("demo", "UNITRY", "SELL", {"market": {"quantity": "1"}}),
    "10060": ("demo", "UNITRY", "SELL", {"fast": {"quantity": "1"}}),
    "10061": ("demo", "BTCTRY", "SELL", limit("2000000", "0.001")),
    "10062": ("demo", "BTCTRY", "BUY", limit("100000", "0.001")),
    "20001": ("unknown", "BTCTRY", "BUY", FAIR),
    "20002": ("elsewhere", "BTCTRY", "BUY", FAIR),
    "20004": ("demo", "BTCTRY", "BUY", FAIR),
    "20007": ("demo", "BTCTRY", "BUY", limit("300000.001", "0.001")),
    "20008": (
        "demo",
        "BTCTRY",
        "BUY",
        {"stopLimit": {"stopPrice": "500000.001", "price": "500000", "quantity": "0.001"}},
    ),
    "20009": ("demo", "BTCTRY", "BUY", limit("300000", "0.0010001")),
    "20011": ("onlooker", "BTCTRY", "BUY", FAIR),
    "20012": ("demo", "BTCTRY", "BUY", {"fast": {"quoteTotal": "100.001"}}),
}
# Of these, those that the gateway sees before it sends anything, and by which rule.
RULES = {
    "10031": "account.balance",
    "10038": "market.enabled",
    "10039": "market.min_total",
    "10040": "market.min_quantity",
    "10041": "account.self_cross",
    "10061": "market.price_band",
    "10062": "market.price_band",
    "20007": "market.price_precision",
    "20008": "market.price_precision",
    "20009": "market.quantity_precision",
    "20012": "market.total_precision",
}
READS = {
    "10010": ("newcomer", "balances { asset }"),
    "10026": ("unverified", 'depositOptions(asset: "BTC") { name }'),
    "10027": ("demo", 'depositOptions(asset: "ETH") { name }'),
    "10028": ("demo", 'withdrawalOptions(asset: "LINK") { name }'),
    "10051": ("abroad", 'depositOptions(asset: "UNI") { name }'),
    "20001": ("unknown", "openOrders { symbol }"),
    "20002": ("elsewhere", "fills { symbol }"),
}
ASSETS_ASKED = {"10037": "DOGE", "20006": "D-O-G-E"}
# No caller reaches what answers these: they are put in the exchange's mouth.
OF_WITHDRAWING = {"10029", "10030", "10035", "10054", "10055", "10063", "10064", "20010"}
OF_A_GATEWAY_THAT_SIGNS_WRONGLY = {"20000", "20003", "20005"}
UNCLEAR = {"90000", "90001"}
# They say that a key is not good.
STOPPING = {"20001": "unknown", "20002": "elsewhere"}
# It may have traded in part before it was refused.
TO_RECONCILE = "10041"
NOT_OPEN = "10075"


@pytest.fixture
def mended(target: Service) -> Iterator[Service]:
    """The same, whose keys of the account demo the exchange has taken again afterwards."""
    yield target
    assert eventually(lambda: "demo/" not in target.problems().get("keys", ""))


def test_of_every_code_it_is_known_what_provokes_it() -> None:
    provoked = {*ORDERS, *READS, *ASSETS_ASKED, NOT_OPEN}
    assert provoked.isdisjoint(OF_WITHDRAWING | OF_A_GATEWAY_THAT_SIGNS_WRONGLY | UNCLEAR)
    put = OF_WITHDRAWING | OF_A_GATEWAY_THAT_SIGNS_WRONGLY | UNCLEAR
    assert provoked | put == set(ERROR_CODES)


def ask_account(service: Service, name: str, selection: str) -> Json:
    """The error of a read, as the caller of that account sees it."""
    query = f'{{ account(id: "{name}") {{ {selection} }} }}'
    return service.caller(name).error(query)


def send_order(service: Service, code: str, account_id: str = "demo", **terms: Json) -> Json:
    given = {"account": account_id, "clientOrderId": f"provokes-{code}", **terms}
    return service.caller(account_id).answer(PLACE, input=given)["placeOrder"]


def orders_sent(service: Service) -> int:
    """How many orders the exchange has received so far."""
    counts = service.exchange.http.get("/control/requests").json()["counts"]
    return sum(count for path, count in counts.items() if path.endswith(("-buy", "-sell")))


def check_rejection(result: Json, kind: str, code: str) -> None:
    known = ERROR_CODES[code]
    assert result["__typename"] == kind, result
    shown = (result["code"], result["exchangeCode"], result["retryable"])
    assert shown == (known.name, code, known.retryable)
    assert result["message"] == f"{known.meaning}: {known.advice}"


def check_stopped(told: Json, code: str) -> None:
    """The gateway has met the code before, and uses the key no more."""
    shown = (told["code"], told["exchangeCode"], told["retryable"])
    assert shown == ("KEY_UNAVAILABLE", code, True)


def check_error(error: Json, code: str) -> None:
    known = ERROR_CODES[code]
    assert error["extensions"] == {
        "code": "EXCHANGE_REFUSED",
        "exchangeCode": code,
        "reason": known.name,
        "retryable": known.retryable,
    }
    assert error["message"] == f"{known.meaning}: {known.advice}"


@pytest.mark.parametrize("code", sorted(ORDERS.keys() - RULES.keys()))
def test_an_order_that_provokes_a_code_is_rejected_with_it(target: Service, code: str) -> None:
    account_id, symbol, side, order = ORDERS[code]
    with target.exchange.skew(60_000 if code == "20004" else 0):
        result = send_order(target, code, account_id, symbol=symbol, side=side, order=order)
    if code in STOPPING:
        check_stopped(result, code)
    else:
        check_rejection(result, "OrderRejected", code)


@pytest.mark.parametrize("code", RULES)
def test_an_order_that_would_provoke_a_code_is_refused_here_under_its_name(
    target: Service, code: str
) -> None:
    account_id, symbol, side, order = ORDERS[code]
    before = orders_sent(target)
    result = send_order(target, code, account_id, symbol=symbol, side=side, order=order)
    told = (result["__typename"], result["code"], result["exchangeCode"], result["rule"])
    assert told == ("OrderRejected", ERROR_CODES[code].name, None, RULES[code]), result
    assert result["message"].endswith("nothing was sent")
    assert orders_sent(target) == before


@pytest.mark.parametrize("code", READS)
def test_a_read_that_provokes_a_code_is_refused_with_it(target: Service, code: str) -> None:
    error = ask_account(target, *READS[code])
    if code in STOPPING:
        check_stopped(error["extensions"], code)
    else:
        check_error(error, code)


@pytest.mark.parametrize("options", ["depositOptions", "withdrawalOptions"])
@pytest.mark.parametrize("code", ASSETS_ASKED)
def test_an_asset_that_the_exchange_does_not_know_is_bad_input(
    target: Service, code: str, options: str
) -> None:
    selection = f'{options}(asset: "{ASSETS_ASKED[code]}") {{ name }}'
    extensions = ask_account(target, "demo", selection)["extensions"]
    assert extensions == {"code": "BAD_USER_INPUT", "field": "asset", "retryable": False}
    endpoint = "balance/deposit" if options == "depositOptions" else "balance/withdraw"
    assert target.exchange.requests(endpoint)[-1]["answered"] == code


def test_a_cancel_of_an_order_that_never_was_is_not_found(target: Service) -> None:
    never = "1" * 72
    result = cancel(target.caller("demo"), never)
    assert (result["__typename"], result["code"]) == ("CancelRejected", "ORDER_NOT_FOUND")
    (asked,) = target.exchange.requests("market/cancel-order", orderId=never)
    assert asked["answered"] == NOT_OPEN


@pytest.mark.parametrize("code", ERROR_CODES)
def test_whatever_code_an_order_is_answered_by_it_is_shown_by_its_name(
    mended: Service, code: str
) -> None:
    # Each at a price of its own: while one has no outcome, an order like it is not sent.
    order = limit(f"{290_000 + int(code)}", "0.001")
    with mended.exchange.fault("market/limit-buy", outcome="code-before", code=code):
        result = send_order(mended, f"{code}-put", symbol="BTCTRY", side="BUY", order=order)
    if code in {*UNCLEAR, TO_RECONCILE}:
        assert result["__typename"] == "OrderPending"
    else:
        check_rejection(result, "OrderRejected", code)


@pytest.mark.parametrize("code", ERROR_CODES)
def test_whatever_code_a_cancel_is_answered_by_it_is_shown_by_its_name(
    mended: Service, code: str
) -> None:
    with mended.exchange.fault("market/cancel-order", outcome="code-before", code=code):
        result = cancel(mended.caller("demo"), "0" * 72)
    if code in {*UNCLEAR, NOT_OPEN}:
        # What the answer does not tell is looked up: there is no such order.
        assert (result["__typename"], result["code"]) == ("CancelRejected", "ORDER_NOT_FOUND")
    else:
        check_rejection(result, "CancelRejected", code)


@pytest.mark.parametrize("code", ERROR_CODES)
def test_whatever_code_a_read_is_answered_by_it_is_shown_by_its_name(
    mended: Service, code: str
) -> None:
    with mended.exchange.fault("balance/currencies", outcome="code-before", code=code):
        error = ask_account(mended, "demo", "currencies { name }")
    if code in UNCLEAR:
        unavailable = {"code": "EXCHANGE_UNAVAILABLE", "exchangeCode": code, "retryable": True}
        assert error["extensions"] == unavailable
    else:
        check_error(error, code)


def test_a_code_that_no_table_has_is_passed_on_and_proves_nothing(target: Service) -> None:
    with target.exchange.fault("*", outcome="code-before", code="12345"):
        result = send_order(target, "12345", symbol="BTCTRY", side="BUY", order=FAIR)
        error = ask_account(target, "demo", "currencies { name }")
    assert result["__typename"] == "OrderPending"
    assert error["extensions"]["exchangeCode"] == "12345"
