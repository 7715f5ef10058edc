"""Fields with descriptions."""

from typing import Any

import strawberry


def described(text: str) -> Any:  # noqa: ANN401  # it stands for a default of the field's own type
    """A field of a GraphQL type with its description."""
    return strawberry.field(description=text)
