"""Accounts: register, log in, change the password, change the profile."""

import msgspec
from msgspec import UNSET, UnsetType
from tortoise.exceptions import IntegrityError

from models.database import locked
from models.queries.users import LoginColumns, login_by_email, login_by_id
from models.tables import Role, User
from resolvers import clock, inputs, passwords, rights, tags
from resolvers.context import Context, Viewer
from resolvers.errors import ErrorCode, Refused, refused
from resolvers.idempotency import Call, Secret, write_once
from resolvers.sessions import Opened, digest_of, end_sessions, note_seen, open_session
from resolvers.writing import Change, write


class Registration(msgspec.Struct, frozen=True):
    """Who wants an account, checked already."""

    name: str
    email: str
    password: str


class ProfileChanges(msgspec.Struct, frozen=True):
    """What to change of a profile, checked already; what is not set stays.

    None takes the avatar away. `version` is the one that the change was made from.
    """

    name: str | UnsetType = UNSET
    avatar_url: str | UnsetType | None = UNSET
    version: int | UnsetType = UNSET


async def register(ctx: Context, who: Registration, key: str | None = None) -> int:
    """Make a customer's account and return the user's number. Refuses a known e-mail address.

    `key` is an idempotency key, here and below.
    """
    secret = Secret(who.password, await passwords.hashed(who.password))

    async def work(change: Change) -> int:
        return await _make_account(change, who, secret.hashed)

    return await write_once(ctx, Call("register", key, (who.name, who.email), secret), work)


async def _make_account(change: Change, who: Registration, password_hash: str) -> int:
    try:
        user = await User.create(
            name=who.name,
            email=who.email,
            password_hash=password_hash,
            role=Role.CUSTOMER,
            created_at=clock.now(),
        )
    except IntegrityError as error:
        message = "This e-mail address has an account already: log in instead."
        raise refused(ErrorCode.INVALID_INPUT, message, "input", "email") from error
    change.purges(tags.user(user.id), tags.account(user.id))
    return int(user.id)


async def login(ctx: Context, email: str, password: str) -> Opened:
    """Begin a session; from here on the request is the user's.

    Refuses with UNAUTHENTICATED, in the same words and the same time whether the address is
    unknown, cannot log in, or the password is wrong.
    """
    found = await login_by_email(email) if "\0" not in email else None
    if not await passwords.matches(found.password_hash if found else None, password):
        raise _wrong()
    if found is None:
        raise _wrong()
    now = clock.now()
    async with write(ctx) as change:
        await _still(found)
        token, ends_at = await open_session(change, found.user_id, now)
    viewer = Viewer(found.user_id, found.role, digest_of(token))
    ctx.become(viewer)
    await note_seen(ctx, digest_of(token), now)
    return Opened(token, viewer, ends_at)


async def change_password(ctx: Context, current: str, new: str) -> int:
    """Set a new password and end the user's other sessions. Returns the user's number.

    Refuses with UNAUTHENTICATED, or INVALID_INPUT for a wrong current password.
    """
    user_id = rights.logged_in(ctx)
    inputs.password(new, "input.new")
    found = await login_by_id(user_id)
    if found is None or not await passwords.matches(found.password_hash, current):
        message = "The current password is wrong."
        raise refused(ErrorCode.INVALID_INPUT, message, "input", "current")
    password_hash = await passwords.hashed(new)
    async with write(ctx) as change:
        await _still(found)
        await User.filter(id=user_id).update(password_hash=password_hash)
        await end_sessions(change, user_id, keep=ctx.viewer.session)
    return user_id


async def update_profile(ctx: Context, changes: ProfileChanges) -> int:
    """Change the viewer's own profile and return their number.

    `version` counts edits of the profile: points that an order brings do not make it conflict.
    Refuses with UNAUTHENTICATED or CONFLICT.
    """
    user_id = rights.logged_in(ctx)
    async with write(ctx) as change:
        user = await locked(User.filter(id=user_id)).get()
        if changes.version is not UNSET and changes.version != user.version:
            raise _conflict(changes.version, user.version)
        name = user.name if changes.name is UNSET else changes.name
        avatar = user.avatar_url if changes.avatar_url is UNSET else changes.avatar_url
        if (name, avatar) != (user.name, user.avatar_url):
            await User.filter(id=user_id).update(
                name=name, avatar_url=avatar, version=user.version + 1
            )
            change.purges(tags.user(user_id), tags.account(user_id))
    return user_id


async def _still(found: LoginColumns) -> None:
    """Refuse when the password was changed after `found` was read: it was checked against that."""
    user = await locked(User.filter(id=found.user_id)).first()
    if user is None or user.password_hash != found.password_hash:
        raise _wrong()


def _wrong() -> Refused:
    message = "The e-mail address or the password is wrong."
    return refused(ErrorCode.UNAUTHENTICATED, message, "input")


def _conflict(wanted: int, version: int) -> Refused:
    message = (
        f"The profile was changed since version {wanted}: it is at version {version}. "
        "Read it again and repeat the change."
    )
    return refused(ErrorCode.CONFLICT, message, "input", "version", version=version)
