import json
from ipaddress import ip_network

import pytest

from gateway.sandbox import Account, KeyPair
from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.permissions import Permission
from gateway.sandbox.stream_protocol import StreamProtocol, Topic
from tests.unit.sandbox.clients import ANN, DOCUMENT_KEY, DOCUMENT_SECRET, Json, hmac_hex


@pytest.fixture
def protocol() -> StreamProtocol:
    return StreamProtocol({"BTCTRY", "BTCUSDT"}, Authenticator([ANN]), "127.0.0.1")


def say(protocol: StreamProtocol, method: str, *params: Json) -> Json:
    return protocol.receive(json.dumps({"method": method, "params": params}))


@pytest.mark.parametrize(
    "topic",
    [
        {"type": "allTickers"},
        {"type": "ticker", "symbol": "BTCTRY"},
        {"type": "candles", "symbol": "BTCTRY", "interval": "m5"},
        {"type": "orderBook", "symbol": "BTCTRY"},
        {"type": "depth", "symbol": "BTCTRY"},
        {"type": "trade", "symbol": "BTCTRY"},
    ],
)
def test_every_documented_topic_is_acknowledged_listed_and_taken_back(
    protocol: StreamProtocol, topic: dict[str, str]
) -> None:
    success = {"status": "success"}
    assert say(protocol, "SUBSCRIBE", topic) == [{"method": "SUBSCRIBE", **success, **topic}]
    listed = {"method": "LIST_SUBSCRIPTIONS", **success}
    assert say(protocol, "LIST_SUBSCRIPTIONS") == [{**listed, "result": [topic]}]
    assert say(protocol, "UNSUBSCRIBE", topic) == [{"method": "UNSUBSCRIBE", **success, **topic}]
    assert say(protocol, "LIST_SUBSCRIPTIONS") == [{**listed, "result": []}]


def test_several_params_get_one_acknowledgement_each(protocol: StreamProtocol) -> None:
    wrong = {"type": "depth", "symbol": "NOPE"}
    replies = say(protocol, "SUBSCRIBE", {"type": "allTickers"}, wrong)
    assert [reply["status"] for reply in replies] == ["success", "failed"]
    assert list(protocol.topics) == [Topic("allTickers")]


def test_subscribing_twice_is_one_subscription(protocol: StreamProtocol) -> None:
    say(protocol, "SUBSCRIBE", {"type": "allTickers"}, {"type": "allTickers"})
    assert list(protocol.topics) == [Topic("allTickers")]


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ({"type": "depth", "symbol": "NOPE"}, "Invalid symbol"),
        ({"type": "depth"}, "Invalid symbol"),
        ({"type": "nope", "symbol": "BTCTRY"}, "Invalid Request"),
        ({"type": "candles", "symbol": "BTCTRY"}, "Invalid Request"),
        ({"type": "candles", "symbol": "BTCTRY", "interval": "m2"}, "Invalid Request"),
        ({"type": "depth", "symbol": "BTCTRY", "interval": "m1"}, "Invalid Request"),
        ({"type": "allTickers", "symbol": "BTCTRY"}, "Invalid Request"),
    ],
)
def test_a_topic_that_does_not_exist_fails_and_says_why(
    protocol: StreamProtocol, topic: dict[str, str], message: str
) -> None:
    expected = {"method": "SUBSCRIBE", "status": "failed", "message": message}
    assert say(protocol, "SUBSCRIBE", topic) == [expected]
    assert not protocol.topics


def test_a_signed_key_binds_the_connection_to_its_account(protocol: StreamProtocol) -> None:
    signature = hmac_hex(DOCUMENT_SECRET, DOCUMENT_KEY)
    message = {"method": "USER_STREAMS", "apiKey": DOCUMENT_KEY, "signature": signature}
    assert protocol.receive(json.dumps(message)) == [
        {"method": "USER_STREAMS", "status": "success"}
    ]
    assert protocol.account_id == "ann"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"apiKey": DOCUMENT_KEY, "signature": "00"},
        {"apiKey": DOCUMENT_KEY, "signature": "ü"},
        {"apiKey": DOCUMENT_KEY, "signature": None},
        {"apiKey": 5, "signature": "00"},
        {"apiKey": None},
        {"apiKey": [DOCUMENT_KEY]},
    ],
)
def test_a_wrong_login_is_unauthorized(protocol: StreamProtocol, fields: dict[str, Json]) -> None:
    reply = {"method": "USER_STREAMS", "status": "failed", "message": "Unauthorized Access"}
    assert protocol.receive(json.dumps({"method": "USER_STREAMS", **fields})) == [reply]
    assert protocol.account_id is None


