"""The extension for Strawberry: each operation is served by the cache, for its viewer."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from redis.asyncio import Redis
from starlette.responses import Response
from strawberry.exceptions import MissingQueryError
from strawberry.types.execution import ExecutionResult

from cache import Cache, CachePolicy, CacheScope, NoActiveCacheError, RedisStore, cached
from cache.context import current_scope
from cache.facts import Fact, TokenIgnored
from cache.integrations.positions import COOKIE, HEADER
from cache.integrations.strawberry import CacheExtension
from cache.protocol import Token

TITLES: dict[int, str] = {}
LOADS: list[str] = []


@cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda number: [f"book:{number}"])
async def title(number: int) -> str:
    LOADS.append(f"title {number}")
    return TITLES[number]


@cached(CachePolicy(ttl=60), tags=lambda: ["mine"])
async def mine() -> str:
    LOADS.append("mine")
    return f"of {current_scope().viewer}"


@strawberry.type
class Query:
    @strawberry.field
    async def title(self, number: int) -> str:
        return await title(number)

    @strawberry.field
    async def mine(self) -> str:
        return await mine()

    @strawberry.field
    async def brought(self) -> str:
        """The position that this request must not be behind: more than GraphQL's `Int` holds."""
        return str(max(current_scope().barrier.token.positions.values(), default=0))


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename(self, number: int, to: str) -> str:
        TITLES[number] = to
        await current_scope().cache.invalidate([f"book:{number}"])
        return await title(number)

    @strawberry.mutation
    async def nothing(self) -> bool:
        return True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def titles(self, number: int, times: int) -> AsyncIterator[str]:
        for _ in range(times):
            yield await title(number)


def viewer_of(context: Any) -> str:
    """Who asks: a name in the context. Raises `PermissionError` for one who may not."""
    viewer: str = context.get("viewer", "anonymous")
    if viewer == "nobody":
        raise PermissionError("nobody may not ask")
    return viewer


class World:
    """A schema, its cache, and what the cache told."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.facts: list[Fact] = []
        self.cache = Cache(RedisStore(redis, prefix), observers=[self.facts.append])
        self.schema = strawberry.Schema(
            Query,
            Mutation,
            Subscription,
            extensions=[lambda: CacheExtension(self.cache, viewer_of)],
        )

    async def ask(self, query: str, **context: Any) -> ExecutionResult:
        """Execute one operation; `extensions` are the request's."""
        extensions = context.pop("extensions", None)
        result = await self.schema.execute(
            query, context_value=context, operation_extensions=extensions
        )
        assert isinstance(result, ExecutionResult)
        return result

    async def data(self, query: str, **context: Any) -> dict[str, Any]:
        """The data of an operation that succeeds."""
        result = await self.ask(query, **context)
        assert result.errors is None
        assert result.data is not None
        return result.data


@pytest.fixture
async def world(redis: Redis, key_prefix: str) -> AsyncIterator[World]:
    TITLES.clear()
    TITLES[1] = "Emma"
    LOADS.clear()
    one = World(redis, key_prefix)
    yield one
    await one.cache.close()


def request(token: str = "", **cookies: str) -> SimpleNamespace:
    """A request that brings a token in its header, and these cookies."""
    return SimpleNamespace(headers={HEADER: token} if token else {}, cookies=cookies)


async def a_token(world: World) -> str:
    """That of an answer to a write."""
    response = Response()
    await world.data('mutation { rename(number: 1, to: "Persuasion") }', response=response)
    return response.headers[HEADER]


def newest(token: str) -> int:
    decoded = Token.decode(token)
    assert decoded is not None
    return max(decoded.positions.values())


async def test_cached_functions_work_within_an_operation_and_only_there(world: World) -> None:
    assert await world.data("{ title(number: 1) }") == {"title": "Emma"}
    assert await world.data("{ title(number: 1) }") == {"title": "Emma"}
    assert LOADS == ["title 1"]
    with pytest.raises(NoActiveCacheError):
        await title(1)


async def test_what_is_private_is_kept_for_the_viewer_whom_the_context_names(world: World) -> None:
    for _ in range(2):
        assert await world.data("{ mine }", viewer="ann") == {"mine": "of ann"}
        assert await world.data("{ mine }", viewer="bob") == {"mine": "of bob"}
    assert LOADS == ["mine", "mine"]


