"""GraphiQL's example operations are valid against the printed schema, variables included."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_variable_values,
    parse,
    validate,
)

from tests.support.graphiql import Example, examples

SCHEMA = Path(__file__).resolve().parents[2] / "schema.graphql"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """The schema as printed at the root of the repository."""
    return build_schema(SCHEMA.read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_it_is_valid(schema: GraphQLSchema, example: Example) -> None:
    assert problems(schema, example) == []


def test_the_check_finds_what_is_wrong(schema: GraphQLSchema) -> None:
    unknown = Example("unknown", "query Wrong { noSuchField }", {})
    missing = Example("missing", "query Wrong($id: ID!) { node(id: $id) { id } }", {})
    assert "noSuchField" in str(problems(schema, unknown))
    assert "$id" in str(problems(schema, missing))


def problems(schema: GraphQLSchema, example: Example) -> list[str]:
    """What the schema has against an example; [] where it is fine."""
    document = parse(example.query)
    found = [error.message for error in validate(schema, document)]
    for definition in document.definitions:
        if not found and isinstance(definition, OperationDefinitionNode):
            values = get_variable_values(
                schema, list(definition.variable_definitions or ()), example.variables
            )
            found += [error.message for error in values] if isinstance(values, list) else []
    return found
