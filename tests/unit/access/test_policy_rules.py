"""What a policy file says of accounts, grants, denies and limits."""

import textwrap
from decimal import Decimal

import pytest

from gateway.access.policy import NO_LIMITS, Action, Deny, Grant, Narrowing, OrderLimits
from gateway.domain.limits import Rate
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType
from tests.unit.access.examples import FULL, changed, faults, parse


def test_a_grant_has_what_narrows_and_bounds_it() -> None:
    trade, audit, operate = parse(FULL).grants("desk")
    assert trade == Grant(
        "desk-trade",
        frozenset({Action.ORDERS_PLACE, Action.ORDERS_CANCEL}),
        "demo",
        Narrowing(
            symbols=frozenset({"BTCTRY", "ETHTRY"}),
            sides=frozenset({OrderSide.BUY}),
            order_types=frozenset({OrderType.LIMIT, OrderType.MARKET}),
        ),
        OrderLimits(
            order_notional={"TRY": Decimal("100000.50"), "USDT": Decimal(2000)},
            day_notional={"TRY": Decimal(1000000)},
            open_orders=20,
            rate=Rate(10, 1),
            collar_percent=Decimal("2.5"),
        ),
    )
    assert (audit.account, audit.limits) == (None, NO_LIMITS)
    assert operate.account == "vault"


def test_a_deny_is_about_every_account_or_one() -> None:
    assert parse(FULL).denies("desk") == (
        Deny(
            "never-sell",
            frozenset({Action.ORDERS_PLACE}),
            narrowing=Narrowing(sides=frozenset({OrderSide.SELL})),
        ),
        Deny("not-the-vault", frozenset({Action.ORDERS_CANCEL, Action.AUDIT_READ}), "vault"),
    )


def test_every_rule_knows_its_line() -> None:
    policy = parse(FULL)
    assert [grant.line for grant in policy.grants("desk")] == [22, 34, 35]
    assert [deny.line for deny in policy.denies("desk")] == [37, 38]


def test_accounts_and_principals_have_their_rates() -> None:
    policy = parse(FULL)
    assert policy.accounts == ("demo", "vault")
    assert (policy.account_rate("demo"), policy.account_rate("vault")) == (None, Rate(300, 60))
    assert policy.rate_of("desk") == Rate(600, 60)


@pytest.mark.parametrize("types", ["[LIMIT]", "[STOP_LIMIT, LIMIT]"])
def test_orders_with_a_price_of_their_own_need_no_collar(types: str) -> None:
    text = changed("          collar_percent: 2.5\n", "").replace("[LIMIT, MARKET]", types)
    (trade, *_) = parse(text).grants("desk")
    assert trade.limits.collar_percent is None


RATE = "'rate': expected a rate such as '10/s', '600/min' or '5000/h'"
POSITIVE = "'day_notional': expected a decimal above 0 in plain notation, such as \"1000.50\""
PERCENT = "'collar_percent': expected percent above 0 and at most 100, such as \"5\""
COUNT = "'open_orders': expected a whole number from 1 to 999999"
CODE = "in capitals and digits, as the exchange writes it"
COLLAR = (
    "a notional of MARKET and FAST orders needs 'collar_percent'; give one, or leave those types "
    "out of 'order_types'"
)
DENY_KEYS = "id, actions, account, symbols, sides, order_types"
LIMIT_KEYS = "order_notional, day_notional, open_orders, rate, collar_percent"


def alone(name: str) -> str:
    return f"'{name}' bears on orders:place alone, which is not among the actions"


WITHOUT_TOKENS = (
    "principal 'anonymous' is whoever shows no key and no token, so it has neither tokens nor "
    "identities"
)

