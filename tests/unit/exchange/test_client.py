"""The client's reads against a real socket: what they ask for, what they make of it, how often."""

import json
from decimal import Decimal

import pytest

from gateway.domain.errors import BadUserInput, Refused, Unclear, UnknownSymbol
from gateway.domain.market import CandleInterval
from gateway.domain.signing import PostForm
from gateway.exchange.error_codes import KEY_REFUSED_CODES
from tests.unit.exchange.calling import (
    KEY,
    NOW,
    SAMPLES,
    STAMPS,
    Call,
    bench,
    code,
    failing,
    sample,
    sign,
    signed,
)
from tests.unit.exchange.peer import Answer, both, close, reply

pytestmark = pytest.mark.anyio

TIME = reply(json.dumps({"code": "00000", "data": NOW}))
# To the end of the interval that opens last.
CANDLES = "startDate=0&endDate=899999&interval=m5"
SIGNED = signed(STAMPS)
READS: dict[str, tuple[Call, str, str]] = {
    "ping": (lambda client: client.ping(), "ping", "GET ping"),
    "server time": (lambda client: client.server_time(), "time", "GET time"),
    "authentication": (
        lambda client: client.authenticate(sign),
        "wallet-authentication",
        f"POST balance/wallet?{SIGNED}",
    ),
    "markets": (lambda client: client.markets(), "markets", "GET market/markets"),
    "ticker": (lambda client: client.ticker("BTCTRY"), "24h", "GET market/24h?symbol=BTCTRY"),
    "rules": (lambda client: client.rules("BTCTRY"), "info", "GET market/info?symbol=BTCTRY"),
    "candles": (
        lambda client: client.candles("BTCTRY", CandleInterval.M5, 0, 600_000),
        "candles",
        f"GET market/candles?symbol=BTCTRY&{CANDLES}",
    ),
    "latest candles": (
        lambda client: client.candles("BTCTRY", CandleInterval.D1),
        "candles",
        "GET market/candles?symbol=BTCTRY&interval=d1",
    ),
    "top of book": (
        lambda client: client.top_of_book("BTCTRY"),
        "orderbook",
        "GET market/orderbook?symbol=BTCTRY",
    ),
    "order book": (
        lambda client: client.order_book("BTCTRY"),
        "depth",
        "GET market/depth?symbol=BTCTRY",
    ),
    "trades": (lambda client: client.trades("BTCTRY"), "trades", "GET market/trades?symbol=BTCTRY"),
    "balances": (
        lambda client: client.balances(sign),
        "wallet",
        f"GET balance/wallet?{SIGNED}",
    ),
    "open orders": (
        lambda client: client.open_orders(sign),
        "user-orders",
        f"GET market/user-orders?{SIGNED}",
    ),
    "fills": (
        lambda client: client.fills(sign),
        "user-trades",
        f"GET market/user-trades?{SIGNED}",
    ),
    "currencies": (
        lambda client: client.currencies(sign),
        "currencies",
        f"GET balance/currencies?{SIGNED}",
    ),
    "deposit options": (
        lambda client: client.deposit_options(sign, "TRY"),
        "deposit",
        f"POST balance/deposit?{signed(f'symbol=TRY&{STAMPS}')}",
    ),
    "withdrawal options": (
        lambda client: client.withdrawal_options(sign, "BTC"),
        "withdraw",
        f"POST balance/withdraw?{signed(f'symbol=BTC&{STAMPS}')}",
    ),
    "deposits": (
        lambda client: client.deposits(sign),
        "deposit-history",
        f"GET balance/deposit-history?{SIGNED}",
    ),
    "withdrawals": (
        lambda client: client.withdrawals(sign),
        "withdraw-history",
        f"GET balance/withdraw-history?{SIGNED}",
    ),
}


def path_of(request: str) -> str:
    return request.partition(" ")[2].partition("?")[0]


