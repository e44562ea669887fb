"""Passwords: argon2id (RFC 9106), hashed and checked in a thread, off the event loop."""

import asyncio
import functools
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from resolvers.inputs import MAX_PASSWORD

_hasher = PasswordHasher()


async def hashed(password: str) -> str:
    """Return the hash to store for `password`, with its parameters and salt."""
    return await asyncio.to_thread(_hasher.hash, password)


async def matches(stored: str | None, password: str) -> bool:
    """Return whether `password` is the one of the hash `stored`.

    Where there is no hash (an unknown user, or one who cannot log in) a decoy is checked all the
    same, so that the time an answer takes does not tell which e-mail addresses have an account.
    """
    if len(password.encode()) > MAX_PASSWORD:
        return False  # the length is the sender's own: refusing it early tells them nothing
    return await asyncio.to_thread(_verify, stored, password)


def _verify(stored: str | None, password: str) -> bool:
    try:
        _hasher.verify(stored if stored is not None else _decoy(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return stored is not None


@functools.cache
def _decoy() -> str:
    """Return a hash with the parameters of all others, of a password that nobody knows."""
    return _hasher.hash(secrets.token_urlsafe())
