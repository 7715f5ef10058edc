"""The GraphQL schema: types, resolvers, limits, execution. Thin, with no I/O of its own."""

from gateway.schema.build import build_schema, sdl

__all__ = ["build_schema", "sdl"]