BAD: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "account-rate": (changed("rate: 300/min", "rate: 300"), [(4, RATE)]),
    "account-key": (
        changed("{id: vault, rate", "{id: vault, color: a, rate"),
        [(4, "unknown key 'color'; known are: id, rate")],
    ),
    "account-twice": (
        changed("id: vault", "id: demo").replace("account: vault", "account: demo"),
        [(4, "account 'demo' stands on line 3 already")],
    ),
    "principal-rate": (changed("rate: 600/min", "rate: 0/min"), [(17, RATE)]),
    "principal-named-as-the-gateway": (
        changed("id: desk\n", "id: gateway\n"),
        [(15, "principal id: 'gateway' is the gateway's own word")],
    ),
    "principal-named-as-nobody": (
        changed("id: desk\n", "id: unauthenticated\n"),
        [(15, "principal id: 'unauthenticated' is the gateway's own word")],
    ),
    "anonymous-with-a-token": (
        changed("id: desk\n", "id: anonymous\n"),
        [(15, WITHOUT_TOKENS)],
    ),
    "rule-named-as-the-default": (
        changed("id: never-sell", "id: default-deny"),
        [(37, "rule id: 'default-deny' is the gateway's own word")],
    ),
    "deny-named-as-a-grant": (
        changed("id: never-sell", "id: desk-trade"),
        [(37, "rule 'desk-trade' stands on line 22 already")],
    ),
    "deny-with-limits": (
        changed("sides: [SELL]", "sides: [SELL], limits: {open_orders: 1}"),
        [(37, f"unknown key 'limits'; known are: {DENY_KEYS}")],
    ),
    "deny-of-market-on-an-account": (
        changed("[orders:cancel, audit:read]", "[market:read]"),
        [(38, "'market:read' is not of an account: give it a rule of its own")],
    ),
    "deny-on-an-unknown-account": (
        changed("not-the-vault, account: vault", "not-the-vault, account: moon"),
        [(38, "account 'moon' is not under 'accounts'")],
    ),
    "read-all-without-an-account": (
        changed("[audit:read, market:read]", "[orders:read-all]"),
        [(34, "'orders:read-all' needs an 'account'")],
    ),
    "narrowed-without-orders": (
        changed("[orders:place, orders:cancel]", "[orders:cancel]"),
        [
            (25, alone("symbols")),
            (26, alone("sides")),
            (27, alone("order_types")),
            (29, alone("limits")),
        ],
    ),
    "symbol-in-small-letters": (
        changed("[BTCTRY, ETHTRY]", "[btctry]"),
        [(25, f"'symbols': expected a market's symbol {CODE}")],
    ),
    "symbols-empty": (changed("[BTCTRY, ETHTRY]", "[]"), [(25, "'symbols' is empty")]),
    "symbols-nothing": (changed("[BTCTRY, ETHTRY]", ""), [(25, "'symbols' is empty")]),
    "sides-empty": (changed("sides: [BUY]", "sides: []"), [(26, "'sides' is empty")]),
    "side-unknown": (
        changed("sides: [BUY]", "sides: [buy]"),
        [(26, "unknown side 'buy'; known are: BUY, SELL")],
    ),
    "order-types-empty": (
        changed("[LIMIT, MARKET]", "[]"),
        [(27, "'order_types' is empty")],
    ),
    "order-type-unknown": (
        changed("[LIMIT, MARKET]", "[LIMIT, ICEBERG]"),
        [(27, "unknown order type 'ICEBERG'; known are: LIMIT, MARKET, STOP_LIMIT, FAST")],
    ),
    "asset-twice": (
        changed("USDT: 2000", "TRY: 2000"),
        [(29, "the key 'TRY' is given twice")],
    ),
    "asset-in-small-letters": (
        changed("USDT: 2000", "usdt: 2000"),
        [(29, f"'order_notional': expected an asset {CODE}")],
    ),
    "notional-empty": (
        changed('{TRY: "1000000"}', "{}"),
        [(30, "'day_notional' is empty")],
    ),
    "notional-list": (
        changed('{TRY: "1000000"}', "[TRY]"),
        [(30, "'day_notional': expected a mapping, 'key: value'")],
    ),
    "notional-zero": (changed('"1000000"', "0"), [(30, POSITIVE)]),
    "notional-negative": (changed('"1000000"', "-1"), [(30, POSITIVE)]),
    "notional-exponent": (changed('"1000000"', "1e6"), [(30, POSITIVE)]),
    "notional-underscore": (changed('"1000000"', "1_000"), [(30, POSITIVE)]),
    "notional-infinite": (changed('"1000000"', ".inf"), [(30, POSITIVE)]),
    "open-orders-zero": (changed("open_orders: 20", "open_orders: 0"), [(31, COUNT)]),
    "open-orders-octal": (changed("open_orders: 20", "open_orders: 020"), [(31, COUNT)]),
    "grant-rate": (changed("rate: 10/s", "rate: 10"), [(32, RATE)]),
    "collar-of-nothing": (changed("percent: 2.5", "percent: 0"), [(33, PERCENT)]),
    "collar-of-everything": (changed("percent: 2.5", "percent: 100.01"), [(33, PERCENT)]),
    "collar-missing": (changed("          collar_percent: 2.5\n", ""), [(29, COLLAR)]),
    "collar-missing-for-all-types": (
        changed("          collar_percent: 2.5\n", "").replace(
            "        order_types: [LIMIT, MARKET]\n", ""
        ),
        [(28, COLLAR)],
    ),
    "limits-empty": (
        FULL.replace("\n          ", "").replace("limits:", "limits: {} #"),
        [(28, "'limits' is empty")],
    ),
    "limit-unknown": (
        changed("open_orders: 20", "open_order: 20"),
        [(31, f"unknown key 'open_order'; known are: {LIMIT_KEYS}")],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD)
def test_each_fault_is_told_with_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    assert faults(text) == expected


def test_faults_on_one_line_are_told_apart_by_their_keys() -> None:
    limits = '{day_notional: {TRY: -1}, open_orders: -1, rate: 5, collar_percent: "5%"}'
    found = faults(
        textwrap.dedent(f"""\
            version: 1
            accounts: [demo]
            principals:
              - id: app
                kind: app
                grants:
                  - {{id: g, account: demo, actions: [orders:place], limits: {limits}}}
            """)
    )
    assert found == [(7, problem) for problem in (PERCENT, POSITIVE, COUNT, RATE)]


def test_faults_of_every_part_are_told_at_once() -> None:
    text = textwrap.dedent("""\
        version: 1
        accounts: [{id: demo, rate: x}]
        issuers: [{id: a, issuer: b, audience: c, algorithms: [HS256]}]
        principals:
          - id: app
            kind: app
            rate: y
            grants:
              - {id: g, account: demo, actions: [orders:place], limits: {rate: z}}
            denies:
              - {id: g, actions: [orders:place], sides: [LEFT]}
        """)
    assert [line for line, _ in faults(text)] == [2, 3, 3, 7, 9, 11, 11]
