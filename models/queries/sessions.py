"""Reads of sessions."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from models.tables import Role, Session


class SessionColumns(NamedTuple):
    """Whom a token speaks for, with the role as it is now, and until when."""

    user_id: int
    role: Role
    ends_at: datetime


async def sessions_by_digest(digests: Collection[str]) -> dict[str, SessionColumns]:
    """The sessions with these digests, ended ones too."""
    rows = await Session.filter(digest__in=list(digests)).values_list(
        "digest", "user_id", "user__role", "ends_at"
    )
    return {digest: SessionColumns(*columns) for digest, *columns in rows}


async def digests_of_user(user_id: int) -> tuple[str, ...]:
    """The digests of all of a user's sessions."""
    rows = await Session.filter(user_id=user_id).order_by("digest").values_list("digest", flat=True)
    return tuple(str(digest) for digest in rows)
