"""The GraphQL schema: declarations, each bound to the resolver behind it."""

from gql.schema.build import build_schema, schema

__all__ = ["build_schema", "schema"]
