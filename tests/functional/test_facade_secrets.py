"""Nothing that a gateway says or keeps shows what clients of the exchange's protocol sign with.

The one exception is the name of an order in the journal, which is its signature.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.secrecy import held, leaks, signatures
from tests.functional.callers import close_frame
from tests.functional.conftest import running_service
from tests.functional.facade import (
    BUY,
    CANCEL,
    ENCRYPTION_KEY,
    PEOPLE,
    SELL,
    WALLET,
    WITH_VIRTUAL_KEYS,
    Bot,
    answer,
    issue,
    open_stream,
    order,
    revoke,
)
from tests.functional.service import Service
from tests.functional.stored import stored
from tests.processes import eventually

JOURNAL = b"ngw:1:journal:"
OUTCOMES = ("drop-before", "drop-after", "html-502", "code-before", "code-after")


@pytest.fixture(scope="module")
def audit_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the audit log goes."""
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, audit_file: Path) -> Iterator[Service]:
    """A gateway that logs everything."""
    settings = WITH_VIRTUAL_KEYS | {"NGW_LOG_LEVEL": "DEBUG", "NGW_AUDIT_FILE": str(audit_file)}
    with running_service(tmp_path_factory, people=PEOPLE, settings=settings) as running:
        yield running


def orders_that_end_in_every_way(service: Service, bot: Bot) -> None:
    first = bot.call(BUY, **order())["order"]["orderId"]
    queries = [bot.signed(**order()) for _ in OUTCOMES]
    for outcome, query in zip(OUTCOMES, queries, strict=True):
        with service.exchange.fault(BUY, outcome=outcome):
            bot.send(BUY, query)
        with service.exchange.fault(CANCEL, outcome=outcome):
            bot.send(CANCEL, bot.signed(orderId=first))
    assert eventually(lambda: all(bot.send(BUY, query)["code"] != "90000" for query in queries))
    for changes in ({"price": "-1"}, {"price": "9" * 9}, {"symbol": "NOSUCH"}, {"symbol": "!"}):
        bot.send(BUY, bot.signed(**order(**changes)))
    for path in (WALLET, "market/user-orders", "balance/deposit-history"):
        bot.call(path, "GET")


def attempts_that_prove_nothing(service: Service, bot: Bot, other: Bot) -> None:
    query = bot.signed(**order())
    bot.send(BUY, query)
    bot.send(SELL, query)
    other.send(BUY, query)
    bot.send(BUY, f"{query}&amount=1")
    bot.send(BUY, bot.signed(-60_000, **order()))
    bot.send(f"{bot.pair.api_secret}/{bot.sign('path')}", query)
    content = json.dumps({"signature": bot.sign("body"), "amount": [bot.pair.api_secret]})
    bot.send(BUY, "", content=content, headers={"Content-Type": "application/json"})
    bot.send(BUY, f"symbol={bot.pair.api_secret}&orderId={bot.pair.api_key}")
    headers = {"traceparent": bot.pair.api_secret, "User-Agent": bot.pair.api_key}
    service.http.get(f"/v3/api/{WALLET}?{query}", headers=headers)
    service.http.post(f"/graphql?{query}", headers=bot.headers, content=query)


def streams(service: Service, bot: Bot, other: Bot) -> list[str]:
    """What streams said."""
    key, secret = bot.pair.api_key, bot.pair.api_secret
    topic = {"type": "ticker", "symbol": secret}
    frames = [
        bot.login(),
        json.dumps({"method": "USER_STREAMS", "apiKey": key, "signature": other.sign(key)}),
        json.dumps({"method": secret, "apiKey": key}),
        json.dumps({"method": "SUBSCRIBE", "params": [topic]}),
        f"{{{secret}",
    ]
    said = []
    with open_stream(service) as stream:
        for frame in frames:
            stream.send(frame)
            said.append(json.dumps(answer(stream)))
        bot.call(BUY, **order())
        said.append(json.dumps(answer(stream)))
        revoke(service, bot)
        said.append(str(close_frame(stream)))
    return said


def without_names(text: bytes, names: set[str]) -> bytes:
    """The text without the names of orders, which stand in keys percent-encoded."""
    for name in names:
        text = text.replace(f"v3:{name}".encode(), b"v3:").replace(f"v3%3A{name}".encode(), b"v3:")
    return text


def test_no_key_secret_or_signature_shows_anywhere_but_orders_names_in_the_journal(
    service: Service, audit_file: Path
) -> None:
    said: list[bytes] = []

    def hear(response: httpx.Response) -> None:
        said.extend([response.read(), *(b"%b: %b" % pair for pair in response.headers.raw)])

    service.http.event_hooks = {"response": [hear]}
    bot, other = issue(service, "bot"), issue(service, "other-bot")
    orders_that_end_in_every_way(service, bot)
    attempts_that_prove_nothing(service, bot, other)
    told = streams(service, bot, other)
    assert bot.send(WALLET, bot.signed(), "GET")["code"] == "20001"
    service.http.get("/readyz")
    service.http.get("/metrics")

    kept = stored(service.valkey.url, 0)
    journal = {name: text for name, text in kept.items() if text.startswith(JOURNAL)}
    elsewhere = {name: text for name, text in kept.items() if name not in journal}
    places = {
        "log": service.log.read_bytes(),
        "audit": audit_file.read_bytes(),
        "streams": "\n".join(told).encode(),
        **{f"answer {number}": text for number, text in enumerate(said)},
        **elsewhere,
        **{name: without_names(text, bot.signatures) for name, text in journal.items()},
        "every write": without_names(service.valkey.written(), bot.signatures),
    }
    pairs = {half for each in (bot, other) for half in (each.pair.api_key, each.pair.api_secret)}
    real = held(service.accounts) | signatures(service.exchange, service.accounts)
    tokens = {member.token for member in PEOPLE}
    encryption_key = ENCRYPTION_KEY.split()[1]
    secrets = pairs | bot.signatures | other.signatures | real | tokens | {encryption_key}
    assert leaks(places, secrets) == []
    assert leaks(journal, bot.signatures), "or nothing here is named by its signature"
    for proof, place in ((b"replay.refused", "log"), (b"v3:", "log"), (b"v3:", "audit")):
        assert proof in places[place], "or the search is of nothing"
