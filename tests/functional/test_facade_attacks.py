"""Attacks on the exchange's own protocol, as the gateway speaks it: nothing of them is done."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from gateway.sandbox import KeyPair
from tests.functional.callers import close_frame
from tests.functional.conftest import running_service
from tests.functional.exchange import wall_clock_ms
from tests.functional.facade import (
    BUY,
    CANCEL,
    MUTATIONS,
    PEOPLE,
    SELL,
    WALLET,
    WITH_VIRTUAL_KEYS,
    Bot,
    answer,
    code,
    issue,
    open_stream,
    order,
    placed,
    revoke,
    sent_on,
)
from tests.functional.raw_http import request
from tests.functional.service import Service

DONE, MISSING, NOT_PROVEN, NOT_PERMITTED = "00000", "20005", "20001", "20011"
NO_TIME = "20003"
CLOSED_BY_POLICY = 1008


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The gateway that is attacked."""
    with running_service(tmp_path_factory, people=PEOPLE, settings=WITH_VIRTUAL_KEYS) as running:
        yield running


@pytest.fixture(scope="module")
def bot(service: Service) -> Bot:
    """A client in good standing, on the account demo."""
    return issue(service, "bot")


@pytest.fixture(scope="module")
def of_the_vault(service: Service) -> Bot:
    """A client in good standing on another account."""
    return issue(service, "of-the-vault", "vault")


@pytest.fixture(autouse=True)
def unharmed(service: Service) -> Iterator[None]:
    """No attack makes the gateway log an error; the books are emptied afterwards."""
    before = service.log.stat().st_size
    yield
    assert service.complaints(before) == []
    service.exchange.sweep()


def test_the_same_bytes_again_are_the_same_order_with_the_same_answer(
    service: Service, bot: Bot
) -> None:
    terms = order()
    query = bot.signed(**terms)
    replies = [bot.send(BUY, query) for _ in range(3)]
    assert replies[0] == replies[1] == replies[2]
    assert replies[0]["code"] == DONE
    (there,) = placed(service.exchange, terms)
    assert there["orderId"] == replies[0]["order"]["orderId"]


def test_the_same_bytes_at_once_and_at_two_gateways_are_one_order(
    service: Service, bot: Bot
) -> None:
    terms = order()
    query = bot.signed(**terms)
    with closing(service.replica()) as replica, ThreadPoolExecutor(8) as threads:
        replica.start()
        senders = [bot, replace(bot, http=replica.http)] * 4
        replies = list(threads.map(lambda sender: sender.send(BUY, query), senders))
        again = senders[1].send(BUY, query)
        elsewhere = senders[1].send(SELL, query)
    (there,) = placed(service.exchange, terms)
    assert sent_on(service.exchange, terms) == 1
    assert {code(reply) for reply in replies} <= {DONE, "90000"}
    assert again["order"]["orderId"] == there["orderId"]
    assert code(elsewhere) == NOT_PROVEN


def test_an_order_that_was_refused_is_not_sent_again_either(service: Service, bot: Bot) -> None:
    terms = order()
    query = bot.signed(**terms)
    with service.exchange.fault(BUY, outcome="code-before", code="10031"):
        first = bot.send(BUY, query)
    assert code(first) == "10031"
    assert bot.send(BUY, query) == first
    assert sent_on(service.exchange, terms) == 1


@pytest.mark.parametrize("path", [path for path in MUTATIONS if path != BUY])
def test_the_signature_of_an_order_does_nothing_on_another_endpoint(
    service: Service, bot: Bot, path: str
) -> None:
    terms = order(target="5", total="100", orderId="0" * 64, node="BTC", address="x")
    query = bot.signed(**terms)
    bot.send(BUY, query)
    assert code(bot.send(path, query)) == NOT_PROVEN
    assert sent_on(service.exchange, terms) == 1


def test_a_signature_that_cancelled_buys_nothing(service: Service, bot: Bot) -> None:
    terms = order()
    order_id = bot.call(BUY, **terms)["order"]["orderId"]
    wanted = order()
    query = bot.signed(**wanted, orderId=order_id)
    assert code(bot.send(CANCEL, query)) == DONE
    assert code(bot.send(BUY, query)) == NOT_PROVEN
    assert placed(service.exchange, wanted) == []


