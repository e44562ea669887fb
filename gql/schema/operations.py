"""Rules about one operation that validation cannot hold: it knows neither name nor variables."""

from collections.abc import Iterator
from typing import Any

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, OperationType
from graphql.execution.values import get_variable_values
from graphql.utilities import get_operation_ast
from strawberry.extensions import SchemaExtension

from gql.http.limits import MAX_ROWS, rows_asked
from gql.schema.context import RequestContext


class OperationRules(SchemaExtension):
    """Refuses an operation that is not named, is not for this transport, or asks for too much."""

    def on_validate(self) -> Iterator[None]:
        """Check what is valid. The cache of validations must come before this in the list."""
        context = self.execution_context
        document = context.graphql_document
        if document is not None and not context.pre_execution_errors:
            operation = get_operation_ast(document, context._provided_operation_name)
            message = self._refusal(document, operation)
            if message is not None:
                context.pre_execution_errors = [GraphQLError(message)]
            elif operation is not None and isinstance(context.context, RequestContext):
                context.context.kind = operation.operation
        yield

    def _refusal(
        self, document: DocumentNode, operation: OperationDefinitionNode | None
    ) -> str | None:
        context = self.execution_context
        if operation is None:
            if context._provided_operation_name is None:
                return "The document has several operations: name one of them as operationName."
            return f"Unknown operation named {context._provided_operation_name!r}."
        streams = getattr(context.context, "streams", False)
        if operation.operation is OperationType.SUBSCRIPTION and not streams:
            return "Subscriptions need a WebSocket (graphql-transport-ws) to this address."
        rows = rows_asked(document, operation, self._variables(operation))
        if rows > MAX_ROWS:
            return (
                f"The operation may ask for at most {MAX_ROWS:,} rows, pages inside pages "
                f"multiplied; got {rows:,}: ask for shorter pages."
            )
        return None

    def _variables(self, operation: OperationDefinitionNode) -> dict[str, Any]:
        """Return the variables as the resolvers get them: coerced, with their defaults.

        Empty for wrong ones, which the execution refuses.
        """
        context = self.execution_context
        coerced = get_variable_values(
            context.schema._schema,
            operation.variable_definitions or (),
            context.variables or {},
        )
        return {} if isinstance(coerced, list) else coerced.coerced
