from decimal import Decimal

import strawberry

from gateway.access.policy import (
    AccountRule,
    Action,
    Deny,
    Grant,
    Member,
    Narrowing,
    OrderLimits,
    Policy,
    Principal,
    PrincipalKind,
)
from gateway.domain.limits import LimitState, Rate
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType
from gateway.schema.viewer_types import Viewer

DESK = Principal("desk", PrincipalKind.APP)
NARROWING = Narrowing(
    symbols=frozenset({"ETHTRY", "BTCTRY"}),
    sides=frozenset({OrderSide.BUY}),
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
)
LIMITS = OrderLimits(
    order_notional={"USDT": Decimal(50), "TRY": Decimal("1000.5")},
    open_orders=20,
    rate=Rate(10, 1),
    collar_percent=Decimal(5),
)
TRADE = Grant(
    "trade", frozenset({Action.ORDERS_PLACE, Action.ORDERS_CANCEL}), "demo", NARROWING, LIMITS
)
MARKET = Grant("market", frozenset({Action.MARKET_READ}))
NEVER = Deny(
    "never", frozenset({Action.ORDERS_PLACE}), None, Narrowing(sides=frozenset({OrderSide.SELL}))
)


def viewer() -> Viewer:
    policy = Policy(
        revision="",
        accounts=(AccountRule("demo"),),
        members=(Member(DESK, grants=(TRADE, MARKET), denies=(NEVER,)),),
        wall_ms=lambda: 0,
    )
    left = LimitState("requests", Decimal(600), Decimal(599), 1_000)
    return Viewer.of(DESK, policy, [left, LimitState("orders", Decimal(5), Decimal(5))])


def test_a_narrowed_grant_is_shown_with_its_limits() -> None:
    trade, _ = viewer().grants
    shown = strawberry.asdict(trade)
    assert shown == {
        "id": "trade",
        "account": "demo",
        "actions": ["orders:cancel", "orders:place"],
        "symbols": ["BTCTRY", "ETHTRY"],
        "sides": ["BUY"],
        "order_types": ["LIMIT", "MARKET"],
        "limits": {
            "order_notional": [
                {"asset": "TRY", "limit": Decimal("1000.5")},
                {"asset": "USDT", "limit": Decimal(50)},
            ],
            "day_notional": None,
            "open_orders": 20,
            "rate": "10/s",
            "collar_percent": Decimal(5),
        },
    }


def test_what_narrows_or_bounds_nothing_is_null() -> None:
    _, market = viewer().grants
    assert strawberry.asdict(market) == {
        "id": "market",
        "account": None,
        "actions": ["market:read"],
        "symbols": None,
        "sides": None,
        "order_types": None,
        "limits": None,
    }


def test_denies_are_shown_to_whom_they_bind() -> None:
    (never,) = viewer().denies
    assert strawberry.asdict(never) == {
        "id": "never",
        "account": None,
        "actions": ["orders:place"],
        "symbols": None,
        "sides": ["SELL"],
        "order_types": None,
    }


def test_limits_are_shown_with_what_is_left_of_them() -> None:
    requests, orders = viewer().limits
    assert (requests.name, requests.limit, requests.remaining) == (
        "requests",
        Decimal(600),
        Decimal(599),
    )
    assert (requests.resets_at, orders.resets_at) == (1_000, None)


def test_the_caller_is_named() -> None:
    assert (viewer().principal, viewer().kind) == ("desk", "app")
