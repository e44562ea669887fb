"""One request whose viewer changes on the way."""

import asyncio

from cache import CachePolicy, cached
from models.tables import Role
from resolvers.context import Context, Viewer
from tests.support.store import Store
from tests.support.world import Gate


async def test_a_load_goes_on_for_whom_it_began(store: Store) -> None:
    """1. a private load begins for nobody in particular  2. the request logs in  3. the load asks
    who is asking: an answer for the user would be stored where everyone anonymous finds it."""
    gate = Gate()

    @cached(CachePolicy(ttl=60), tags=lambda ctx: ["whoami"])
    async def whoami(ctx: Context) -> int | None:
        await gate()
        return ctx.viewer.user_id

    with Context(store.worker.services) as ctx:
        began = asyncio.create_task(whoami(ctx))
        await gate.reached.wait()
        ctx.become(Viewer(7, Role.CUSTOMER, "digest"))
        gate.open()

        assert await began is None
        assert await whoami(ctx) == 7
    with Context(store.worker.services) as other:
        assert await whoami(other) is None
