"""What clients of the exchange, and pages in a browser, see of the facade beside its replies."""

import json
from collections.abc import Iterator

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import close_frame, open_socket
from tests.functional.conftest import running_service
from tests.functional.facade import (
    CANCEL,
    PEOPLE,
    WALLET,
    WITH_VIRTUAL_KEYS,
    Bot,
    answer,
    issue,
    open_stream,
    revoke,
)
from tests.functional.raw_http import exchange, statuses
from tests.functional.service import PEOPLE as THE_USUAL
from tests.functional.service import Service

SWITCH = operation("set-trading-state")
PAGE = "https://desk.example.com"
TRY_LATER = 1013
INVALID = {"code": "90001", "msg": "Invalid Request"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway with virtual keys."""
    people = (*PEOPLE, *THE_USUAL)
    with running_service(tmp_path_factory, people=people, settings=WITH_VIRTUAL_KEYS) as running:
        yield running


@pytest.fixture(scope="module")
def bot(service: Service) -> Bot:
    """A client in good standing."""
    return issue(service, "bot")


UPGRADE = {
    "Host": "gateway",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def refused_upgrade(service: Service, path: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of the answer to an upgrade that is none."""
    lines = [f"{name}: {value}\r\n" for name, value in {**UPGRADE, **headers}.items()]
    received = exchange(service, f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode())
    (status,) = statuses(received)
    return status, received.partition(b"\r\n\r\n")[2]


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway with room for two WebSockets, one of each principal, and one that waits."""
    settings = {
        **WITH_VIRTUAL_KEYS,
        "NGW_MAX_CONNECTIONS": "2",
        "NGW_MAX_CONNECTIONS_PER_PRINCIPAL": "1",
        "NGW_MAX_WAITING_CONNECTIONS": "1",
        "NGW_CONNECTION_INIT_S": "60",
    }
    with running_service(tmp_path_factory, people=PEOPLE, settings=settings) as running:
        yield running


def test_a_principal_has_its_websockets_of_both_protocols_together(cramped: Service) -> None:
    bot = issue(cramped, "bot")
    with open_socket(cramped.ws_url, cramped.members["bot"].token), open_stream(cramped) as stream:
        stream.send(bot.login())
        assert close_frame(stream).code == TRY_LATER


def test_the_websockets_of_both_protocols_share_the_room_that_there_is(cramped: Service) -> None:
    login, token = issue(cramped, "bot").login(), cramped.members["other-bot"].token
    with open_stream(cramped, login) as first:
        assert answer(first)["status"] == "success"
        with open_socket(cramped.ws_url, token), open_stream(cramped) as third:
            assert close_frame(third).code == TRY_LATER


def test_who_waits_in_one_protocol_makes_room_for_who_comes_in_the_other(cramped: Service) -> None:
    with open_socket(cramped.ws_url) as silent, open_stream(cramped) as stream:
        assert silent.closed() == TRY_LATER
        stream.send('{"method":"LIST_SUBSCRIPTIONS"}')
        assert answer(stream)["status"] == "success"


@pytest.mark.parametrize("path", ["/v3/", "/v3/api/ping", "/v3/ws"])
def test_a_stream_at_a_path_that_there_is_not_is_told_as_the_exchange_would(
    service: Service, path: str
) -> None:
    status, body = refused_upgrade(service, path)
    assert (status, json.loads(body)) == (404, INVALID)


@pytest.mark.parametrize("path", ["/", "/ws", "/graphql/", "/v30"])
def test_a_websocket_at_a_path_that_there_is_not_is_told_where_there_are_some(
    service: Service, path: str
) -> None:
    status, body = refused_upgrade(service, path)
    assert status == 404
    assert "/graphql and /v3" in json.loads(body)["errors"][0]["message"]


def test_an_upgrade_with_a_token_that_proves_nothing_or_from_another_page_is_forbidden(
    service: Service,
) -> None:
    for header in ({"Authorization": "Bearer wrong"}, {"Origin": "https://evil.example.com"}):
        assert refused_upgrade(service, "/v3", **header)[0] == 403


def test_an_upgrade_with_a_head_that_no_websocket_may_have_is_refused(service: Service) -> None:
    for header in ({"Content-Length": "3"}, {"X-Long": "a" * 9_000}):
        status, body = refused_upgrade(service, "/v3", **header)
        assert (status, json.loads(body)) == (400, INVALID)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_an_allowed_origin_may_sign_its_requests(service: Service, method: str) -> None:
    preflight = service.http.options(
        f"/v3/api/{WALLET}",
        headers={
            "Origin": PAGE,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "x-apnk-apikey,x-gateway-account,content-type",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert {"x-apnk-apikey", "x-gateway-account"} <= set(allowed.split(", "))


def test_a_page_of_an_allowed_origin_may_read_what_the_headers_say(
    service: Service, bot: Bot
) -> None:
    headers = {**bot.headers, "Origin": PAGE}
    response = service.http.get(f"/v3/api/{WALLET}?{bot.signed()}", headers=headers)
    assert response.json()["code"] == "00000"
    assert response.headers["access-control-allow-origin"] == PAGE
    exposed = response.headers["access-control-expose-headers"].lower()
    assert {"retry-after", "x-gateway-stale", "x-gateway-as-of"} <= set(exposed.split(", "))


def test_a_page_of_another_origin_may_neither_send_a_key_nor_read(
    service: Service, bot: Bot
) -> None:
    origin = {"Origin": "https://evil.example.com"}
    asked = {"Access-Control-Request-Method": "GET"}
    preflight = service.http.options(f"/v3/api/{WALLET}", headers=origin | asked)
    assert preflight.status_code == 400
    response = service.http.get(f"/v3/api/{WALLET}?{bot.signed()}", headers=bot.headers | origin)
    assert "access-control-allow-origin" not in response.headers


def test_a_cancel_while_trading_is_halted_says_when_to_send_it_again(
    service: Service, bot: Bot
) -> None:
    operator = service.caller("operator")
    operator.answer(SWITCH, state="HALTED", reason="a drill")
    try:
        query = bot.signed(orderId="ce82ac3a" * 9)
        response = service.http.post(f"/v3/api/{CANCEL}?{query}", headers=bot.headers)
    finally:
        operator.answer(SWITCH, state="ACTIVE", reason="over")
    assert response.json()["code"] == "20011"
    assert int(response.headers["retry-after"]) > 0


def test_who_still_uses_a_revoked_key_is_told_by_log_and_metric(
    service: Service,
) -> None:
    leaving = issue(service, "leaving")
    leaving.call(WALLET, "GET")
    revoke(service, leaving)
    before = len(service.events())
    counted = service.metric("gateway_unauthenticated_total", cause="revoked")
    assert leaving.send(WALLET, leaving.signed(), "GET")["code"] == "20001"
    assert service.metric("gateway_unauthenticated_total", cause="revoked") == counted + 1
    lines = service.events()[before:]
    (refused,) = (line for line in lines if line["event"] == "facade.refused")
    assert (refused["cause"], refused["key"]) == ("revoked", leaving.key_id)
    assert refused["key_principal"] == "leaving"
    assert leaving.pair.api_key not in service.log.read_text()
