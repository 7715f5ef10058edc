from collections.abc import Callable
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.sandbox import (
    Account,
    BadScenario,
    ExpectedDeposit,
    KeyPair,
    Permission,
    SandboxConfig,
    StreamOrderIds,
    WithdrawalAddress,
    default_assets,
    default_markets,
    load_scenario,
)

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        return path

    return write_file


def faults(path: Path) -> tuple[str, ...]:
    with pytest.raises(BadScenario) as caught:
        load_scenario(path)
    return caught.value.faults


def test_a_scenario_that_says_nothing_is_the_default_world(write: Write) -> None:
    assert load_scenario(write("accounts: []")) == SandboxConfig()


def test_an_account_is_read_with_all_that_is_said_of_it(write: Write) -> None:
    text = """
accounts:
  - id: demo
    keys:
      - apiKey: the-key
        apiSecret: the-secret
        permissions: [read, trade]
        addresses: [127.0.0.1, "10.0.0.0/8", "::1"]
      - {apiKey: other-key, apiSecret: other-secret}
    balances: {USDT: 100000, BTC: 0.12345678}
    registered: false
    verification: 1
    country: DE
    withdrawalAddresses:
      - {asset: BTC, channel: BTC, name: cold, address: bc1qexample}
    deposits:
      - {asset: TRY, quantity: 12.50, afterSeconds: 1.5}
"""
    networks = tuple(ip_network(text) for text in ("127.0.0.1", "10.0.0.0/8", "::1"))
    permissions = frozenset({Permission.READ, Permission.TRADE})
    (account,) = load_scenario(write(text)).accounts
    assert account == Account(
        account_id="demo",
        keys=(
            KeyPair("the-key", "the-secret", permissions, networks),
            KeyPair("other-key", "other-secret"),
        ),
        balances={"USDT": Decimal(100_000), "BTC": Decimal("0.12345678")},
        registered=False,
        verification=1,
        country="DE",
        withdrawal_addresses=(WithdrawalAddress("BTC", "BTC", "cold", "bc1qexample"),),
        deposits=(ExpectedDeposit("TRY", Decimal("12.5"), 1500),),
    )


def test_no_number_passes_through_a_float(write: Write) -> None:
    exact = "123456789012.12345678"
    text = f"accounts: [{{id: demo, balances: {{HOT: {exact}, XRP: 1e3}}}}]"
    (account,) = load_scenario(write(text)).accounts
    assert account.balances == {"HOT": Decimal(exact), "XRP": Decimal(1000)}


def test_json_is_a_scenario_too(write: Write) -> None:
    text = '{"accounts": [{"id": "demo", "balances": {"BTC": 0.12345678, "TRY": "1"}}]}'
    (account,) = load_scenario(write(text)).accounts
    assert account.balances == {"BTC": Decimal("0.12345678"), "TRY": Decimal(1)}


def test_the_world_moves_as_it_is_told(write: Write) -> None:
    text = """
seed: 7
history: false
streamOrderIds: other
marketMaker: {tickSeconds: 0.05}
transfers: {stepSeconds: 0.25, registeredAddressesOnly: no}
"""
    config = load_scenario(write(text))
    assert (config.seed, config.history) == (7, False)
    assert config.stream_order_ids is StreamOrderIds.OTHER
    assert (config.market_maker, config.tick_seconds) == (True, 0.05)
    assert (config.transfer_step_ms, config.registered_addresses_only) == (250, False)


@pytest.mark.parametrize(("text", "moves"), [("true", True), ("off", False)])
def test_a_market_maker_is_on_or_off(write: Write, text: str, *, moves: bool) -> None:
    assert load_scenario(write(f"marketMaker: {text}")).market_maker is moves


