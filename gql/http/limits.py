"""What a document may be at most: a bound on the work that one request can ask for.

The rule is made once: graphql-core's validation is cached by its rules, and a rule class made for
each request would never be found there (2 to 3 ms for each).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    ValueNode,
    VariableNode,
)

MAX_BODY: Final = 1_048_576
"""Bytes of a request's body, or of a WebSocket message."""
MAX_TOKENS: Final = 2_000
"""Words and brackets of a document. Comments are not tokens: MAX_BODY bounds them."""
MAX_DEPTH: Final = 12
"""Fields inside fields. Introspection, which needs 13, is not counted."""
MAX_ALIASES: Final = 50
"""Fields under another name, fragments spread out."""
MAX_ROWS: Final = 20_000
"""Rows of pages, those of pages inside pages multiplied."""

_LONGEST_PAGE: Final = 100
_PAGES: Final = {"products": 20, "orders": 20, "leaderboards": 20, "top": 10, "byScore": 10}
"""Fields that answer with a page, and how many rows it has when nothing is said."""


@dataclass(frozen=True, slots=True)
class _Size:
    depth: int = 0
    aliases: int = 0

    def beside(self, other: "_Size") -> "_Size":
        return _Size(max(self.depth, other.depth), self.aliases + other.aliases)


class DocumentLimits(ValidationRule):
    """Refuses operations that are too deep or have too many aliases.

    Each fragment is measured once, however often it is spread: fragments that spread each other
    would otherwise take time exponential in their number.
    """

    def __init__(self, context: ValidationContext) -> None:
        """Measure the document; graphql-core makes one rule for each validation."""
        super().__init__(context)
        sizes = _Measure(context.document)
        for definition in context.document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                self._check(definition, sizes.of(definition.selection_set))

    def _check(self, operation: OperationDefinitionNode, size: _Size) -> None:
        if size.depth > MAX_DEPTH:
            self._refuse(operation, "fields inside fields", MAX_DEPTH, size.depth)
        if size.aliases > MAX_ALIASES:
            self._refuse(operation, "aliases", MAX_ALIASES, size.aliases)

    def _refuse(self, node: OperationDefinitionNode, what: str, most: int, got: int) -> None:
        name = f" {node.name.value!r}" if node.name else ""
        message = f"The operation{name} may have at most {most} {what}, fragments spread; got {got}"
        self.report_error(GraphQLError(message, [node]))


class _Measure:
    """Sizes of the selections of one document."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = _fragments_of(document)
        self._measured: dict[str, _Size] = {}

    def of(self, selections: SelectionSetNode | None) -> _Size:
        size = _Size()
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                size = size.beside(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                size = size.beside(self.of(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                size = size.beside(self._fragment(node.name.value))
        return size

    def _field(self, node: FieldNode) -> _Size:
        alias = 1 if node.alias else 0
        if node.name.value.startswith("__"):
            return _Size(0, alias)
        inside = self.of(node.selection_set)
        return _Size(inside.depth + 1, inside.aliases + alias)

    def _fragment(self, name: str) -> _Size:
        if name not in self._measured:
            self._measured[name] = _Size()  # met again inside itself: another rule refuses it
            fragment = self._fragments.get(name)
            if fragment is not None:
                self._measured[name] = self.of(fragment.selection_set)
        return self._measured[name]


def rows_asked(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, object]
) -> int:
    """Return how many rows of pages an operation can ask for at most.

    A page of 100 whose rows each have a page of 100 is 10,100. Each fragment is counted once.
    """
    return _Rows(document, variables).of(operation.selection_set)


class _Rows:
    """Rows that the selections of one document ask for."""

    def __init__(self, document: DocumentNode, variables: Mapping[str, object]) -> None:
        self._fragments = _fragments_of(document)
        self._variables = variables
        self._counted: dict[str, int] = {}

    def of(self, selections: SelectionSetNode | None) -> int:
        return sum(map(self._of_one, selections.selections)) if selections else 0

    def _of_one(self, node: SelectionNode) -> int:
        if isinstance(node, FieldNode):
            inside, page = self.of(node.selection_set), self._page(node)
            return inside if page is None else page * (1 + inside)
        if isinstance(node, InlineFragmentNode):
            return self.of(node.selection_set)
        return self._fragment(node.name.value) if isinstance(node, FragmentSpreadNode) else 0

    def _fragment(self, name: str) -> int:
        if name not in self._counted:
            fragment = self._fragments.get(name)
            self._counted[name] = self.of(fragment.selection_set) if fragment else 0
        return self._counted[name]

    def _page(self, node: FieldNode) -> int | None:
        """Return how many rows a field's page has at most; None for what is no page."""
        sizes = [it.value for it in node.arguments or () if it.name.value in ("first", "last")]
        found = [size for size in map(self._size, sizes) if size is not None]
        return max(found) if found else _PAGES.get(node.name.value)

    def _size(self, value: ValueNode) -> int | None:
        """Return a page's size as it was said; None for null, which says nothing."""
        said: object = _LONGEST_PAGE
        if isinstance(value, VariableNode):
            said = self._variables.get(value.name.value)
        elif isinstance(value, NullValueNode):
            said = None
        elif isinstance(value, IntValueNode) and len(value.value) < 10:
            said = int(value.value)
        return max(0, min(said, _LONGEST_PAGE)) if isinstance(said, int) else None


def _fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {
        it.name.value: it for it in document.definitions if isinstance(it, FragmentDefinitionNode)
    }
