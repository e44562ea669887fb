"""Which errors of SQLite and PostgreSQL mean that the database is away, full or locked."""

from __future__ import annotations

import sqlite3

_AWAY = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")
_CLASSES = {"08", "40", "53", "57", "58"}
_STATES = {"25006", "25P03", "25P04", "55P03"}
_NAMES = {
    "DBConnectionError",  # of Tortoise ORM
    "TimeoutError",  # of SQLAlchemy: no connection of the pool was free
}


def is_database_unavailable(error: BaseException) -> bool:
    """Whether `error` says so, of whatever driver: then an operation can wait, and is not at fault.

    By the name of SQLite's error and the SQLSTATE of PostgreSQL's: no connection, full (08, 53, 57,
    58), rolled back for another's sake (40), read-only, silent or running for too long, waited too
    long for a lock. Errors of the network and time-outs count, and what an error was raised from.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError | TimeoutError) or _says_so(seen):
            return True
        # A context that was suppressed (`from None`) is what the error is not about.
        context = None if seen.__suppress_context__ else seen.__context__
        seen = seen.__cause__ or context
    return False


def _says_so(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorname", "").startswith(_AWAY)
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state[:2] in _CLASSES or state in _STATES
    name = type(error).__name__
    # asyncpg raises this for misuse, too.
    return name in _NAMES or (name == "InterfaceError" and "clos" in str(error))
