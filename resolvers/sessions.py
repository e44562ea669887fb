"""Sessions: opaque tokens, kept as digests; an hour that slides.

What a session *is* (user, role, end) is a row in SQL behind an entry of the cache, so it outlives
Redis and the server. When it was last seen is a record in Redis whose presence decides nothing.

The end is moved at most once a minute, by an UPDATE that finds only a session that is still
there: a request that slides the end while another logs out cannot bring the session back.
"""

import hashlib
import logging
import secrets
from datetime import datetime, timedelta
from typing import Final

import msgspec

from cache import StoreUnavailable, cached
from models.database import is_unavailable
from models.queries.sessions import digests_of_user, sessions_by_digest
from models.tables import Session
from resolvers import clock, policies, rights, tags
from resolvers.context import ANONYMOUS, Context, Viewer
from resolvers.rows import SessionRow
from resolvers.writing import Change, write

LIFETIME: Final = timedelta(hours=1)
"""How long a session lives after it was last used."""
STEP: Final = timedelta(minutes=1)
"""By how much its end moves at least."""

_SCHEME: Final = "bearer "
_MAX_HEADER: Final = 512
_log = logging.getLogger(__name__)


class Opened(msgspec.Struct, frozen=True):
    """A session just begun. Only here is its token known."""

    token: str
    viewer: Viewer
    ends_at: datetime


def digest_of(token: str) -> str:
    """Return what is kept of a token: SHA-256, 64 hex digits. Tokens have 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


@cached(policies.SESSION, tags=lambda ctx, digest: (tags.session(digest),))
async def session(ctx: Context, digest: str) -> SessionRow | None:
    """Return the session with this digest, an ended one too."""
    found = (await sessions_by_digest([digest])).get(digest)
    return None if found is None else SessionRow(*found)


async def authenticate(ctx: Context, authorization: str | None) -> Viewer:
    """Return who sends `Authorization: Bearer TOKEN`, and keep their session alive.

    No header, another scheme, and a token that is unknown, ended or logged out are all the same:
    anonymous. Call it inside the context, before anything is read for the viewer.
    """
    if authorization is None or len(authorization) > _MAX_HEADER:
        return ANONYMOUS
    if not authorization.lower().startswith(_SCHEME):
        return ANONYMOUS
    return await _viewer_of(ctx, digest_of(authorization[len(_SCHEME) :].strip()))


async def recheck(ctx: Context, digest: str | None) -> None:
    """Serve whom the session `digest` speaks for *now*; None: nobody in particular, for good.

    For an operation that outlives a request, before each of its answers: in the meantime the
    session may have ended, or its user's role changed. Call it in the task that entered the
    context. While the session cannot be read the viewer is anonymous.
    """
    if digest is None:
        return
    try:
        viewer = await _viewer_of(ctx, digest)
    except Exception as error:
        if not is_unavailable(error):
            raise
        _log.warning("A session could not be read, so its user is not served: %s", error)
        viewer = ANONYMOUS
    if viewer != ctx.viewer:
        ctx.become(viewer)


async def _viewer_of(ctx: Context, digest: str) -> Viewer:
    """Return whom a session speaks for, anonymous when it has ended, and keep it alive."""
    found = await session(ctx, digest)
    now = clock.now()
    if found is None or found.ends_at <= now:
        return ANONYMOUS
    if found.ends_at < now + LIFETIME - STEP:
        # Not awaited: SQLite's one write lock can be taken for long, and this is a read.
        services = ctx.services
        services.background.start(
            f"session {digest}", lambda: _slide(Context(services), digest, now)
        )
    return Viewer(found.user_id, found.role, digest)


async def open_session(change: Change, user_id: int, now: datetime) -> tuple[str, datetime]:
    """Begin a session inside a write's transaction; return its token and its end.

    Sessions of the same user that have ended are removed on the way.
    """
    token = secrets.token_urlsafe(32)
    digest, ends_at = digest_of(token), now + LIFETIME
    await Session.filter(user_id=user_id, ends_at__lte=now).delete()
    await Session.create(digest=digest, user_id=user_id, created_at=now, ends_at=ends_at)
    change.purges(tags.session(digest))
    return token, ends_at


async def end_sessions(change: Change, user_id: int, keep: str | None) -> None:
    """End all sessions of a user but `keep` (a digest), inside a write's transaction."""
    ending = [digest for digest in await digests_of_user(user_id) if digest != keep]
    await Session.filter(digest__in=ending).delete()
    change.purges(*map(tags.session, ending))


async def logout(ctx: Context, *, everywhere: bool) -> None:
    """End the viewer's session, or all of that user's. Refuses with UNAUTHENTICATED."""
    user_id = rights.logged_in(ctx)
    digest = ctx.viewer.session or ""
    async with write(ctx) as change:
        if everywhere:
            await end_sessions(change, user_id, keep=None)
        await Session.filter(digest=digest).delete()
        change.purges(tags.session(digest))
    ctx.become(ANONYMOUS)


async def note_seen(ctx: Context, digest: str, now: datetime) -> None:
    """Keep when a session was last seen, in Redis. Nothing depends on it: failures are logged."""
    try:
        await ctx.records.put(digest, "last_seen", now.isoformat())
    except StoreUnavailable as error:
        _log.info("When a session was last seen is not kept: %s", error)


async def _slide(ctx: Context, digest: str, now: datetime) -> None:
    """Move a session's end, if it is still there and nobody else did within a minute."""
    end = now + LIFETIME
    alive = Session.filter(digest=digest, ends_at__gt=now, ends_at__lt=end - STEP)
    try:
        async with write(ctx) as change:
            if await alive.update(ends_at=end):
                change.purges(tags.session(digest))
    except Exception as error:
        # The session is good until its old end: a database that is busy or away must not refuse
        # what can be answered without it.
        if not is_unavailable(error):
            raise
        _log.warning("A session's end was not moved: %s", error)
    else:
        await note_seen(ctx, digest, now)
