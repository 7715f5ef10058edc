"""Puts the schema together."""

import strawberry
from graphql import GraphQLInputObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from gateway.schema.requires import require_declarations
from gateway.schema.roots import Mutation, Query, Subscription
from gateway.schema.scalars import SCALARS


def _strawberry_schema() -> strawberry.Schema:
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        config=StrawberryConfig(scalar_map=SCALARS),
    )


def build_schema() -> GraphQLSchema:
    """The executable schema. Raises `UndeclaredAccess` for a field that anybody might read.

    Execution goes to graphql-core directly, past strawberry's own: documents are parsed and
    validated once and kept, and one execution serves a whole group of equal subscriptions.
    """
    schema = _strawberry_schema()._schema  # noqa: SLF001  # strawberry offers no other way to it
    require_declarations(schema)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            # Strawberry leaves this out and checks by itself, in errors that name no field.
            kind.is_one_of = kind.extensions["strawberry-definition"].is_one_of
    return schema


def sdl() -> str:
    """The schema in the schema definition language, as `graphql/schema.graphql` holds it."""
    return _strawberry_schema().as_str() + "\n"
