"""Users: the public profile for everyone, the account for the user and staff."""

from cache import cached
from resolvers import policies, tags
from resolvers.context import Context
from resolvers.rows import AccountRow, UserRow


@cached(policies.PROFILE, tags=lambda ctx, user_id: (tags.user(user_id),))
async def user(ctx: Context, user_id: int) -> UserRow | None:
    """Return what anyone may see of a user."""
    return await ctx.loaders.users.load(user_id)


@cached(policies.ACCOUNT, tags=lambda ctx, user_id: ())
async def account(ctx: Context, user_id: int) -> AccountRow | None:
    """Return what only the user and staff may see; None for anyone else.

    The account's own tag comes with the row, from its loader: that someone may not see it does
    not change with the account.
    """
    if not ctx.viewer.may_see(user_id):
        return None
    return await ctx.loaders.accounts.load(user_id)


@cached(policies.ACCOUNT, tags=lambda ctx: ())
async def me(ctx: Context) -> UserRow | None:
    """Return the viewer's own profile; None when anonymous. Private, as who asks is the answer."""
    user_id = ctx.viewer.user_id
    return None if user_id is None else await user(ctx, user_id)
