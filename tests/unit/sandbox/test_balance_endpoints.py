"""The endpoints of balances over real sockets, in the world of docs/examples/scenario.yaml."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from gateway.sandbox import RunningSandbox, SandboxConfig, load_scenario, serve
from tests.unit.sandbox.clients import Json, Trader, ask, next_frame

pytestmark = pytest.mark.anyio

EXAMPLE = load_scenario(Path(__file__).parents[3] / "docs" / "examples" / "scenario.yaml")
# A step of nothing: what is begun stands complete at the next tick.
QUIET = replace(EXAMPLE, port=0, market_maker=False, history=False, transfer_step_ms=0)
# And one so long that nothing ever goes on.
FROZEN = replace(QUIET, transfer_step_ms=86_400_000)

COLD = "bc1q0000000000000000000000000000000000000"
BTC_OUT = {"symbol": "BTC", "amount": "0.5", "address": COLD, "node": "BTC"}
XRP_OUT = {
    "symbol": "XRP",
    "amount": "100",
    "address": "r9999999999999999999999999999999",
    "node": "XRP",
    "secondParameter": "12345",
}
STEP_ONE_OUT = BTC_OUT | {"address": "bc1q1111111111111111111111111111111111111", "amount": "0.6"}


def trader(http: httpx.AsyncClient, name: str) -> Trader:
    """The key pair that the example calls so."""
    return Trader(http, f"{name}-key", f"{name}-secret")


@pytest.fixture(params=[QUIET])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[RunningSandbox]:
    config: SandboxConfig = request.param
    async with serve(config) as running:
        yield running


@pytest.fixture
async def exchange(running: RunningSandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        yield http


@pytest.fixture(scope="module")
async def still() -> AsyncIterator[httpx.AsyncClient]:
    """A sandbox that many tests share because what they ask for is refused."""
    async with (
        serve(FROZEN) as running,
        httpx.AsyncClient(base_url=running.url, trust_env=False) as http,
    ):
        yield http


frozen = pytest.mark.parametrize("running", [pytest.param(FROZEN, id="frozen")], indirect=True)


async def history(demo: Trader, kind: str, *, rows: int, state: int) -> list[Json]:
    """The history once so many rows are in this state."""
    while True:
        reply = await demo.call("GET", f"balance/{kind}-history")
        if [row["state"] for row in reply["history"]].count(state) == rows:
            return list(reply["history"])


async def test_every_asset_is_a_currency(still: httpx.AsyncClient) -> None:
    reply = await trader(still, "demo").call("GET", "balance/currencies")
    rows = {row["symbol"]: row for row in reply["currencies"]}
    assert rows.keys() == EXAMPLE.assets.keys()
    assert rows["TRY"].keys() == {"id", "symbol", "name"}
    assert len({row["id"] for row in rows.values()}) == len(rows)
    assert all(len(row["id"]) == 72 for row in rows.values())


async def test_the_wallet_tells_each_assets_precision(still: httpx.AsyncClient) -> None:
    wallet = await trader(still, "demo").wallet()
    assert {symbol: row["maxLength"] for symbol, row in wallet.items()} == {
        symbol: asset.precision for symbol, asset in EXAMPLE.assets.items()
    }


async def test_deposit_addresses_have_the_documents_shape(still: httpx.AsyncClient) -> None:
    reply = await trader(still, "demo").call("POST", "balance/deposit", symbol="TRY")
    currency = reply["currency"]
    (channel,) = currency.pop("channels")
    assert len(currency.pop("id")) == 72
    assert currency == {
        "symbol": "TRY",
        "name": EXAMPLE.assets["TRY"].name,
        "enable": True,
        "minimumDepositAmount": 10,
        "maxLength": 2,
    }
    assert (channel["name"], channel["enable"]) == ("VAKIFBANK", True)
    assert channel["address"].startswith("TR")


async def test_withdraw_addresses_have_the_documents_shape(still: httpx.AsyncClient) -> None:
    reply = await trader(still, "demo").call("POST", "balance/withdraw", symbol="BTC")
    currency = reply["currency"]
    network, lightning = currency.pop("channels")
    assert len(currency.pop("id")) == 72
    assert currency == {
        "symbol": "BTC",
        "name": "Bitcoin",
        "enable": True,
        "minimumWithdrawAmount": Decimal("0.001"),
        "maxLength": 8,
    }
    (address,) = network.pop("addressList")
    assert len(address.pop("id")) == 72
    assert address == {"name": "Cold wallet", "address": COLD}
    assert network == {"name": "BTC", "enable": True, "commission": Decimal("0.0005")}
    assert (lightning["enable"], lightning["addressList"]) == (False, [])


async def test_a_withdrawal_leaves_and_is_shown(exchange: httpx.AsyncClient) -> None:
    demo = trader(exchange, "demo")
    await history(demo, "deposit", rows=1, state=14)
    before = (await demo.wallet())["BTC"]["total"]
    assert await demo.call("POST", "balance/create-withdraw", **BTC_OUT) == {"code": "00000"}
    (row,) = await history(demo, "withdraw", rows=1, state=24)
    assert (await demo.wallet())["BTC"]["total"] == before - Decimal("0.5005")
    assert (len(row.pop("id")), len(row.pop("txid")), row.pop("time") > 0) == (72, 64, True)
    assert row == {
        "symbol": "BTC",
        "maxLength": 8,
        "amount": Decimal("0.5"),
        "state": 24,
        "real": False,
        "information": "",
        "explorer": "https://www.blockchain.com/en/explorer",
    }


@frozen
async def test_a_withdrawal_under_way_is_reserved_with_its_fee(exchange: httpx.AsyncClient) -> None:
    demo = trader(exchange, "demo")
    await demo.call("POST", "balance/create-withdraw", **XRP_OUT)
    wallet = (await demo.wallet())["XRP"]
    assert (wallet["reserved"], wallet["available"]) == (Decimal("100.25"), Decimal("4899.75"))
    (row,) = await history(demo, "withdraw", rows=1, state=21)
    assert row["txid"] == ""


@frozen
async def test_histories_show_the_last_five_newest_first(exchange: httpx.AsyncClient) -> None:
    demo = trader(exchange, "demo")
    for amount in range(21, 28):
        await demo.call("POST", "balance/create-withdraw", **XRP_OUT | {"amount": str(amount)})
    rows = await history(demo, "withdraw", rows=5, state=21)
    assert [row["amount"] for row in rows] == [27, 26, 25, 24, 23]


async def test_a_deposit_of_the_scenario_arrives_with_its_confirmations(
    exchange: httpx.AsyncClient,
) -> None:
    demo = trader(exchange, "demo")
    (row,) = await history(demo, "deposit", rows=1, state=14)
    assert (len(row.pop("id")), len(row.pop("txid")), row.pop("time") > 0) == (72, 64, True)
    assert row == {
        "symbol": "BTC",
        "maxLength": 8,
        "totalConfirmation": 6,
        "activeConfirmation": 6,
        "amount": Decimal("0.25"),
        "state": 14,
        "real": False,
        "information": "",
        "explorer": "https://www.blockchain.com/en/explorer",
    }
    assert (await demo.wallet())["BTC"]["available"] == Decimal("10.25")


async def test_each_step_of_a_withdrawal_comes_over_the_stream(
    running: RunningSandbox, exchange: httpx.AsyncClient
) -> None:
    demo = trader(exchange, "demo")
    await history(demo, "deposit", rows=1, state=14)
    async with connect(running.stream_url, proxy=None) as stream:
        await stream.send(demo.login_frame())
        assert (await next_frame(stream))["status"] == "success"
        await demo.call("POST", "balance/create-withdraw", **XRP_OUT)
        frames = [await next_frame(stream) for _ in range(3)]
    assert frames == [
        {"type": "balanceUpdate", "symbol": "XRP", "available": Decimal("4899.75")},
        {"type": "reservedUpdate", "symbol": "XRP", "reserved": Decimal("100.25")},
        {"type": "reservedUpdate", "symbol": "XRP", "reserved": 0},
    ]


Call = tuple[str, str, Mapping[str, str]]
DEPOSIT, OPTIONS = "balance/deposit", "balance/withdraw"
CREATE = "balance/create-withdraw"


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("10010", ("newcomer", DEPOSIT, {"symbol": "BTC"})),
        ("10026", ("unverified", DEPOSIT, {"symbol": "BTC"})),
        ("10026", ("unverified", CREATE, BTC_OUT)),
        ("10027", ("demo", DEPOSIT, {"symbol": "HOT"})),
        ("10028", ("demo", OPTIONS, {"symbol": "UNI"})),
        ("10028", ("demo", CREATE, BTC_OUT | {"symbol": "UNI"})),
        ("10029", ("demo", CREATE, BTC_OUT | {"node": "LIGHTNING"})),
        ("10029", ("demo", CREATE, BTC_OUT | {"node": "NOSUCH"})),
        ("10030", ("demo", CREATE, BTC_OUT | {"amount": "0.00099999"})),
        ("10031", ("demo", CREATE, XRP_OUT | {"amount": "4999.9"})),
        ("10035", ("demo", CREATE, BTC_OUT | {"amount": "3.1"})),
        ("10037", ("demo", DEPOSIT, {"symbol": "NOSUCH"})),
        ("10037", ("demo", CREATE, BTC_OUT | {"symbol": "BTCUSDT"})),
        ("10051", ("abroad", DEPOSIT, {"symbol": "LINK"})),
        ("10051", ("abroad", CREATE, BTC_OUT | {"symbol": "LINK"})),
        ("10054", ("step-one", CREATE, STEP_ONE_OUT)),
        ("10055", ("demo", CREATE, BTC_OUT | {"amount": "5.1"})),
        ("10063", ("demo", CREATE, BTC_OUT | {"address": COLD + "0"})),
        ("10063", ("demo", CREATE, BTC_OUT | {"address": "0x00"})),
        ("10064", ("demo", CREATE, XRP_OUT | {"secondParameter": "memo"})),
        ("10064", ("demo", CREATE, BTC_OUT | {"secondParameter": "1"})),
        ("20002", ("demo-office", DEPOSIT, {"symbol": "BTC"})),
        ("20005", ("demo", DEPOSIT, {})),
        ("20005", ("demo", CREATE, BTC_OUT | {"node": ""})),
        ("20006", ("demo", OPTIONS, {"symbol": "btc"})),
        ("20009", ("demo", CREATE, BTC_OUT | {"amount": "0"})),
        ("20009", ("demo", CREATE, BTC_OUT | {"amount": "0.000000001"})),
        ("20009", ("demo", CREATE, BTC_OUT | {"amount": "-1"})),
        ("20010", ("demo", CREATE, BTC_OUT | {"address": ""})),
        ("20011", ("demo-reader", CREATE, BTC_OUT)),
        ("90001", ("demo", CREATE, BTC_OUT | {"address": "b" * 257})),
        ("90001", ("demo", CREATE, BTC_OUT | {"address": "bc1q\n"})),
        ("90001", ("demo", CREATE, XRP_OUT | {"secondParameter": "1\x00"})),
    ],
)
async def test_the_example_lets_a_code_be_met(
    still: httpx.AsyncClient, code: str, call: Call
) -> None:
    name, path, parameters = call
    assert (await trader(still, name).call("POST", path, **parameters))["code"] == code


@pytest.mark.parametrize(
    ("code", "path", "parameters"),
    [
        ("10038", "limit-buy", {"symbol": "HOTTRY", "price": "0.07", "amount": "1000"}),
        ("10042", "market-buy", {"symbol": "1INCHTRY", "amount": "1"}),
        ("10060", "fast-buy", {"symbol": "1INCHTRY", "total": "100"}),
        ("10039", "limit-buy", {"symbol": "BTCUSDT", "price": "50000", "amount": "0.0003"}),
        ("20011", "limit-buy", {"symbol": "DOGEUSDT", "price": "0.25", "amount": "100"}),
    ],
)
async def test_the_examples_markets_refuse_as_they_say(
    still: httpx.AsyncClient, code: str, path: str, parameters: Mapping[str, str]
) -> None:
    demo = trader(still, "demo-reader" if code == "20011" else "demo")
    assert (await demo.call("POST", f"market/{path}", **parameters))["code"] == code


async def test_the_examples_own_market_takes_orders(exchange: httpx.AsyncClient) -> None:
    demo = trader(exchange, "demo")
    assert (await demo.limit("sell", "0.2501", "100", "DOGEUSDT"))["code"] == "00000"
    assert (await demo.limit("sell", "5.5", "100", "DOGEUSDT"))["code"] == "10061"


async def test_a_reader_key_reads_and_listens(
    running: RunningSandbox, exchange: httpx.AsyncClient
) -> None:
    reader = trader(exchange, "demo-reader")
    assert (await reader.call("GET", "balance/wallet"))["code"] == "00000"
    async with connect(running.stream_url, proxy=None) as stream:
        await stream.send(reader.login_frame())
        assert (await next_frame(stream))["status"] == "success"


@pytest.mark.parametrize("name", ["demo-office", "newcomer"])
async def test_who_may_not_ask_may_not_listen(running: RunningSandbox, name: str) -> None:
    async with (
        httpx.AsyncClient() as http,
        connect(running.stream_url, proxy=None) as stream,
    ):
        await stream.send(trader(http, name).login_frame())
        refusal = {"method": "USER_STREAMS", "status": "failed", "message": "Unauthorized Access"}
        assert await next_frame(stream) == refusal
        listed = await ask(stream, {"method": "LIST_SUBSCRIPTIONS"})
        assert listed["status"] == "success"
