"""The GraphQL documents of `graphql/operations`, by name."""

from pathlib import Path

_PACKAGED = Path(__file__).parent / "operations"
_CHECKOUT = Path(__file__).parents[2] / "graphql" / "operations"


def operation(name: str) -> str:
    """The text of the document `name`, such as "market". An installed wheel carries them along."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return (folder / f"{name}.graphql").read_text(encoding="utf-8")
