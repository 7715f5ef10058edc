"""Documents parsed and validated once, and kept by their text."""

from collections import OrderedDict
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    get_operation_ast,
    parse,
    validate,
)

from gateway.schema.costs import cost
from gateway.schema.errors import PARSE_FAILED, VALIDATION_FAILED, coded, too_complex
from gateway.schema.limits import DocumentLimits, excess

_PUBLIC_FIELDS = frozenset(
    {"markets", "market", "tickers", "topOfBook", "orderBook", "candles", "trades", "__typename"}
)
_CANCEL_FIELDS = frozenset({"cancelOrder", "__typename"})


class DocumentFault(Exception):
    """The document cannot be executed; `errors` say why, each with a code."""

    def __init__(self, errors: tuple[GraphQLError, ...]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        """One line for each error."""
        return "\n".join(error.message for error in self.errors)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a valid document.

    `public`: it reads nothing but public market data, so that its result is the same for every
    caller who may read that. `cancels`: it does nothing but cancel orders. `field` is the name of
    its first root field.
    """

    document: DocumentNode
    name: str | None
    type: OperationType
    public: bool
    cancels: bool
    field: str


class Documents:
    """Gives the operations of documents; keeps the `capacity` documents used last."""

    def __init__(self, schema: GraphQLSchema, limits: DocumentLimits, capacity: int) -> None:
        self._schema = schema
        self._limits = limits
        self._capacity = capacity
        self._kept: OrderedDict[str, DocumentNode] = OrderedDict()

    def operation(self, text: str, name: str | None) -> Operation:
        """The operation `name` of a document, or its only one; raises `DocumentFault`."""
        document = self._document(text)
        node = get_operation_ast(document, name)
        if node is None:
            problem = "operationName must name one operation of the document"
            raise DocumentFault((coded(GraphQLError(problem), VALIDATION_FAILED),))
        fields = [_root_field(selection) for selection in node.selection_set.selections]
        return Operation(
            document=document,
            name=name,
            type=node.operation,
            public=node.operation is not OperationType.MUTATION
            and _PUBLIC_FIELDS.issuperset(fields),
            cancels=node.operation is OperationType.MUTATION and _CANCEL_FIELDS.issuperset(fields),
            field=fields[0] if fields else "",
        )

    def _document(self, text: str) -> DocumentNode:
        document = self._kept.get(text)
        if document is None:
            document = self._kept[text] = self._checked(text)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(text)
        return document

    def _checked(self, text: str) -> DocumentNode:
        try:
            document = parse(
                text, max_lexical_tokens=self._limits.tokens, max_comments=self._limits.tokens
            )
        except GraphQLError as error:
            if error.message.endswith("Parsing aborted."):
                raise DocumentFault((too_complex(error.message),)) from None
            raise DocumentFault((coded(error, PARSE_FAILED),)) from None
        errors = validate(self._schema, document, max_errors=5)
        if errors:
            raise DocumentFault(tuple(coded(error, VALIDATION_FAILED) for error in errors))
        if (problem := excess(document, self._limits)) is not None:
            raise DocumentFault((too_complex(problem),))
        if (found := cost(self._schema, document)) > self._limits.cost:
            problem = f"the operation's cost is {found}; at most {self._limits.cost} allowed"
            raise DocumentFault((too_complex(problem),))
        return document


def _root_field(selection: object) -> str:
    return selection.name.value if isinstance(selection, FieldNode) else "..."
