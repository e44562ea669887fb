"""Documents that ask for too much are refused before they run, quickly."""

import time

import pytest
from graphql import GraphQLError, get_introspection_query, parse, validate
from graphql.utilities import get_operation_ast

from gql.http.limits import (
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_TOKENS,
    DocumentLimits,
    rows_asked,
)
from gql.schema import schema
from tests.support.store import Store


def _refused(query: str) -> list[str]:
    document = parse(query)
    return [it.message for it in validate(schema._schema, document, [DocumentLimits])]


def _deep(levels: int) -> str:
    """A category's parent's parent's ... name: so many fields inside fields."""
    inner = levels - 2
    return '{ category(slug: "a") ' + "{ parent " * inner + "{ name }" + " }" * inner + " }"


def test_depth() -> None:
    assert _refused(_deep(MAX_DEPTH)) == []
    [message] = _refused(_deep(MAX_DEPTH + 1))
    assert message == (
        "The operation may have at most 12 fields inside fields, fragments spread; got 13"
    )


def test_depth_counts_through_fragments() -> None:
    chain = " ".join(
        f"fragment f{n} on Category {{ parent {{ ...f{n + 1} }} }}" for n in range(MAX_DEPTH)
    )
    last = f"fragment f{MAX_DEPTH} on Category {{ name }}"
    query = f'{{ category(slug: "a") {{ ...f0 }} }} {chain} {last}'
    assert len(_refused(query)) == 1
    assert len(_refused(f"query Named {query}")) == 1
    assert "'Named'" in _refused(f"query Named {query}")[0]


def test_aliases() -> None:
    def aliased(count: int) -> str:
        return "{" + " ".join(f"a{n}: me {{ id }}" for n in range(count)) + "}"

    assert _refused(aliased(MAX_ALIASES)) == []
    assert "at most 50 aliases, fragments spread; got 51" in _refused(aliased(MAX_ALIASES + 1))[0]


def test_aliases_count_as_often_as_a_fragment_is_spread() -> None:
    spread = "{ me { ...f } other: me { ...f } }"
    fragment = "fragment f on User {" + " ".join(f"a{n}: id" for n in range(30)) + "}"
    assert len(_refused(f"{spread} {fragment}")) == 1


def test_fragments_that_spread_each_other_take_no_time() -> None:
    """2^60 fields, were they counted one by one."""
    bomb = " ".join(
        f"fragment f{n} on User {{ a{n}: id ...f{n + 1} ... on User {{ ...f{n + 1} }} }}"
        for n in range(60)
    )
    query = f"{{ me {{ ...f0 }} }} {bomb} fragment f60 on User {{ id }}"
    started = time.perf_counter()
    [message] = _refused(query)
    assert time.perf_counter() - started < 1
    assert "aliases" in message


def test_fragments_in_a_circle_end() -> None:
    circle = "fragment a on User { ...b } fragment b on User { ...a }"
    assert _refused(f"{{ me {{ ...a }} }} {circle}") == []


def test_introspection_is_not_too_deep() -> None:
    assert _refused(get_introspection_query(input_value_deprecation=True)) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_all_of_it_applies_to_requests(store: Store) -> None:
    for query in (
        _deep(MAX_DEPTH + 1),
        "{" + " ".join(f"a{n}: me {{ id }}" for n in range(51)) + "}",
    ):
        [error] = (await store.worker.post(query))["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
    long = "{ me { " + "id " * MAX_TOKENS + "} }"
    [error] = (await store.worker.post(long))["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    assert str(MAX_TOKENS) in error["message"]
    full = await store.worker.post(get_introspection_query(input_value_deprecation=True))
    assert "errors" not in full


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_worst_document_is_refused_or_answered_quickly(store: Store) -> None:
    """As many equal fields as there may be tokens: what merges them is quadratic."""
    worst = "{ me { " + "id " * (MAX_TOKENS - 8) + "} }"
    started = time.perf_counter()
    await store.worker.post(worst)
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_document_is_parsed_and_validated_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[GraphQLError] = []
    original = DocumentLimits.__init__

    def counting(self: DocumentLimits, context: object) -> None:
        made.append(GraphQLError(""))
        original(self, context)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(DocumentLimits, "__init__", counting)
    for _ in range(3):
        await store.worker.ask("{ me { id name avatarUrl } }")
    assert len(made) == 1


def _rows(query: str, **variables: int) -> int:
    document = parse(query)
    operation = get_operation_ast(document)
    assert operation is not None
    return rows_asked(document, operation, variables)


def test_pages_inside_pages_multiply() -> None:
    page = "products(first: 100) { edges { node { name } } }"
    nested = f"{{ products(first: 10) {{ edges {{ node {{ category {{ {page} }} }} }} }} }}"
    spread = (
        "query ($n: Int) { a: products(first: $n) { ...f } b: products(last: 3) { ...f } }"
        " fragment f on ProductConnection { edges { node { brand { products { totalCount } } } } }"
    )

    assert _rows(f"{{ {page} }}") == 100
    assert _rows(nested) == 10 * (1 + 100)
    assert _rows(spread, n=5) == 5 * (1 + 20) + 3 * (1 + 20)
    assert _rows("{ me { id } }") == 0


@pytest.mark.parametrize(
    ("declared", "variables"), [("", {"n": 100}), (" = 100", {}), ("", {"n": 100.0})]
)
async def test_rows_are_counted_by_what_the_resolvers_get(
    store: Store, declared: str, variables: dict[str, float]
) -> None:
    """A default, or a 100.0 that is taken for an Int, asks for as much as a 100."""
    inner = "{ edges { node { name } } }"
    for _ in range(2):
        inner = f"{{ edges {{ node {{ category {{ products(first: $n) {inner} }} }} }} }}"
    query = f"query ($n: Int{declared}) {{ products(first: $n) {inner} }}"

    answer = await store.worker.post(query, None, **variables)

    assert "got 1,010,100" in answer["errors"][0]["message"]


async def test_too_many_rows_are_refused_before_they_are_read(store: Store) -> None:
    inner = "{ edges { node { name } } }"
    for _ in range(2):
        inner = f"{{ edges {{ node {{ category {{ products(first: 100) {inner} }} }} }} }}"

    answer = await store.worker.post(f"{{ products(first: 100) {inner} }}")

    [error] = answer["errors"]
    assert "at most 20,000 rows" in error["message"]
    assert "got 1,010,100" in error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


# ---- which operation ----


async def test_one_of_several_operations_must_be_named(store: Store) -> None:
    """The first one would run otherwise, and it may be a mutation."""
    edit = 'mutation A { updateProfile(input: { name: "Changed" }) { errors { code } } }'
    both = f"{edit} query B {{ me {{ name }} }}"

    answer = await store.worker.post(both, store.tokens["ada"])

    assert "name one of them as operationName" in answer["errors"][0]["message"]
    assert await store.worker.ask("{ me { name } }", store.tokens["ada"]) == {"me": {"name": "Ada"}}


async def test_a_subscription_by_post_is_told_where_to_go(store: Store) -> None:
    answer = await store.worker.post('subscription { leaderboard(slug: "x") { __typename } }')

    [error] = answer["errors"]
    assert error["message"].startswith("Subscriptions need a WebSocket")
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
