"""Who may do what, over real connections, and what happens when the policy file changes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import open_socket
from tests.functional.conftest import running_service
from tests.functional.ordering import CANCEL, accepted, cancel, place
from tests.functional.service import MARKET, READ, Member, Service
from tests.processes import eventually

TICKERS = operation("watch-tickers")
ORDERS = operation("watch-orders")
TICKER = '{ market(symbol: "BTCUSDT") { ticker { last } } }'
BALANCES = '{ account(id: "demo") { balances { asset } } }'
OPEN_ORDERS = '{ account(id: "demo") { openOrders { orderId } } }'


@pytest.fixture(scope="module")
def changing_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway whose policy these tests change."""
    with running_service(tmp_path_factory) as running:
        yield running


@pytest.fixture
def own_service(changing_service: Service) -> Iterator[Service]:
    """That gateway, with the usual policy in force before each test."""
    yield changing_service
    changing_service.write_policy(changing_service.members.values())
    assert eventually(lambda: changing_service.readiness() == "ready")
    assert eventually(lambda: has_usual_policy(changing_service))


def has_usual_policy(service: Service) -> bool:
    """Whether each member whose token is good has the grants that it began with."""
    return all(
        grants_in_force(service, name) == len(member.grants)
        for name, member in service.members.items()
        if member.expires is None
    )


def grants_in_force(service: Service, name: str) -> int:
    """How many grants a member has; -1 if its token is not known."""
    response = service.caller(name).post("{ viewer { grants { id } } }")
    return len(response.json()["data"]["viewer"]["grants"]) if response.is_success else -1


def write_members(service: Service, **changes: Member | None) -> None:
    """Write the policy with some principals changed, or left out."""
    members = {**service.members, **changes}
    service.write_policy(member for member in members.values() if member is not None)


@pytest.mark.parametrize(
    ("name", "query", "code"),
    [
        ("stranger", TICKER, "FORBIDDEN"),
        ("stranger", "{ markets { symbol } }", "FORBIDDEN"),
        ("stranger", "{ exchange { reachable } }", "FORBIDDEN"),
        ("stranger", BALANCES, "UNKNOWN_ACCOUNT"),
        ("reader", BALANCES, "UNKNOWN_ACCOUNT"),
        ("placer", BALANCES, "FORBIDDEN"),
        ("placer", OPEN_ORDERS, "FORBIDDEN"),
        ("placer", TICKER, "FORBIDDEN"),
    ],
)
def test_what_no_grant_names_cannot_be_read(
    service: Service, name: str, query: str, code: str
) -> None:
    assert service.caller(name).code(query) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("stranger", "UNKNOWN_ACCOUNT"),
        ("reader", "UNKNOWN_ACCOUNT"),
        ("auditor", "FORBIDDEN"),
    ],
)
def test_what_no_grant_names_cannot_be_done(service: Service, name: str, code: str) -> None:
    caller = service.caller(name)
    before = len(service.exchange.requests("market/cancel-order"))
    placed = place(caller, "not-granted", price="330000")
    assert (placed["__typename"], placed["code"]) == ("OrderRejected", code)
    assert placed["rule"] == (None if code == "UNKNOWN_ACCOUNT" else "default-deny")
    cancelled = cancel(caller, "0" * 72)
    assert (cancelled["__typename"], cancelled["code"]) == ("CancelRejected", code)
    assert service.exchange.requests("market/limit-buy", price="330000") == []
    assert len(service.exchange.requests("market/cancel-order")) == before


def test_who_may_place_need_not_be_able_to_read(service: Service) -> None:
    placer = service.caller("placer")
    query = (
        "mutation($i: PlaceOrderInput!) "
        "{ placeOrder(input: $i) { ... on OrderAccepted { order { orderId } } } }"
    )
    given = {
        "account": "demo",
        "clientOrderId": "placed-blind",
        "symbol": "BTCTRY",
        "side": "BUY",
        "order": {"limit": {"price": "300000", "quantity": "0.001"}},
    }
    order_id = placer.answer(query, i=given)["placeOrder"]["order"]["orderId"]
    cancelled = placer.answer(CANCEL, account="demo", orderId=order_id)["cancelOrder"]
    assert cancelled["__typename"] == "OrderCancelled"


@pytest.mark.parametrize(
    ("name", "query", "code"),
    [
        ("stranger", "subscription { tickers { last } }", "FORBIDDEN"),
        ("stranger", 'subscription { trades(symbol: "BTCUSDT") { __typename } }', "FORBIDDEN"),
        ("reader", 'subscription { orders(account: "demo") { __typename } }', "UNKNOWN_ACCOUNT"),
        ("placer", 'subscription { orders(account: "demo") { __typename } }', "FORBIDDEN"),
    ],
)
def test_what_no_grant_names_cannot_be_followed(
    service: Service, name: str, query: str, code: str
) -> None:
    with open_socket(service.ws_url, service.members[name].token) as socket:
        socket.subscribe(query)
        assert socket.error_code() == code


