"""The write-behinds of the store, for commands."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from tortoise.exceptions import OperationalError

from cache import StoreUnavailable
from cache.writes import WriteBehind
from gql.app import open_services
from gql.settings import Settings
from models.database import DatabaseUnavailable, is_unavailable
from ops.attached import attached
from resolvers.context import Services

Result = TypeVar("Result")


def streams(services: Services) -> Mapping[str, WriteBehind]:
    """Every write-behind of the store, by its name."""
    return {services.views.name: services.views}


async def with_services(
    settings: Settings, work: Callable[[Services], Coroutine[Any, Any, Result]]
) -> Result:
    """Do `work` with the parts of the store. Raises `DatabaseUnavailable` where SQL is away."""
    with attached(settings) as complete:
        try:
            async with open_services(complete) as services:
                return await work(services)
        except Exception as error:
            if isinstance(error, DatabaseUnavailable | StoreUnavailable):
                raise
            if not isinstance(error, OperationalError) and not is_unavailable(error):
                raise
            hint = "" if is_unavailable(error) else ". Was it prepared? `freshql init` does that"
            raise DatabaseUnavailable(complete.database, f"{error}{hint}") from error
