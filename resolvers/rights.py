"""Who may do what: each returns the viewer's number, or refuses."""

from models.tables import Role
from resolvers.context import Context
from resolvers.errors import ErrorCode, refused


def logged_in(ctx: Context) -> int:
    """Return the number of the user who asks; refuse an anonymous request."""
    user_id = ctx.viewer.user_id
    if user_id is None:
        raise refused(
            ErrorCode.UNAUTHENTICATED,
            "This needs a login: send the token of the login mutation as "
            "`Authorization: Bearer TOKEN`. A token that ended or was logged out counts as none.",
        )
    return user_id


def staff(ctx: Context) -> int:
    """Return the number of the user who asks; refuse anyone who does not work for the store."""
    user_id = logged_in(ctx)
    if not ctx.viewer.is_staff:
        role = ctx.viewer.role
        raise refused(ErrorCode.FORBIDDEN, f"This needs the role STAFF or ADMIN; you are {role}.")
    return user_id


def admin(ctx: Context) -> int:
    """Return the number of the user who asks; refuse anyone who does not run the store."""
    user_id = logged_in(ctx)
    role = ctx.viewer.role
    if role is not Role.ADMIN:
        raise refused(ErrorCode.FORBIDDEN, f"This needs the role ADMIN; you are {role}.")
    return user_id