each_read = pytest.mark.parametrize(
    ("call", "name", "request_"), READS.values(), ids=[name.replace(" ", "-") for name in READS]
)
OF_A_MARKET = {
    name: call for name, (call, _, target) in READS.items() if "?symbol=BTCTRY" in target
}
OF_AN_ASSET = {name: READS[name][0] for name in ("deposit options", "withdrawal options")}


@each_read
async def test_a_read_asks_for_one_exact_address_and_maps_the_documents_sample(
    call: Call, name: str, request_: str
) -> None:
    method, target = request_.split(" ")
    async with bench(sample(name)) as it:
        await call(it.client)
        assert it.peer.requests[0].startswith(f"{method} /v3/api/{target} HTTP/1.1\r\n".encode())
        assert (b"the-key" in it.peer.requests[0]) == ("signature=" in target)
        assert it.calls == {(path_of(request_).rpartition("/")[2], "00000"): 1}


@pytest.mark.parametrize(
    ("call", "name", "request_"),
    [read for read in READS.values() if read[2].startswith("POST")],
    ids=["authentication", "deposit-options", "withdrawal-options"],
)
async def test_a_read_by_post_carries_its_signed_pairs_as_json_where_that_is_set(
    call: Call, name: str, request_: str
) -> None:
    async with bench(sample(name), post_form="json") as it:
        await call(it.client)
        head, _, body = it.peer.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /v3/api/{path_of(request_)} HTTP/1.1\r\n".encode())
    assert b"content-type: application/json" in head.lower()
    text = "&".join(f"{name}={value}" for name, value in json.loads(body).items())
    assert text == request_.partition("?")[2]


@pytest.mark.parametrize("post_form", ["query", "json"])
async def test_reads_share_a_connection_whatever_their_verb(post_form: PostForm) -> None:
    async with bench(sample("deposit"), sample("wallet"), post_form=post_form) as it:
        await it.client.deposit_options(sign, "TRY")
        for _ in range(2):
            await it.client.authenticate(sign)
            await it.client.balances(sign)
        assert it.peer.connections == 1


async def test_what_a_read_brings_is_in_the_domains_terms() -> None:
    async with bench(sample("time"), sample("markets"), sample("wallet")) as it:
        assert await it.client.server_time() == 1578405048608
        listing, tickers = await it.client.markets()
        assert [market.symbol for market in listing.markets] == ["BTCTRY"]
        assert [ticker.last for ticker in tickers] == [Decimal(60000)]
        assert [balance.asset for balance in await it.client.balances(sign)] == ["TRY"]


async def test_what_is_read_of_an_account_is_in_the_domains_terms() -> None:
    names = ("user-trades", "currencies", "withdraw", "deposit-history", "withdraw-history")
    async with bench(*map(sample, names)) as it:
        assert [fill.price for fill in await it.client.fills(sign)] == [Decimal(9800)]
        assert [currency.asset for currency in await it.client.currencies(sign)] == ["TRY"]
        assert (await it.client.withdrawal_options(sign, "BTC")).minimum == Decimal("0.0001")
        assert [deposit.state_code for deposit in await it.client.deposits(sign)] == [3]
        assert [one.state for one in await it.client.withdrawals(sign)] == ["RESUMING"]


@each_read
@pytest.mark.parametrize(
    ("answer", "label"),
    [(close, "broken_off"), (reply("<html>", status="502 No"), "server_error")],
    ids=["closed", "HTML"],
)
async def test_a_read_is_repeated_until_it_succeeds(
    call: Call, name: str, request_: str, answer: Answer, label: str
) -> None:
    async with bench(answer, code("90000"), sample(name)) as it:
        await call(it.client)
        assert len(it.peer.requests) == 3
        assert sorted(label for _, label in it.calls) == sorted([label, "90000", "00000"])


@each_read
async def test_a_read_gives_up_after_its_attempts(call: Call, name: str, request_: str) -> None:
    async with bench(code("90000")) as it:
        error = await failing(call(it.client))
        assert len(it.peer.requests) == 3
    assert isinstance(error, Unclear)
    assert error.exchange_code == "90000"


