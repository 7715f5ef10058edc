"""Authorization where a field is declared: visible in the SDL, enforced before the resolver."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, OperationType
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver, SyncExtensionResolver
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from gateway.access.policy import Action
from gateway.schema.context import Info

AccountOf = Callable[[Any, dict[str, Any]], str | None]
"""Tells which account a field concerns, if one, from its parent and its arguments."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="requires",
    description="The action that the policy must grant the caller for this field.",
)
class RequiresDirective:
    """What the SDL shows."""

    action: str = strawberry.directive_field(name="action")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="authenticated",
    description="This field needs a known caller and no grant: it shows nothing but their own.",
)
class AuthenticatedDirective:
    """What the SDL shows of a field that any known caller may ask for."""


@dataclass(eq=False)
class UndeclaredAccess(Exception):
    """These fields ("Query.markets") declare neither what they require nor that it is nothing."""

    fields: tuple[str, ...]

    def __str__(self) -> str:
        """Name the fields."""
        return f"neither @requires nor @authenticated: {', '.join(self.fields)}"


def require_declarations(schema: GraphQLSchema) -> None:
    """Raise `UndeclaredAccess` unless each field of a root type and of Account is declared.

    Every request has a known caller, so the fields of other types are reached through one of these.
    """
    roots = (schema.get_root_type(operation) for operation in OperationType)
    undeclared = [
        f"{kind.name}.{name}"
        for kind in (*roots, schema.get_type("Account"))
        if isinstance(kind, GraphQLObjectType)
        for name, field in kind.fields.items()
        if not _is_declared(field)
    ]
    if undeclared:
        raise UndeclaredAccess(tuple(undeclared))


def _is_declared(field: GraphQLField) -> bool:
    directives = field.extensions["strawberry-definition"].directives
    return any(isinstance(each, RequiresDirective | AuthenticatedDirective) for each in directives)


class Requires(FieldExtension):
    """Lets a field be resolved only for a caller to whom the policy grants `action`."""

    def __init__(self, action: Action, account_of: AccountOf | None = None) -> None:
        self._action = action
        self._account_of = account_of

    def apply(self, field: StrawberryField) -> None:
        """Show the action in the SDL, once however many schemas are built."""
        directive = RequiresDirective(action=self._action.value)
        if directive not in field.directives:
            field.directives = [*field.directives, directive]

    def resolve(
        self,
        next_: SyncExtensionResolver,
        source: Any,
        info: Info,
        **kwargs: Any,
    ) -> Any:
        """Check, then resolve."""
        self._check(source, info, kwargs)
        return next_(source, info, **kwargs)

    async def resolve_async(
        self,
        next_: AsyncExtensionResolver,
        source: Any,
        info: Info,
        **kwargs: Any,
    ) -> Any:
        """Check, then resolve; a subscription's resolver gives a stream instead of an awaitable."""
        self._check(source, info, kwargs)
        resolved: Any = next_(source, info, **kwargs)
        return await resolved if isawaitable(resolved) else resolved

    def _check(self, source: Any, info: Info, kwargs: dict[str, Any]) -> None:
        account = None if self._account_of is None else self._account_of(source, kwargs)
        info.context.require((self._action, account))


def reads_market() -> Requires:
    """For fields of public market data."""
    return Requires(Action.MARKET_READ)


def reads_account() -> Requires:
    """For the fields of the type Account."""
    return Requires(Action.ACCOUNT_READ, lambda source, _: source.id)


def reads_account_argument() -> Requires:
    """For root fields with an argument `account`."""
    return Requires(Action.ACCOUNT_READ, lambda _, kwargs: kwargs["account"])