def test_a_stream_that_others_share_is_not_for_who_may_not_read_it(service: Service) -> None:
    with (
        open_socket(service.ws_url, service.members["trader"].token) as allowed,
        open_socket(service.ws_url, service.members["stranger"].token) as refused,
    ):
        allowed.subscribe(TICKERS)
        allowed.next()
        refused.subscribe(TICKERS)
        assert refused.error_code() == "FORBIDDEN"


def test_a_token_taken_away_closes_its_sockets_and_is_refused(own_service: Service) -> None:
    trader, second = own_service.caller("trader"), own_service.caller("second-trader")
    with (
        open_socket(own_service.ws_url, trader.token) as lost,
        open_socket(own_service.ws_url, second.token) as kept,
    ):
        for socket in (lost, kept):
            socket.subscribe(TICKERS)
            socket.next()
        write_members(own_service, trader=None)
        assert lost.closed() == 4403
        assert trader.post(TICKER).status_code == 401
        kept.subscribe("{ __typename }", "2")
        while (message := kept.receive())["id"] != "2":
            pass
        assert message["type"] == "next"


def test_a_new_token_is_known_within_seconds(own_service: Service) -> None:
    newcomer = Member("newcomer", (MARKET,))
    own_service.members["newcomer"] = newcomer
    try:
        caller = own_service.caller("newcomer")
        assert caller.post(TICKER).status_code == 401
        write_members(own_service)
        assert eventually(lambda: caller.post(TICKER).status_code == 200)
    finally:
        del own_service.members["newcomer"]


@pytest.mark.parametrize(
    ("left", "ends", "code", "stays"),
    [
        ((MARKET,), "orders", "UNKNOWN_ACCOUNT", "tickers"),
        ((READ, ("orders:read-all",)), "tickers", "FORBIDDEN", "orders"),
    ],
    ids=["account", "market"],
)
def test_a_grant_taken_away_ends_just_its_streams(
    own_service: Service, left: tuple[tuple[str, ...], ...], ends: str, code: str, stays: str
) -> None:
    trader, second = own_service.members["trader"], own_service.caller("second-trader")
    accepted(second, f"seen-{ends}")
    with open_socket(own_service.ws_url, trader.token) as socket:
        socket.subscribe(ORDERS, "orders", account="demo")
        socket.next("orders")
        socket.subscribe(TICKERS, "tickers", symbols=["1INCHUSDT"])
        while (message := socket.receive())["id"] == "orders":  # there may be more than one open
            pass
        assert message["type"] == "next"
        write_members(own_service, trader=replace(trader, grants=left))
        while (message := socket.receive())["id"] == stays:
            pass
        assert (message["type"], message["id"]) == ("error", ends)
        assert message["payload"][0]["extensions"]["code"] == code
        own_service.exchange.trade("1INCHUSDT", "3.95", "10")
        accepted(second, f"still-seen-{stays}")
        assert socket.next(stays)


def test_a_grant_given_is_in_force_within_seconds(own_service: Service) -> None:
    stranger = own_service.caller("stranger")
    assert stranger.code(TICKER) == "FORBIDDEN"
    write_members(own_service, stranger=Member("stranger", (MARKET,)))
    assert eventually(lambda: "errors" not in stranger.post(TICKER).json())


@pytest.mark.parametrize(
    "text", ["", "{", "version: 2", "\x00"], ids=["empty", "torn", "v2", "nul"]
)
def test_a_bad_policy_file_leaves_the_old_one_in_force_and_is_reported(
    own_service: Service, text: str
) -> None:
    trader = own_service.caller()
    own_service.write_policy_text(text)
    assert eventually(lambda: "policy" in own_service.problems())
    assert own_service.readiness() == "degraded"
    assert own_service.metric("gateway_policy_refused") == 1
    assert trader.answer(TICKER)
    own_service.write_policy(own_service.members.values())
    assert eventually(lambda: own_service.readiness() == "ready")
    assert own_service.metric("gateway_policy_refused") == 0


def test_a_token_that_expires_closes_its_socket_and_is_refused(own_service: Service) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_members(own_service, reader=Member("reader", (MARKET,), expires=until))
    reader = own_service.caller("reader")
    with open_socket(own_service.ws_url, reader.token) as socket:
        socket.subscribe(TICKERS)
        socket.next()
        assert socket.closed() == 4403
    assert datetime.now(UTC) >= datetime.fromisoformat(until)
    assert reader.post(TICKER).status_code == 401


def test_an_account_without_credentials_is_reported_and_unknown(own_service: Service) -> None:
    own_service.write_policy_text(
        '{"version": 1, "accounts": ["demo", "vault", "lost"], "principals": []}'
    )
    assert eventually(lambda: "lost" in own_service.problems().get("accounts", ""))
    assert own_service.readiness() == "degraded"