@each_read
async def test_a_refusal_is_final(call: Call, name: str, request_: str) -> None:
    async with bench(code("20002")) as it:
        error = await failing(call(it.client))
        assert len(it.peer.requests) == 1
    assert isinstance(error, Refused)
    assert error.exchange_code == "20002"


@each_read
@pytest.mark.parametrize("value", ["20000", "20001", "20002", "20011", "20004", "10010"])
async def test_a_key_that_the_exchange_refuses_is_told_of_with_its_code(
    call: Call, name: str, request_: str, value: str
) -> None:
    async with bench(code(value)) as it:
        await failing(call(it.client))
        refusals = [(KEY, value)] if value in KEY_REFUSED_CODES else []
        assert it.refused == (refusals if "signature=" in request_ else [])


@pytest.mark.parametrize("call", OF_A_MARKET.values(), ids=OF_A_MARKET)
@pytest.mark.parametrize("value", ["10037", "20006"])
async def test_a_market_that_the_exchange_does_not_know_is_an_unknown_symbol(
    call: Call, value: str
) -> None:
    async with bench(code(value)) as it:
        with pytest.raises(UnknownSymbol) as error:
            await call(it.client)
        assert len(it.peer.requests) == 1
        assert [label for _, label in it.calls] == [value]
    assert error.value.symbol == "BTCTRY"


@pytest.mark.parametrize("call", OF_AN_ASSET.values(), ids=OF_AN_ASSET)
@pytest.mark.parametrize("value", ["10037", "20006"])
async def test_an_asset_that_the_exchange_does_not_know_is_bad_input_and_says_where_to_look(
    call: Call, value: str
) -> None:
    async with bench(code(value)) as it:
        with pytest.raises(BadUserInput, match="'currencies' lists them") as error:
            await call(it.client)
        assert len(it.peer.requests) == 1
        assert [label for _, label in it.calls] == [value]
    assert error.value.field == "asset"


@pytest.mark.parametrize("name", ["", "Ü", "\ud800", "A\nB", "A" * 65], ids=ascii)
async def test_what_can_be_no_name_is_not_asked_for(name: str) -> None:
    async with bench(close) as it:
        with pytest.raises(UnknownSymbol):
            await it.client.ticker(name)
        for asking in (it.client.deposit_options, it.client.withdrawal_options):
            with pytest.raises(BadUserInput):
                await asking(sign, name)
        assert it.peer.requests == []


@pytest.mark.parametrize("name", ["A&B=C", "A B", "a/../b", "%00", "A+B"])
async def test_a_name_reaches_the_exchange_as_one_parameter_whatever_is_in_it(name: str) -> None:
    async with bench(code("10037")) as it:
        with pytest.raises(UnknownSymbol):
            await it.client.ticker(name)
        (target,) = it.peer.targets
    assert target.startswith("/v3/api/market/24h?symbol=")
    assert "&" not in target


async def test_a_signed_read_takes_the_exchanges_time_first_and_is_signed_anew_each_time() -> None:
    async with bench(code("90000"), TIME, close, sample("wallet"), synchronised=False) as it:
        await it.client.balances(sign)
        assert [target.partition("?")[0] for target in it.peer.targets] == [
            "/v3/api/time",
            "/v3/api/time",
            "/v3/api/balance/wallet",
            "/v3/api/balance/wallet",
        ]


async def test_reads_go_on_over_connections_that_the_server_closes_after_each_answer() -> None:
    async with bench(both(sample("ping"), close)) as it:
        for _ in range(10):
            await it.client.ping()


def test_every_sample_reply_of_the_document_is_read_by_some_test() -> None:
    orders = {
        f"{kind}-{side}"
        for kind in ("limit", "market", "stop-limit", "fast")
        for side in ("buy", "sell")
    }
    others = {"cancel-order", "create-withdraw", "error", "wallet-authentication-signed"}
    read = {name for _, name, _ in READS.values()}
    assert {path.stem for path in SAMPLES.glob("*.json")} == read | orders | others