def test_a_default_market_changes_where_it_is_told_and_only_there(write: Write) -> None:
    text = "markets: [{symbol: HOTTRY, enabled: false, makerFeePercent: 0.1}]"
    markets = load_scenario(write(text)).markets
    hot = markets["HOTTRY"]
    assert (hot.enabled, hot.maker_fee_percent) == (False, Decimal("0.1"))
    default = default_markets()
    assert (hot.taker_fee_percent, hot.opening_price) == (
        default["HOTTRY"].taker_fee_percent,
        default["HOTTRY"].opening_price,
    )
    assert {**markets, "HOTTRY": default["HOTTRY"]} == default


def test_the_smallest_quantity_follows_the_precision(write: Write) -> None:
    text = "markets: [{symbol: BTCUSDT, quantityPrecision: 4}]"
    assert load_scenario(write(text)).markets["BTCUSDT"].min_quantity == Decimal("0.0001")


def test_a_new_market_is_of_two_assets_and_takes_its_precision_from_its_price(
    write: Write,
) -> None:
    text = """
assets: [{symbol: DOGE, name: Dogecoin, precision: 4}]
markets: [{symbol: DOGETRY, openingPrice: 2.250, fastOrders: false}]
"""
    config = load_scenario(write(text))
    market = config.markets["DOGETRY"]
    assert (market.base, market.quote, market.name) == ("DOGE", "TRY", "Dogecoin")
    assert (market.price_precision, market.quantity_precision) == (2, 4)
    assert not market.fast_orders
    assert config.assets["DOGE"].precision == 4


def test_a_default_asset_changes_where_it_is_told_and_only_there(write: Write) -> None:
    text = """
assets:
  - symbol: XRP
    withdraw: {enabled: false, minimum: 30}
    deposit: {blockedCountries: [US]}
"""
    ripple, default = load_scenario(write(text)).assets["XRP"], default_assets()["XRP"]
    assert (ripple.withdraw.enabled, ripple.withdraw.minimum) == (False, Decimal(30))
    assert ripple.withdraw.channels == default.withdraw.channels
    assert ripple.deposit.blocked_countries == {"US"}
    assert ripple.deposit.channels == default.deposit.channels


def test_channels_that_are_given_take_the_place_of_the_defaults(write: Write) -> None:
    text = """
assets:
  - symbol: USDT
    withdraw:
      channels: [{name: BEP20, fee: 0.8, monthlyLimit: 5000, addressPattern: "0x[0-9a-f]{40}"}]
"""
    (channel,) = load_scenario(write(text)).assets["USDT"].withdraw.channels
    assert (channel.name, channel.fee, channel.monthly_limit, channel.tag_pattern) == (
        "BEP20",
        Decimal("0.8"),
        Decimal(5000),
        None,
    )


def test_every_fault_of_shape_is_told_at_once_with_its_place(write: Write) -> None:
    text = """
seed: x
colour: blue
marketMaker: {tickSeconds: 0}
markets: [{symbol: btcusdt, openingPrice: -1}]
accounts:
  - keys: [{apiKey: k, permissions: [admin], addresses: [10.0.0.1/8]}]
    balances: {BTC: NaN, USDT: many}
    verification: 3
    country: Germany
"""
    assert [fault.split(": ")[0] for fault in faults(write(text))] == [
        "seed",
        "marketMaker.tickSeconds",
        "markets[0].symbol",
        "markets[0].openingPrice",
        "accounts[0].id",
        "accounts[0].keys[0].apiSecret",
        "accounts[0].keys[0].permissions[0]",
        "accounts[0].keys[0].addresses[0]",
        "accounts[0].balances.BTC",
        "accounts[0].balances.USDT",
        "accounts[0].verification",
        "accounts[0].country",
        "colour",
    ]