async def test_a_viewer_who_may_not_ask_gets_an_error_and_nothing_runs(world: World) -> None:
    result = await world.ask("{ mine }", viewer="nobody")
    assert result.data is None
    assert [error.message for error in result.errors or []] == ["nobody may not ask"]
    assert LOADS == []


async def test_a_mutation_sees_its_own_write(world: World) -> None:
    await world.data("{ title(number: 1) }")
    said = await world.data('mutation { rename(number: 1, to: "Persuasion") }')
    assert said == {"rename": "Persuasion"}


async def test_the_answers_token_is_in_a_header_and_a_writes_in_a_cookie_too(world: World) -> None:
    read, wrote = Response(), Response()
    await world.data("{ title(number: 1) }", response=read)
    result = await world.ask('mutation { nothing rename(number: 1, to: "A") }', response=wrote)
    assert newest(wrote.headers[HEADER]) > newest(read.headers[HEADER])
    assert "set-cookie" not in read.headers
    assert wrote.headers["set-cookie"].startswith(f"{COOKIE}")
    assert not result.extensions


async def test_without_a_response_the_token_is_in_the_answers_extensions(world: World) -> None:
    result = await world.ask('mutation { rename(number: 1, to: "Persuasion") }')
    assert result.extensions is not None
    assert newest(result.extensions["position"]) > 0


async def test_a_token_is_met_however_it_comes(world: World) -> None:
    token = await a_token(world)
    assert await world.data("{ brought }") == {"brought": "0"}
    for came in (
        {"request": request(token)},
        {"request": request(**{f"{COOKIE}1": token})},
        {"extensions": {"position": token}},
    ):
        assert await world.data("{ brought }", **came) == {"brought": str(newest(token))}


async def test_a_malformed_token_is_ignored_and_counted(world: World) -> None:
    assert await world.data("{ brought }", request=request("nonsense")) == {"brought": "0"}
    assert TokenIgnored("malformed") in world.facts


@pytest.mark.parametrize("query", ["{ nowhere }", "{"])
async def test_what_cannot_run_is_answered_as_ever(world: World, query: str) -> None:
    response = Response()
    result = await world.ask(query, response=response)
    assert result.errors
    assert "set-cookie" not in response.headers


async def test_what_strawberry_refuses_is_refused_and_nothing_stays_active(world: World) -> None:
    with pytest.raises(MissingQueryError):
        await world.ask("", response=Response())
    with pytest.raises(NoActiveCacheError):
        current_scope()


async def stream(world: World, query: str, **context: Any) -> AsyncIterator[Any]:
    results = await world.schema.subscribe(query, context_value=context)
    async for result in results:  # type: ignore[union-attr]  # subscriptions alone are asked here
        yield result


async def test_each_event_of_a_subscription_is_a_request_of_its_own(world: World) -> None:
    results = stream(world, "subscription { titles(number: 1, times: 3) }", response=Response())
    first = await anext(results)
    assert first.data == {"titles": "Emma"}
    before = newest(first.extensions["position"])
    current = current_scope()
    current.barrier.give_up()  # the store was away for a moment
    TITLES[1] = "Persuasion"
    await world.cache.invalidate(["book:1"])
    second = await anext(results)
    assert second.data == {"titles": "Persuasion"}
    assert current_scope() is not current
    assert not current_scope().barrier.alone
    assert newest(second.extensions["position"]) > before
    assert (await anext(results)).data == {"titles": "Persuasion"}
    with pytest.raises(StopAsyncIteration):
        await anext(results)
    with pytest.raises(NoActiveCacheError):
        current_scope()


async def test_a_stream_that_another_task_closes_ends_quietly(world: World) -> None:
    results = await world.schema.subscribe(
        "subscription { titles(number: 1, times: 3) }", context_value={}
    )
    await anext(results)  # type: ignore[arg-type]
    await asyncio.create_task(results.aclose())  # type: ignore[union-attr]


def test_nothing_is_done_for_each_field() -> None:
    assert not CacheExtension._implements_resolve()
