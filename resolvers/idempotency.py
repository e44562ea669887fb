"""Idempotency keys: a mutation that is sent again does not happen again.

1. The key is claimed first in the write's own transaction, so it is kept exactly if the write is:
   whatever dies in between, a repetition finds both or none.
2. A second at once waits for the first's transaction, by the database's own lock on the key.
3. What is kept is the outcome, the object's id or the refusals, and not the answer: its selection
   is read anew, by the viewer of now.
4. Whoever repeats may be on another worker than the first, whose purge may not be published yet.
   So the first's outbox id is kept too, and is resolved before anything is read (W6).

What is refused before the transaction (a login that is missing, input that is malformed) claims no
key: the same call may succeed later. Nor does what ends in UNAVAILABLE. Keys are kept for a day.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import msgspec

from models.database import transaction
from models.queries import idempotency as queries
from models.queries.idempotency import Kept
from resolvers import passwords
from resolvers.context import Context
from resolvers.errors import ErrorCode, Refused, UserError, refused
from resolvers.writing import Change, write

T = TypeVar("T", int, str)


class Secret(msgspec.Struct, frozen=True):
    """A password among the arguments, and its (slow, salted) hash: nothing faster is kept of it."""

    password: str
    hashed: str


class Call(msgspec.Struct, frozen=True):
    """A call of a mutation: its name, the client's key (None: none), what else it was asked.

    `arguments` are checked already, so that spellings of one value are the same.
    """

    mutation: str
    key: str | None
    arguments: Any
    secret: Secret | None = None

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the arguments, 64 hex digits."""
        return _digest(self.arguments)

    def id_for(self, user_id: int | None) -> str:
        """Return what the key is kept under: other viewers and other mutations have their own."""
        return _digest([user_id, self.mutation, self.key])


class _Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    value: int | str | None = None
    errors: tuple[UserError, ...] = ()


async def write_once(ctx: Context, call: Call, work: Callable[[Change], Awaitable[T]]) -> T:
    """Run `work` in a write; with a key only the first time, and then return what it came to.

    Raises `Refused` as `work` does, the first time and again; with IDEMPOTENCY_MISMATCH for a key
    that was used with other arguments.
    """
    if call.key is None:
        async with write(ctx) as change:
            return await work(change)
    key = call.id_for(ctx.viewer.user_id)
    secret = call.secret.hashed if call.secret else None
    outcome = _Outcome()
    async with write(ctx) as change:
        kept = await queries.claim(key, call.digest, secret)
        if kept is None:
            outcome = await _first(change, key, work)
    if kept is not None:
        outcome = await _again(ctx, call, kept)
    if outcome.errors:
        raise Refused(*outcome.errors)
    return cast("T", outcome.value)


def mismatch(call: Call) -> Refused:
    """Return the refusal of a key that was used with other arguments."""
    message = (
        f"This key was used for another {call.mutation} with other arguments: "
        "use a new key for each thing that is to happen."
    )
    return refused(ErrorCode.IDEMPOTENCY_MISMATCH, message, "input", "idempotencyKey")


async def _first(
    change: Change, key: str, work: Callable[[Change], Awaitable[int | str]]
) -> _Outcome:
    """Run `work`, and keep what it came to: with what it wrote, or, if it refused, without."""
    try:
        async with transaction():  # a savepoint: what is refused is undone, its key is not
            outcome = _Outcome(value=await work(change))
    except Refused as refusal:
        change.wrote_nothing()
        outcome = _Outcome(errors=refusal.errors)
    text = msgspec.json.encode(outcome).decode()
    change.at_last(lambda row: queries.keep(key, text, row))
    return outcome


async def _again(ctx: Context, call: Call, kept: Kept) -> _Outcome:
    if not await _is_same(call, kept):
        raise mismatch(call)
    if kept.outbox is not None:
        await ctx.session.repeats(kept.outbox)
    ctx.loaders.clear()
    # A key and its outcome are committed together: without one this fails, and says nothing false.
    return msgspec.json.decode(kept.outcome or "", type=_Outcome)


async def _is_same(call: Call, kept: Kept) -> bool:
    if call.digest != kept.arguments:
        return False
    return call.secret is None or await passwords.matches(kept.secret, call.secret.password)


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
