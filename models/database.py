"""The connection to the database: settings, migrations, transactions, locks."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar, cast

from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.context import TortoiseContext, get_current_context
from tortoise.exceptions import BaseORMException, DBConnectionError, OperationalError
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.schema_editor import BasePostgresSchemaEditor, SqliteSchemaEditor
from tortoise.models import Model
from tortoise.queryset import QuerySet
from tortoise.transactions import in_transaction

from models.tables import StoreIdentity
from models.url import (
    DatabaseSettingInvalid,
    connection_config,
    sqlite_path,
    without_password,
)

__all__ = [
    "DatabaseSettingInvalid",
    "DatabaseUnavailable",
    "connect",
    "database_id",
    "disconnect",
    "is_unavailable",
    "locked",
    "migrate",
    "tortoise_config",
    "transaction",
]

MIGRATION_WAIT = 60.0
"""Seconds that a start waits for another process's migrations."""

MIGRATION_LOCK = 7_265_310_984
"""The key of PostgreSQL's advisory lock: an arbitrary number of ours."""

_SET_UP_WRONG = {"28P01", "28000", "3D000", "42501", "22P05"}
"""SQLSTATEs of a wrong password, user or database, a missing right, and an encoding too small."""

_REFUSED_FOR_NOW = {"25006", "25P03", "25P04", "55P03"}

M = TypeVar("M", bound=Model)


