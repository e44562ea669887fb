"""Reads of users."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from models.queries.keys import storable
from models.tables import Role, User


class ProfileColumns(NamedTuple):
    """What anyone may see of a user."""

    id: int
    name: str
    avatar_url: str | None
    created_at: datetime


class AccountColumns(NamedTuple):
    """What only the user and staff may see."""

    user_id: int
    email: str | None
    role: Role
    loyalty_points: int
    version: int


class LoginColumns(NamedTuple):
    """What a login is checked against; ``password_hash`` is None for one that cannot log in."""

    user_id: int
    password_hash: str | None
    role: Role


async def profiles_by_id(ids: Collection[int]) -> dict[int, ProfileColumns]:
    """The public profiles of the users with these ids."""
    rows = await User.filter(id__in=list(ids)).values_list("id", "name", "avatar_url", "created_at")
    return {row[0]: ProfileColumns(*row) for row in rows}


async def accounts_by_id(ids: Collection[int]) -> dict[int, AccountColumns]:
    """The private parts of the users with these ids."""
    rows = await User.filter(id__in=list(ids)).values_list(
        "id", "email", "role", "loyalty_points", "version"
    )
    return {row[0]: AccountColumns(*row) for row in rows}


async def login_by_email(email: str) -> LoginColumns | None:
    """Whom ``email`` (case aside) logs in."""
    wanted = storable(User, "email", [email.casefold()])
    rows = await User.filter(email__in=wanted).values_list("id", "password_hash", "role")
    return LoginColumns(*rows[0]) if rows else None


async def login_by_id(user_id: int) -> LoginColumns | None:
    """What a change of password is checked against."""
    rows = await User.filter(id=user_id).values_list("id", "password_hash", "role")
    return LoginColumns(*rows[0]) if rows else None