def test_every_contradiction_is_told_at_once_with_its_place(write: Write) -> None:
    text = """
assets: [{symbol: ABC}, {symbol: ABC}]
markets:
  - {symbol: NEWCOIN}
  - {symbol: ABCTRY}
  - {symbol: BTCTRY, openingPrice: 1.5}
  - {symbol: BTCUSDT, minQuantity: 0.0000015}
accounts:
  - {id: market-maker, keys: [{apiKey: k, apiSecret: s}], balances: {DOGE: 1}}
  - id: demo
    keys: [{apiKey: k, apiSecret: s}]
    deposits: [{asset: EUR, quantity: 1}]
    withdrawalAddresses:
      - {asset: GBP, channel: BANK, name: n, address: a}
      - {asset: BTC, channel: SEPA, name: n, address: a}
  - {id: demo, balances: {XRP: 0.0000001, TRY: 1.005, HOT: 1}}
  - {id: saver, deposits: [{asset: TRY, quantity: 1.005}]}
"""
    assert faults(write(text)) == (
        "assets: the symbol ABC is there 2 times",
        "markets[0].symbol: expected the symbols of two known assets in one word",
        "markets[0].openingPrice: is missing, and the market is none of the defaults",
        "markets[1].openingPrice: is missing, and the market is none of the defaults",
        "markets[2].openingPrice: has more decimals than pricePrecision",
        "markets[3].minQuantity: has more decimals than quantityPrecision",
        "accounts: the id demo is there 2 times",
        "accounts: two key pairs have the same apiKey",
        "accounts[0].id: is the name of an account of the market maker",
        "accounts[0].balances.DOGE: no such asset",
        "accounts[1].deposits[0].asset: no such asset",
        "accounts[1].withdrawalAddresses[0].asset: no such asset",
        "accounts[1].withdrawalAddresses[1].channel: no such channel",
        "accounts[2].balances.XRP: has more decimals than XRP",
        "accounts[2].balances.TRY: has more decimals than TRY",
        "accounts[3].deposits[0].quantity: has more decimals than TRY",
    )


@pytest.mark.parametrize(
    ("quantity", "fits"),
    [
        ("999999999999.99999999", True),
        ("1000000000000", False),
        ("1e30", False),
        ("0.00000001", True),
        ("0.000000001", False),
    ],
)
def test_every_quantity_is_within_what_the_sandbox_reckons_exactly(
    write: Write, quantity: str, *, fits: bool
) -> None:
    path = write(
        f"""
markets: [{{symbol: BTCTRY, pricePrecision: 8, openingPrice: {quantity}, minTotal: {quantity}}}]
accounts: [{{id: demo, balances: {{BTC: {quantity}}}}}]
"""
    )
    if fits:
        assert load_scenario(path).accounts[0].balances == {"BTC": Decimal(quantity)}
    else:
        assert [fault.split(": ")[0] for fault in faults(path)] == [
            "markets[0].openingPrice",
            "markets[0].minTotal",
            "accounts[0].balances.BTC",
        ]


@pytest.mark.parametrize(
    "text",
    [
        "accounts: [{id: demo, keys: [{apiKey: tell-no-one, apiSecret: [tell-no-one]}]}]",
        "accounts: [{id: demo, keys: tell-no-one}]",
        "accounts: [{id: demo, keys: [{apiKey: k, apiSecret: tell-no-one]}]",
        "accounts: [{id: demo, keys: [{apiKey: k, apiSecret: *tell-no-one}]}]",
        "accounts: [{id: demo, keys: [{apiKey: k, apiSecret: s, addresses: [tell-no-one]}]}]",
        "accounts: [{id: demo, verification: tell-no-one, balances: {BTC: tell-no-one}}]",
        "assets: [{symbol: BTC, withdraw: {channels: [{name: B, tagPattern: '(tell-no-one'}]}}]",
    ],
)
def test_a_fault_shows_no_value(write: Write, text: str) -> None:
    assert faults(write(text))
    assert "tell-no-one" not in str(faults(write(text)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the file: expected a mapping, 'key: value'"),
        ("- accounts", "the file: expected a mapping, 'key: value'"),
        ("accounts: [\n{", "line 2: not valid YAML"),
        ("seed: 1\nhistory: true\nseed: 2", "line 3: a key is given twice"),
        ("? [seed]\n: 1", "line 1: a key is no text"),
        ("\x00", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused(write: Write, text: str, fault: str) -> None:
    assert faults(write(text)) == (fault,)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match=r"nowhere\.yaml: No such file"):
        load_scenario(tmp_path / "nowhere.yaml")