class DatabaseUnavailable(RuntimeError):  # noqa: N818 - the state that it tells of
    """The database does not answer. The message names it, the reason and what to do."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(
            f"The database {without_password(url)!r} cannot be reached: {reason}. "
            "Check that it runs, and that DATABASE_URL names it"
        )


def tortoise_config(url: str, pool_size: int = 10) -> dict[str, Any]:
    """Tortoise's whole configuration for ``url``. Raises ``DatabaseSettingInvalid``."""
    # Tortoise remembers SQL by the name of the connection: one for each dialect.
    name = "sqlite" if sqlite_path(url) else "postgres"
    return {
        "connections": {name: connection_config(url, pool_size)},
        "apps": {
            "models": {
                "models": ["models.tables"],
                "default_connection": name,
                "migrations": "models.migrations",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


async def connect(url: str, pool_size: int = 10) -> None:
    """Connect this process to the database at ``url``; visible from every task.

    ``pool_size`` bounds the connections to PostgreSQL. Raises ``DatabaseSettingInvalid`` or
    ``DatabaseUnavailable``; then nothing stays connected.
    """
    config = tortoise_config(url, pool_size)
    _check_directory(url)
    context = TortoiseContext()
    with context:  # Tortoise looks for it while it sets the tables up; later it is global.
        await context.init(config=config, _enable_global_fallback=True)
    try:
        await context.db().execute_query("SELECT 1")
    except Exception as error:
        await context.close_connections()
        raise _explained(url, error) from error


async def disconnect() -> None:
    """Close every connection of this process. Does nothing where there is none."""
    context = get_current_context()
    if context is not None:
        await context.close_connections()


async def migrate(url: str) -> None:
    """Bring the database at ``url`` to the newest migration.

    Everything happens in one transaction behind a lock of the database, so that processes that
    start at once take turns, and a killed one leaves nothing half done. Repeating it changes
    nothing. Raises ``DatabaseSettingInvalid`` or ``DatabaseUnavailable``.
    """
    config = tortoise_config(url, pool_size=1)
    _check_directory(url)
    async with TortoiseContext() as context:
        await context.init(config=config)
        try:
            await _migrate(config["apps"])
        except Exception as error:
            raise _explained(url, error) from error


async def _migrate(apps: dict[str, dict[str, Any]]) -> None:
    async with _begun_within(MIGRATION_WAIT) as client:
        is_postgres = client.capabilities.dialect == "postgres"
        if is_postgres:
            await client.execute_query(f"SET LOCAL lock_timeout = '{int(MIGRATION_WAIT)}s'")
            await client.execute_query(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        executor = MigrationExecutor(client, apps)
        editor = BasePostgresSchemaEditor if is_postgres else SqliteSchemaEditor
        # Ahead of the executor: inside a transaction of PostgreSQL its first look at a table that
        # does not exist would spoil everything after it.
        await executor.recorder.ensure_schema(editor(client, atomic=False))
        await executor.migrate(direction="forward")


@asynccontextmanager
async def _begun_within(seconds: float) -> AsyncIterator[BaseDBAsyncClient]:
    """A transaction; on SQLite, waiting for another's longer than the busy time-out."""
    deadline = time.monotonic() + seconds
    while True:
        context = transaction()
        try:
            client = await context.__aenter__()
            break
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
    try:
        yield client
    except BaseException as error:
        await context.__aexit__(type(error), error, error.__traceback__)
        raise
    await context.__aexit__(None, None, None)


def transaction() -> AbstractAsyncContextManager[TransactionalDBClient]:
    """One write transaction: ``async with transaction() as connection: ...``.

    Queries of the same task run in it unasked. SQLite: ``BEGIN IMMEDIATE``, so that it never
    fails half-way for another process's write. PostgreSQL: READ COMMITTED; lock rows that are
    read to be changed with ``locked``. A transaction inside one is a savepoint. A task that is
    started inside inherits the transaction: let it end inside, too.
    """
    return cast("AbstractAsyncContextManager[TransactionalDBClient]", in_transaction())


def locked(queryset: QuerySet[M]) -> QuerySet[M]:
    """``queryset`` with FOR NO KEY UPDATE; SQLite needs no lock inside a write transaction.

    Not FOR UPDATE: that conflicts with the shared locks of foreign keys' checks, which an INSERT
    takes in the order of its rows, so that an order and an import could deadlock.

    For rows as objects: Tortoise leaves FOR UPDATE out of ``values`` and ``values_list``, without
    a word.
    """
    return queryset.select_for_update(no_key=True)


async def database_id() -> str:
    """The 32 hex digits that tell this database from every other one."""
    [found] = await StoreIdentity.filter(id=1).values_list("database_id", flat=True)
    return str(found)


def is_unavailable(error: BaseException) -> bool:
    """Whether ``error`` means that the database is away, full or locked, not that a query is wrong.

    Network errors, time-outs and the server's own refusals count (SQLSTATE classes 08, 53, 57 and
    58; 40: rolled back for another's sake; 25006: read-only; 25P03 and 25P04: the transaction was
    silent or ran for too long; 55P03: waited too long for a lock). The causes of wrapped errors
    are looked at too.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DatabaseUnavailable | DBConnectionError | OSError | TimeoutError):
            return True
        if _is_refusal(seen):
            return True
        # A context that was suppressed (`from None`) is what the error is not about.
        context = None if seen.__suppress_context__ else seen.__context__
        seen = seen.__cause__ or context or _wrapped(seen)
    return False


def _is_refusal(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        name = getattr(error, "sqlite_errorname", "")
        return name.startswith(
            ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")
        )
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state[:2] in {"08", "40", "53", "57", "58"} or state in _REFUSED_FOR_NOW
    # asyncpg may not be installed, and raises this for misuse too.
    return type(error).__name__ == "InterfaceError" and "clos" in str(error)


def _wrapped(error: BaseException) -> BaseException | None:
    """Tortoise hands the driver's error over as the first argument of its own."""
    first = error.args[0] if isinstance(error, BaseORMException) and error.args else None
    return first if isinstance(first, BaseException) else None


def _check_directory(url: str) -> None:
    path = sqlite_path(url)
    if path is not None and not path.parent.is_dir():
        raise DatabaseUnavailable(url, f"the folder {path.parent} does not exist")


def _explained(url: str, error: Exception) -> Exception:
    """``error``, or what it means for whoever set ``url``."""
    refused = getattr(error, "sqlstate", None) in _SET_UP_WRONG
    no_database = getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB"
    if is_unavailable(error) or refused or no_database:
        return DatabaseUnavailable(url, str(error) or type(error).__name__)
    return error
