"""Puts the schema together."""

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

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
    """The executable schema.

    Execution goes to graphql-core directly, past strawberry's own: documents are parsed and
    validated once and kept, and one execution serves a whole group of equal subscriptions.
    """
    return _strawberry_schema()._schema  # noqa: SLF001  # strawberry offers no other way to it


def sdl() -> str:
    """The schema in the schema definition language, as `graphql/schema.graphql` holds it."""
    return _strawberry_schema().as_str() + "\n"
