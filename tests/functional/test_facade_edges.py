"""What stands around a signed request: its time, headers and framing, a bearer token, grants."""

from collections.abc import Iterator

import pytest

from tests.functional.callers import close_frame
from tests.functional.conftest import running_service
from tests.functional.facade import (
    BUY,
    PEOPLE,
    WALLET,
    WITH_VIRTUAL_KEYS,
    Bot,
    answer,
    code,
    issue,
    open_stream,
    order,
    sent_on,
)
from tests.functional.raw_http import exchange as over_the_wire
from tests.functional.raw_http import request, statuses
from tests.functional.service import Member, Service
from tests.processes import eventually

DONE, MISSING, NOT_PROVEN, NOT_PERMITTED = "00000", "20005", "20001", "20011"
NO_KEY, NO_TIME, PASSED, INVALID = "20000", "20003", "20004", "90001"
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


@pytest.mark.parametrize(
    ("ahead_ms", "window", "expected"),
    [
        (500, None, DONE),
        (10_000, None, PASSED),
        (365 * 86_400_000, None, PASSED),
        (-5_000, None, DONE),
        (-60_000, None, PASSED),
        (-50_000, "60000", DONE),
        (-3_000, "1000", PASSED),
        (0, "60001", PASSED),
        (0, "999999999999999999", PASSED),
        (0, "0", INVALID),
        (0, "-1", INVALID),
        (0, "1e4", INVALID),
        (0, "5000.0", INVALID),
        (0, "\uff19", INVALID),
        (0, "", INVALID),
        (0, "9" * 200, INVALID),
    ],
)
def test_a_request_is_good_for_its_window_and_no_longer(
    bot: Bot, ahead_ms: int, window: str | None, expected: str
) -> None:
    extra = {} if window is None else {"windowSize": window}
    assert code(bot.send(WALLET, bot.signed(ahead_ms, **extra), "GET")) == expected


def test_an_order_from_before_or_from_the_future_is_not_placed(service: Service, bot: Bot) -> None:
    terms = order()
    for ahead_ms in (-60_000, 10_000):
        assert code(bot.send(BUY, bot.signed(ahead_ms, **terms))) == PASSED
    assert code(bot.send(BUY, bot.signed(**terms, windowSize=60_001))) == PASSED
    assert sent_on(service.exchange, terms) == 0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["x-ApNk-aPiKeY: {key}"], DONE),
        (["X-APNK-APIKEY:{key}"], DONE),
        (["X-APNK-APIKEY: {key}", "X-APNK-APIKEY: {other}"], MISSING),
        (["X-APNK-APIKEY: {other}", "x-apnk-apikey: {key}"], MISSING),
        (["X-APNK-APIKEY: {key}", "X-Apnk-ApiKey: {key}"], MISSING),
        (["X-APNK-APIKEY: {key}, {key}"], NOT_PROVEN),
        (["X-APNK-APIKEY: {key},"], NOT_PROVEN),
        (["X-APNK-APIKEY: Bearer {key}"], NOT_PROVEN),
        (["X-APNK-APIKEY: \xe9{key}"], NOT_PROVEN),
        (["X-APNK-APIKEY:"], NO_KEY),
        (["X_APNK_APIKEY: {key}"], NO_KEY),
        (["X-APNK-APIKEY-: {key}"], NO_KEY),
        (["X-Forwarded-X-APNK-APIKEY: {key}"], NO_KEY),
        (["Cookie: X-APNK-APIKEY={key}"], NO_KEY),
        (["X-APNK-APIKEY: {key}\x0b"], None),
        (["X-APNK-APIKEY : {key}"], None),
        (["X-APNK-APIKEY\x00: {key}"], None),
        (["X: y\r\n X-APNK-APIKEY: {key}"], None),
        (["X: y\nX-APNK-APIKEY: {key}"], None),
        (["X: y\rX-APNK-APIKEY: {key}"], None),
    ],
)
def test_one_header_names_the_key_in_any_case_and_nothing_else_does(
    service: Service, bot: Bot, of_the_vault: Bot, headers: list[str], expected: str | None
) -> None:
    given = [line.format(key=bot.pair.api_key, other=of_the_vault.pair.api_key) for line in headers]
    received = over_the_wire(service, request(f"/v3/api/{WALLET}?{bot.signed()}", *given))
    if expected is None:
        assert statuses(received) == [400]
    else:
        assert f'"code":"{expected}"'.encode() in received


