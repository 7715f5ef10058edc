"""What the answer to a GraphQL document may cost: how many values it has at the most.

A list counts as many times as it may have members. Most lengths are known only at run time, so
each list of the schema has a bound here; arguments that ask for less are believed when they are
written out in the document.
"""

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NamedTypeNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    get_named_type,
    value_from_ast,
)

from gateway.domain.market import CandleInterval
from gateway.schema.audit_types import MAX_AUDIT_ENTRIES
from gateway.schema.market_types import MAX_LEVELS, MAX_TRADES
from gateway.schema.placement_pages import MAX_PLACEMENTS
from gateway.services.candle_ranges import MAX_CANDLES

LENGTHS = {
    "Query.markets": 100,
    "Query.accounts": 10,
    "Query.quarantines": 20,
    "Query.suspensions": 20,
    "Query.tradingSwitches": 20,
    "Query.unresolvedPlacements": 100,
    "Account.balances": 100,
    "Account.currencies": 100,
    "Account.deposits": 5,
    "Account.fills": 500,
    "Account.openOrders": 300,
    "Account.withdrawals": 5,
    "AuditConnection.edges": MAX_AUDIT_ENTRIES,
    "AuditEntry.detail": 10,
    "CandleSeries.candles": MAX_CANDLES,
    "Deny.actions": 10,
    "Deny.orderTypes": 4,
    "Deny.sides": 2,
    "Deny.symbols": 100,
    "DepositOptions.channels": 10,
    "Grant.actions": 10,
    "Grant.orderTypes": 4,
    "Grant.sides": 2,
    "Grant.symbols": 100,
    "GrantLimits.dayNotional": 10,
    "GrantLimits.orderNotional": 10,
    "OrderBook.asks": MAX_LEVELS,
    "OrderBook.bids": MAX_LEVELS,
    "OrdersCancelled.cancelled": 300,
    "OrdersCancelled.ended": 300,
    "OrdersCancelled.failed": 300,
    "OrdersCancelled.pending": 300,
    "OrdersCancelled.unresolved": 100,
    "PlacementConnection.edges": MAX_PLACEMENTS,
    "TradeHistory.trades": MAX_TRADES,
    "Viewer.denies": 20,
    "Viewer.grants": 20,
    "Viewer.limits": 20,
    "WithdrawalChannel.addresses": 20,
    "WithdrawalOptions.channels": 10,
}
"""How many members a list is taken to have: the most it can, or more than it usually has."""

_COUNTED_BY = {
    "Query.auditLog": "first",
    "Query.markets": "symbols",
    "Query.placements": "first",
    "Market.orderBook": "depth",
    "Market.trades": "first",
    "Subscription.orderBook": "depth",
}
"""The argument that bounds a list, or the lists inside an object."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a selection stands: in a type, inside a field whose lists have `most` members."""

    type: GraphQLNamedType
    most: int | None = None


class _Prices:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._priced: dict[tuple[str, _Place], int] = {}

    def operation(self, node: OperationDefinitionNode) -> int:
        root = self._schema.get_root_type(node.operation)
        return 0 if root is None else self._selections(node.selection_set, _Place(root))

    def _selections(self, node: SelectionSetNode, place: _Place) -> int:
        return sum(self._selection(selection, place) for selection in node.selections)

    def _selection(self, node: SelectionNode, place: _Place) -> int:
        match node:
            case FieldNode():
                return self._field(node, place)
            case InlineFragmentNode(type_condition=condition):
                inside = place if condition is None else self._narrowed(condition, place)
                return self._selections(node.selection_set, inside)
            case FragmentSpreadNode():
                return self._fragment(node.name.value, place)
            case _:
                return 0

    def _narrowed(self, condition: NamedTypeNode, place: _Place) -> _Place:
        return _Place(self._schema.type_map[condition.name.value], place.most)

    def _fragment(self, name: str, place: _Place) -> int:
        key = (name, place)
        if key not in self._priced:
            fragment = self._fragments[name]
            inside = self._narrowed(fragment.type_condition, place)
            self._priced[key] = self._selections(fragment.selection_set, inside)
        return self._priced[key]

    def _field(self, node: FieldNode, place: _Place) -> int:
        field = getattr(place.type, "fields", {}).get(node.name.value)
        if field is None:
            return 1  # __typename, or the schema about itself
        name = f"{place.type.name}.{node.name.value}"
        asked, times = _asked(name, node, field), 1
        if name in LENGTHS:
            times = min(count for count in (LENGTHS[name], asked, place.most) if count is not None)
            asked = None
        if node.selection_set is None:
            return times
        inside = _Place(get_named_type(field.type), asked)
        return times * (1 + self._selections(node.selection_set, inside))


def _asked(name: str, node: FieldNode, field: GraphQLField) -> int | None:
    """How many members the field's arguments ask for; None if the document does not say."""
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    if name == "Market.candles":
        return _window(given, field)
    if name == "Query.placements" and not isinstance(given.get("state"), NullValueNode | None):
        return None  # those in other states are read too, to be left out
    return _counted(given, field, _COUNTED_BY.get(name, ""))


def _counted(given: dict[str, ValueNode], field: GraphQLField, argument: str) -> int | None:
    """How many the argument of this name asks for; None if there is none, or a variable."""
    match given.get(argument):
        case IntValueNode(value=value):
            return max(1, int(value))
        case ListValueNode(values=values):
            return len(values)
        case StringValueNode():
            return 1  # a lone value stands for a list of it
        case None if argument:
            default = field.args[argument].default_value
            return default if isinstance(default, int) else None
        case _:
            return None


def _window(given: dict[str, ValueNode], field: GraphQLField) -> int | None:
    """How many candles a window holds; None unless it is written out."""
    written = (
        value_from_ast(given.get(name), field.args[name].type)
        for name in ("interval", "from", "to")
    )
    match tuple(written):
        case (CandleInterval() as interval, int(start), int(end)):
            window = interval.floor(end) - interval.floor(start)
            return max(1, window // interval.milliseconds + 1)
        case _:
            return None


def cost(schema: GraphQLSchema, document: DocumentNode) -> int:
    """The most values that the dearest operation of a valid `document` can answer with."""
    prices = _Prices(schema, document)
    operations = (
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    )
    return max(map(prices.operation, operations), default=0)
