"""How much a GraphQL document may ask for.

Depth, aliases and fields are counted after fragments are put in their places: a small document
can name a fragment in many places, and each costs the same as if it were written out. Counts are
kept for each fragment, so that counting stays fast however the fragments multiply.
"""

from dataclasses import dataclass
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The most that a document may have of each.

    Tokens are counted by the parser, `cost` by `gateway.schema.costs`.
    """

    depth: int
    aliases: int
    fields: int
    tokens: int
    cost: int

    @classmethod
    def of(cls, settings: Settings) -> "DocumentLimits":
        """The limits that the settings name."""
        return cls(
            depth=settings.max_query_depth,
            aliases=settings.max_query_aliases,
            fields=settings.max_query_fields,
            tokens=settings.max_query_tokens,
            cost=settings.max_query_cost,
        )


class Weight(NamedTuple):
    """What a selection asks for."""

    depth: int
    aliases: int
    fields: int


_NOTHING = Weight(0, 0, 0)


class _Scales:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._weighed: dict[str, Weight] = {}

    def weigh(self, selections: SelectionSetNode | None) -> Weight:
        if selections is None:
            return _NOTHING
        weights = [self._selection(selection) for selection in selections.selections]
        return Weight(
            depth=max((weight.depth for weight in weights), default=0),
            aliases=sum(weight.aliases for weight in weights),
            fields=sum(weight.fields for weight in weights),
        )

    def _selection(self, node: SelectionNode) -> Weight:
        match node:
            case FieldNode():
                inner = self.weigh(node.selection_set)
                introspects = node.name.value.startswith("__")
                return Weight(
                    depth=0 if introspects else inner.depth + 1,
                    aliases=inner.aliases + (node.alias is not None),
                    fields=inner.fields + 1,
                )
            case InlineFragmentNode():
                return self.weigh(node.selection_set)
            case FragmentSpreadNode():
                return self._fragment(node.name.value)
            case _:
                return _NOTHING

    def _fragment(self, name: str) -> Weight:
        if name not in self._weighed:
            self._weighed[name] = self.weigh(self._fragments[name].selection_set)
        return self._weighed[name]


def excess(document: DocumentNode, limits: DocumentLimits) -> str | None:
    """Say in a sentence what `document` has too much of; None if it keeps the limits.

    The document must be valid: its fragments exist and do not go in circles.
    """
    scales = _Scales(document)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            weight = scales.weigh(node.selection_set)
            for name in Weight._fields:
                found, most = getattr(weight, name), getattr(limits, name)
                if found > most:
                    return f"the operation's {name} {_count(name)} {found}; at most {most} allowed"
    return None


def _count(name: str) -> str:
    return "is" if name == "depth" else "count"
