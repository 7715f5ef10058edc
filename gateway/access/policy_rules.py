"""Grants, denies and limits in a policy file."""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import TypeVar

import yaml

from gateway.access.faults import FaultList, named
from gateway.access.policy import (
    DEFAULT_DENY,
    NO_LIMITS,
    Action,
    Deny,
    Grant,
    Narrowing,
    OrderLimits,
)
from gateway.access.policy_values import ValueReader
from gateway.access.yaml_reader import YamlReader, line_of
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType

K = TypeVar("K")

_NARROWING = ("symbols", "sides", "order_types")
_LIMITS = ("order_notional", "day_notional", "open_orders", "rate", "collar_percent")
_AT_THE_MARKET = frozenset({OrderType.MARKET, OrderType.FAST})


class RuleReader:
    """Reads rules about the declared `accounts`."""

    def __init__(
        self,
        faults: FaultList,
        reader: YamlReader,
        values: ValueReader,
        accounts: Collection[str],
    ) -> None:
        self._faults = faults
        self._yaml = reader
        self._values = values
        self._accounts = accounts

    def grant(self, node: yaml.Node) -> Grant | None:
        """Read one grant."""
        optional = ("account", *_NARROWING, "limits")
        parts = self._yaml.mapping(node, required=("id", "actions"), optional=optional)
        identity = self._values.identity("rule", parts.get("id"), reserved=(DEFAULT_DENY,))
        actions = self._actions(node, parts)
        account = self._account(parts.get("account"))
        for action in sorted(actions):
            if action.needs_account and "account" not in parts:
                self._faults.add(line_of(node), f"'{action}' needs an 'account'")
        narrowing = self._narrowing(parts)
        limits = self._limits(parts.get("limits"), narrowing)
        if identity is None:
            return None
        return Grant(identity, actions, account, narrowing, limits, line_of(node))

    def deny(self, node: yaml.Node) -> Deny | None:
        """Read one deny."""
        optional = ("account", *_NARROWING)
        parts = self._yaml.mapping(node, required=("id", "actions"), optional=optional)
        identity = self._values.identity("rule", parts.get("id"), reserved=(DEFAULT_DENY,))
        actions = self._actions(node, parts)
        account = self._account(parts.get("account"))
        narrowing = self._narrowing(parts)
        if identity is None:
            return None
        return Deny(identity, actions, account, narrowing, line_of(node))

    def _actions(self, node: yaml.Node, parts: Mapping[str, yaml.Node]) -> frozenset[Action]:
        listed = self._yaml.some_items(parts.get("actions"), "actions")
        words = (self._values.word(Action, "action", item) for item in listed)
        actions = frozenset(action for action in words if action is not None)
        for action in sorted(actions):
            if not action.takes_account and "account" in parts:
                self._faults.add(
                    line_of(node), f"'{action}' is not of an account: give it a rule of its own"
                )
        if Action.ORDERS_PLACE not in actions:
            for name in (*_NARROWING, "limits"):
                if name in parts:
                    self._not_of_orders(name, parts[name])
        return actions

    def _not_of_orders(self, name: str, node: yaml.Node) -> None:
        problem = f"'{name}' bears on orders:place alone, which is not among the actions"
        self._faults.add(line_of(node), problem)

    def _account(self, node: yaml.Node | None) -> str | None:
        account = self._yaml.text(node)
        if node is not None and account is not None and account not in self._accounts:
            self._faults.add(line_of(node), f"{named('account', account)} is not under 'accounts'")
        return account

    def _narrowing(self, parts: Mapping[str, yaml.Node]) -> Narrowing:
        return Narrowing(
            symbols=self._chosen(parts, "symbols", self._symbol),
            sides=self._chosen(parts, "sides", self._side),
            order_types=self._chosen(parts, "order_types", self._order_type),
        )

    def _chosen(
        self, parts: Mapping[str, yaml.Node], name: str, read: Callable[[yaml.Node], K | None]
    ) -> frozenset[K] | None:
        if name not in parts:
            return None
        chosen = map(read, self._yaml.some_items(parts[name], name))
        return frozenset(item for item in chosen if item is not None)

    def _symbol(self, node: yaml.Node) -> str | None:
        return self._values.code("a market's symbol", node)

    def _side(self, node: yaml.Node) -> OrderSide | None:
        return self._values.word(OrderSide, "side", node)

    def _order_type(self, node: yaml.Node) -> OrderType | None:
        return self._values.word(OrderType, "order type", node)

    def _limits(self, node: yaml.Node | None, narrowing: Narrowing) -> OrderLimits:
        if node is None:
            return NO_LIMITS
        parts = self._yaml.mapping(node, required=(), optional=_LIMITS)
        if isinstance(node, yaml.MappingNode) and not node.value:
            self._faults.add(line_of(node), "'limits' is empty")
        limits = OrderLimits(
            order_notional=self._notional(parts, "order_notional"),
            day_notional=self._notional(parts, "day_notional"),
            open_orders=self._values.count(parts.get("open_orders")),
            rate=self._values.rate(parts.get("rate")),
            collar_percent=self._values.percent(parts.get("collar_percent")),
        )
        self._check_collar(node, parts, narrowing)
        return limits

    def _notional(self, parts: Mapping[str, yaml.Node], name: str) -> dict[str, Decimal] | None:
        if name not in parts:
            return None
        pairs = self._yaml.pairs(parts[name])
        if isinstance(parts[name], yaml.MappingNode) and not pairs:
            self._faults.add(line_of(parts[name]), f"'{name}' is empty")
        read = ((self._values.code("an asset", k), self._values.positive(v)) for k, v in pairs)
        return {asset: most for asset, most in read if asset is not None and most is not None}

    def _check_collar(
        self, node: yaml.Node, parts: Mapping[str, yaml.Node], narrowing: Narrowing
    ) -> None:
        """See that an order without a price of its own can be given a value in advance."""
        bounded = parts.keys() & {"order_notional", "day_notional"}
        types = OrderType if narrowing.order_types is None else narrowing.order_types
        if bounded and _AT_THE_MARKET & set(types) and "collar_percent" not in parts:
            problem = (
                "a notional of MARKET and FAST orders needs 'collar_percent'; give one, or leave "
                "those types out of 'order_types'"
            )
            self._faults.add(line_of(node), problem)
