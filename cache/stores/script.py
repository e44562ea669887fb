"""Lua scripts: sent by digest, with their source when the server does not know them (yet)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError, RedisError

from ..errors import StoreUnavailable
from .connection import NotAskedError

Argument = str | bytes | int | float


class Script:
    """A script of the server, run by its SHA-1 digest (EVALSHA).

    A server that was restarted, or that failed over, has forgotten it: then the source is sent.
    Redis runs a script as one step: nothing else happens between two of its commands.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def read(cls, package: str, *names: str, first: str = "") -> Script:
        """The script made of the line `first`, if any, and these files of `package` in order."""
        parts = [(files(package) / name).read_text("utf-8") for name in names]
        return cls("\n".join([first, *parts] if first else parts))

    async def run(self, redis: Redis, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The script's reply. Raises `StoreUnavailable`, also for an error of the script."""
        with translated():
            try:
                return await redis.evalsha(self.digest, len(keys), *keys, *arguments)
            except NoScriptError:
                return await redis.eval(self.source, len(keys), *keys, *arguments)

    def add_to(
        self, pipeline: Pipeline, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> None:
        """Queue the script in `pipeline`; `run_pipeline` sends it."""
        pipeline.evalsha(self.digest, len(keys), *keys, *arguments)


async def run_pipeline(redis: Redis, pipeline: Pipeline, *scripts: Script) -> list[Any]:
    """Send what `pipeline` holds in one round trip, and return the replies in order.

    `scripts` are those queued in it: when the server has forgotten one, the whole pipeline is sent
    again with their sources, so its commands must bear repetition. Raises `StoreUnavailable`.
    """
    with translated():
        queued = list(pipeline.command_stack)
        replies = await pipeline.execute(raise_on_error=False)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            again = redis.pipeline(transaction=False)
            again.command_stack.extend(with_sources(queued, scripts))
            replies = await again.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return list(replies)


def with_sources(queued: Sequence[Any], scripts: Sequence[Script]) -> list[Any]:
    """The commands of a pipeline with each script's source for its digest.

    No SCRIPT LOAD before them: on a cluster it would have to go to the right node by itself.
    """
    sources = {script.digest: script.source for script in scripts}
    return [(_with_source(args, sources), options) for args, options in queued]


def _with_source(args: Sequence[Any], sources: Mapping[str, str]) -> Sequence[Any]:
    return ("EVAL", sources[args[1]], *args[2:]) if args[0] == "EVALSHA" else args


@contextmanager
def translated() -> Iterator[None]:
    """Turn every way in which Redis can fail to answer into `StoreUnavailable`."""
    try:
        yield
    except StoreUnavailable:
        raise
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(
            f"Redis did not answer: {type(error).__name__}: {error}",
            sent=not isinstance(error, NotAskedError),
        ) from error
