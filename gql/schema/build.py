"""Puts the parts of the schema together."""

from collections.abc import Callable
from typing import Final

import strawberry
from graphql import ASTValidationRule, GraphQLError
from strawberry.extensions import (
    AddValidationRules,
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from gql.http.errors import present
from gql.http.limits import MAX_TOKENS, DocumentLimits
from gql.schema.leaderboards import (
    LeaderboardMutation,
    LeaderboardQuery,
    LeaderboardSubscription,
)
from gql.schema.mutation import StoreMutation
from gql.schema.operations import OperationRules
from gql.schema.product_mutations import ProductMutation
from gql.schema.purge_mutations import PurgeMutation
from gql.schema.query import StoreQuery
from gql.schema.scalars import SCALARS

DOCUMENTS: Final = 500
"""Documents whose parsed and validated form is kept."""

_RULES: Final[list[type[ASTValidationRule]]] = [DocumentLimits]

EXTENSIONS: Final[list[Callable[[], SchemaExtension]]] = [
    lambda: MaxTokensLimiter(MAX_TOKENS),
    lambda: AddValidationRules(_RULES),
    lambda: ParserCache(DOCUMENTS),
    lambda: ValidationCache(DOCUMENTS),
    OperationRules,
]
"""Made anew for each operation, as Strawberry wants it; what they cache is shared."""


@strawberry.type(description="What can be asked.")
class Query(StoreQuery, LeaderboardQuery):
    """All queries."""


@strawberry.type(description="What can be changed.")
class Mutation(StoreMutation, ProductMutation, LeaderboardMutation, PurgeMutation):
    """All mutations."""


@strawberry.type(description="What can be followed, over a WebSocket.")
class Subscription(LeaderboardSubscription):
    """All subscriptions."""


class StoreSchema(strawberry.Schema):
    """A schema whose errors are presented: see `gql.http.errors`."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Present each error; called by Strawberry for every result of every transport."""
        for error in errors:
            present(error)


def build_schema() -> StoreSchema:
    """Return the whole schema."""
    return StoreSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=EXTENSIONS,
    )


schema: Final = build_schema()
"""The schema of this process."""