def test_a_heartbeat_is_tolerated_without_a_reply(protocol: StreamProtocol) -> None:
    assert protocol.receive('{"data":"ping"}') == []


@pytest.mark.parametrize(
    "message",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{method: "SUBSCRIBE"}',
        '{"params": 5}',
        '{"method": 5}',
        b"\xff",
        '{"data":' + "[" * 30_000 + "]" * 30_000 + "}",
    ],
    ids=[str(number) for number in range(9)],
)
def test_garbage_fails_and_harms_nothing(protocol: StreamProtocol, message: str | bytes) -> None:
    assert protocol.receive(message) == [{"status": "failed", "message": "Invalid Request"}]


def test_what_is_no_method_is_not_repeated(protocol: StreamProtocol) -> None:
    assert say(protocol, "DANCE") == [{"status": "failed", "message": "Invalid Request"}]


@pytest.mark.parametrize("wrong", [5, None, {}, {"type": 5}, {"type": "depth", "symbol": []}])
def test_a_param_that_is_no_topic_fails_and_the_others_do_not(
    protocol: StreamProtocol, wrong: Json
) -> None:
    failed = {"method": "SUBSCRIBE", "status": "failed", "message": "Invalid Request"}
    replies = say(protocol, "SUBSCRIBE", wrong, {"type": "allTickers"})
    assert replies[0] == failed
    assert replies[1]["status"] == "success"


@pytest.mark.parametrize("method", ["SUBSCRIBE", "UNSUBSCRIBE"])
def test_nothing_to_subscribe_to_fails(protocol: StreamProtocol, method: str) -> None:
    failed = {"method": method, "status": "failed", "message": "Invalid Request"}
    assert protocol.receive(json.dumps({"method": method})) == [failed]
    assert say(protocol, method) == [failed]
    for params in ({"type": "allTickers"}, "allTickers", None, 5):
        assert protocol.receive(json.dumps({"method": method, "params": params})) == [failed]


def test_a_message_has_at_most_500_params(protocol: StreamProtocol) -> None:
    topic = {"type": "allTickers"}
    assert len(say(protocol, "SUBSCRIBE", *[topic] * 500)) == 500
    failed = {"method": "SUBSCRIBE", "status": "failed", "message": "Invalid Request"}
    assert say(protocol, "SUBSCRIBE", *[topic] * 501) == [failed]


def test_a_login_that_fails_takes_nothing_away(protocol: StreamProtocol) -> None:
    login = {"method": "USER_STREAMS", "apiKey": DOCUMENT_KEY}
    signature = hmac_hex(DOCUMENT_SECRET, DOCUMENT_KEY)
    protocol.receive(json.dumps({**login, "signature": signature}))
    protocol.receive(json.dumps({**login, "signature": "00"}))
    assert protocol.account_id == "ann"


@pytest.mark.parametrize(
    "key",
    [
        KeyPair("key", "secret", permissions=frozenset({Permission.TRADE})),
        KeyPair("key", "secret", addresses=(ip_network("10.0.0.0/8"),)),
    ],
    ids=["a key that may not read", "a key of other addresses"],
)
def test_a_key_that_may_not_is_unauthorized(key: KeyPair) -> None:
    protocol = StreamProtocol({}, Authenticator([Account("eve", (key,), {})]), "127.0.0.1")
    login = {"method": "USER_STREAMS", "apiKey": "key", "signature": hmac_hex("secret", "key")}
    reply = {"method": "USER_STREAMS", "status": "failed", "message": "Unauthorized Access"}
    assert protocol.receive(json.dumps(login)) == [reply]
    assert protocol.account_id is None