@pytest.mark.parametrize("path", MUTATIONS)
def test_the_signature_of_a_read_does_nothing_where_something_could_be_done(
    service: Service, bot: Bot, path: str
) -> None:
    query = bot.signed()
    assert code(bot.send(WALLET, query, "GET")) == DONE
    before = len(service.exchange.truth("demo")["orders"])
    assert code(bot.send(path, query)) in {MISSING, NOT_PERMITTED}
    assert len(service.exchange.truth("demo")["orders"]) == before


def test_the_signature_of_a_read_posted_reads_nothing_more(bot: Bot) -> None:
    query = bot.signed()
    assert code(bot.send(WALLET, query, "GET")) == DONE
    assert bot.send(WALLET, query, "POST") == {"code": DONE}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("price=4", "price=3"),
        ("price=4", "price=4.0"),
        ("price=4", "price=%34"),
        ("price=4", "pri%63e=4"),
        ("price=4", "price=4&windowSize=60000"),
        ("price=4", "price=4&"),
        ("price=4", "price=+4"),
        ("price=4&", ""),
        ("symbol=XRPTRY&price=4", "price=4&symbol=XRPTRY"),
        ("symbol=XRPTRY", "symbol=XRPUSDT"),
        ("symbol", "Symbol"),
    ],
)
def test_a_signature_holds_for_the_bytes_that_were_signed_alone(
    service: Service, bot: Bot, before: str, after: str
) -> None:
    terms = order()
    query = bot.signed(**terms)
    changed = query.replace(before, after)
    assert changed != query
    assert code(bot.send(BUY, changed)) == NOT_PROVEN
    assert sent_on(service.exchange, terms) == 0


def test_a_signature_in_another_spelling_is_none(service: Service, bot: Bot) -> None:
    terms = order()
    text, _, signature = bot.signed(**terms).rpartition("=")
    assert not signature.isdigit(), "in capitals it would be the same"
    for other in (
        signature.upper(),
        signature[:-1],
        f"{signature}0",
        f"+{signature}",
        "",
        "0" * 64,
    ):
        assert code(bot.send(BUY, f"{text}={other}")) == NOT_PROVEN
    assert sent_on(service.exchange, terms) == 0


@pytest.mark.parametrize(
    "extra", ["amount=1", "%61mount=1", "amount", "symbol=XRPUSDT", "timestamp=1", "signature=1"]
)
@pytest.mark.parametrize("first", [True, False])
def test_a_parameter_that_stands_there_twice_is_refused_though_signed(
    service: Service, bot: Bot, extra: str, *, first: bool
) -> None:
    terms = order()
    own = urlencode({**terms, "timestamp": wall_clock_ms()})
    text = f"{extra}&{own}" if first else f"{own}&{extra}"
    query = f"{text}&signature={bot.sign(text)}"
    assert code(bot.send(BUY, query)) == MISSING
    members = "".join(f', "{name}": "{value}"' for name, value in terms.items())
    body = f'{{"amount": "1"{members}, "timestamp": 1, "signature": "{bot.sign("")}"}}'
    as_json = {"Content-Type": "application/json"}
    assert code(bot.send(BUY, "", content=body, headers=as_json)) == MISSING
    assert sent_on(service.exchange, terms) == 0


@pytest.mark.parametrize("carrier", ["application/x-www-form-urlencoded", "application/json"])
def test_parameters_in_query_and_body_are_refused_wherever_the_signature_is(
    service: Service, bot: Bot, carrier: str
) -> None:
    terms = order()
    query = bot.signed(**terms)
    text, _, signature = query.partition("&signature=")
    bodies = [{"amount": "1"}, {"signature": signature}, {"note": "1"}]
    for given, body in zip((query, text, query), bodies, strict=True):
        content = json.dumps(body) if "json" in carrier else urlencode(body)
        reply = bot.send(BUY, given, content=content, headers={"Content-Type": carrier})
        assert code(reply) == MISSING
    assert sent_on(service.exchange, terms) == 0


def test_a_key_acts_on_its_own_account_whatever_a_request_says(
    service: Service, bot: Bot, of_the_vault: Bot
) -> None:
    terms = order(account="demo")
    query = of_the_vault.signed(**terms)
    reply = of_the_vault.send(BUY, query, headers={"X-Gateway-Account": "demo"})
    assert code(reply) == DONE
    assert placed(service.exchange, terms) == []
    assert len(placed(service.exchange, terms, "vault")) == 1
    assert bot.call("market/user-orders", "GET")["orders"] == []