def test_no_header_makes_an_order_of_a_get_or_of_another_path(service: Service, bot: Bot) -> None:
    terms = order()
    query = bot.signed(**terms)
    overrides = (
        "X-HTTP-Method-Override: POST",
        "X-Method-Override: POST",
        f"X-Original-URL: /v3/api/{BUY}",
    )
    for header in overrides:
        key = f"X-APNK-APIKEY: {bot.pair.api_key}"
        for path in (BUY, "market/user-orders"):
            over_the_wire(service, request(f"/v3/api/{path}?{query}", key, header))
    assert sent_on(service.exchange, terms) == 0


@pytest.mark.parametrize(
    "framing",
    [
        ["Content-Length: 0", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 0", "Content-Length: 400"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding : chunked"],
    ],
)
def test_no_order_is_smuggled_in_the_body_of_a_read(
    service: Service, bot: Bot, framing: list[str]
) -> None:
    terms = order()
    key = f"X-APNK-APIKEY: {bot.pair.api_key}"
    hidden = request(f"/v3/api/{BUY}?{bot.signed(**terms)}", key, method="POST")
    over_the_wire(
        service,
        request(
            f"/v3/api/{WALLET}?{bot.signed()}",
            key,
            *framing,
            method="POST",
            body=b"0\r\n\r\n" + hidden,
        ),
    )
    assert sent_on(service.exchange, terms) == 0


def bearer(*accounts: str, name: str = "bot") -> list[tuple[str, str]]:
    """The headers of a bearer token, with accounts."""
    token = next(member.token for member in PEOPLE if member.name == name)
    named = [("X-Gateway-Account", account) for account in accounts]
    return [("Authorization", f"Bearer {token}"), *named]


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        (["demo"], DONE),
        ([], MISSING),
        ([""], MISSING),
        (["demo", "demo"], MISSING),
        (["vault", "demo"], MISSING),
        (["vault"], NOT_PERMITTED),
        (["demo,vault"], NOT_PERMITTED),
        (["nowhere"], NOT_PERMITTED),
        (["DEMO"], NOT_PERMITTED),
    ],
)
def test_the_bearer_of_a_token_names_one_account_that_is_granted(
    service: Service, accounts: list[str], expected: str
) -> None:
    terms = order()
    for method, path, parameters in (("GET", WALLET, {}), ("POST", BUY, terms)):
        headers = bearer(*accounts)
        reply = service.http.request(method, f"/v3/api/{path}", params=parameters, headers=headers)
        assert code(reply.json()) == expected
    assert sent_on(service.exchange, terms) == (expected == DONE)


def test_of_a_token_and_a_signature_that_is_wrong_none_counts(service: Service, bot: Bot) -> None:
    terms = order()
    query = bot.signed(**terms)
    headers = [*bearer("demo"), *bot.headers.items()]
    forged = query[:-1] + ("0" if query[-1] != "0" else "1")
    for text, expected in ((forged, NOT_PROVEN), ("", NO_TIME)):
        reply = service.http.post(f"/v3/api/{BUY}?{text}", headers=headers)
        assert code(reply.json()) == expected
    assert sent_on(service.exchange, terms) == 0


def test_whoever_shows_nothing_reads_no_account_and_here_no_market(service: Service) -> None:
    for path, expected in ((WALLET, NO_KEY), ("market/markets", NOT_PERMITTED)):
        assert code(service.http.get(f"/v3/api/{path}").json()) == expected
    terms = order()
    assert code(service.http.post(f"/v3/api/{BUY}", params=terms).json()) == NO_KEY


def test_when_grants_end_so_do_orders_reads_and_streams(service: Service) -> None:
    leaving, terms = issue(service, "leaving"), order()
    query = leaving.signed(**order())
    first = leaving.send(BUY, query)
    assert code(first) == DONE
    with open_stream(service, leaving.login()) as stream:
        assert answer(stream)["status"] == "success"
        staying = [member for member in PEOPLE if member.name != "leaving"]
        service.write_policy([*staying, Member("leaving")])
        assert close_frame(stream).code == CLOSED_BY_POLICY
    assert code(leaving.send(BUY, leaving.signed(**terms))) == NOT_PERMITTED
    assert code(leaving.send(WALLET, leaving.signed(), "GET")) == NOT_PERMITTED
    assert code(leaving.send(BUY, query)) == NOT_PERMITTED
    service.write_policy(staying)
    assert eventually(lambda: code(leaving.send(WALLET, leaving.signed(), "GET")) == NOT_PROVEN)
    assert sent_on(service.exchange, terms) == 0
    service.write_policy(PEOPLE)