def test_a_key_with_the_secret_of_another_proves_nothing(
    service: Service, bot: Bot, of_the_vault: Bot
) -> None:
    terms = order()
    mixed = replace(bot, pair=KeyPair(of_the_vault.pair.api_key, bot.pair.api_secret))
    assert code(mixed.send(BUY, mixed.signed(**terms))) == NOT_PROVEN
    query = bot.signed(**terms)
    assert code(of_the_vault.send(BUY, query)) == NOT_PROVEN
    assert sent_on(service.exchange, terms) == 0
    assert code(bot.send(BUY, query)) == DONE


def test_nobody_cancels_the_order_of_another_or_sees_it(
    service: Service, bot: Bot, of_the_vault: Bot
) -> None:
    terms = order()
    order_id = bot.call(BUY, **terms)["order"]["orderId"]
    other = issue(service, "other-bot")
    for intruder in (other, of_the_vault):
        query = intruder.signed(orderId=order_id)
        assert code(intruder.send(CANCEL, query)) in {NOT_PERMITTED, "10075"}
        assert intruder.call("market/user-orders", "GET")["orders"] == []
    (there,) = placed(service.exchange, terms)
    assert there["status"] == "NEW"


def test_a_revoked_key_does_nothing_more_not_even_what_it_signed_before(service: Service) -> None:
    going, terms = issue(service, "bot"), order()
    done, undone = going.signed(**order()), going.signed(**terms)
    assert code(going.send(BUY, done)) == DONE
    with open_stream(service, going.login()) as stream:
        assert json.loads(stream.recv(timeout=20))["status"] == "success"
        revoke(service, going)
        for query in (done, undone, going.signed()):
            assert code(going.send(BUY, query)) == NOT_PROVEN
        assert close_frame(stream).code == CLOSED_BY_POLICY
    assert sent_on(service.exchange, terms) == 0


def test_a_body_that_is_sent_slowly_does_not_outlive_its_key(service: Service) -> None:
    going, terms = issue(service, "bot"), order()
    body = going.signed(**terms).encode()
    head = request(
        f"/v3/api/{BUY}",
        f"X-APNK-APIKEY: {going.pair.api_key}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        method="POST",
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=15) as connection:
        connection.sendall(head + body[:-1])
        revoke(service, going)
        connection.sendall(body[-1:])
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert NOT_PROVEN.encode() in received
    assert sent_on(service.exchange, terms) == 0


def logins_that_prove_nothing(bot: Bot, other: Bot) -> list[dict[str, object]]:
    """Frames of USER_STREAMS with what was signed by somebody else, or for something else."""
    key, stamped = bot.pair.api_key, f"timestamp={wall_clock_ms()}"
    proofs: list[dict[str, object]] = [
        {"apiKey": key, "signature": other.sign(key)},
        {"apiKey": key, "signature": other.sign(other.pair.api_key)},
        {"apiKey": other.pair.api_key, "signature": bot.sign(key)},
        {"apiKey": key, "signature": bot.sign(stamped)},
        {"apiKey": stamped, "signature": bot.sign(stamped)},
        {"apiKey": key, "signature": bot.sign(key).upper()},
        {"apiKey": key.upper(), "signature": bot.sign(key)},
        {"apiKey": key, "signature": ""},
        {"apiKey": "", "signature": bot.sign("")},
        {"apiKey": key},
        {"apiKey": [key], "signature": [bot.sign(key)]},
    ]
    return [{"method": "USER_STREAMS", **proof} for proof in proofs]


def test_a_stream_opens_for_nobody_elses_signature(
    service: Service, bot: Bot, of_the_vault: Bot
) -> None:
    frames = logins_that_prove_nothing(bot, of_the_vault)
    with open_stream(service, of_the_vault.login()) as stream:
        assert answer(stream)["status"] == "success"
        for frame in frames:
            stream.send(json.dumps(frame))
            assert answer(stream)["status"] == "failed"
        bot.call(BUY, **order())
        of_the_vault.call(BUY, **order(price="4.001"))
        told = answer(stream)
        while told["type"] != "orderUpdate":
            told = answer(stream)
        assert told["order"]["price"] == 4.001


def test_a_login_is_not_taken_for_a_request_nor_a_request_for_a_login(
    service: Service, bot: Bot
) -> None:
    login = bot.sign(bot.pair.api_key)
    for query in (f"signature={login}", f"{bot.pair.api_key}&signature={login}"):
        assert code(bot.send(WALLET, query, "GET")) == NO_TIME
    with open_stream(service) as stream:
        assert (
            close_frame(stream).code == CLOSED_BY_POLICY
        )  # nobody logged in, and nothing is public
