"""Settings: the only file that reads the environment.

`load()` reads and checks every variable at once; a wrong one is named, with what it holds (its
password masked) and what it should be. `Settings.publish()` hands the same settings to the
processes of one server.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, DirectoryPath, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from models.url import EXPECTED, DatabaseSettingInvalid, connection_config, without_password

OUR_PREFIX = "FRESHQL_"


class SettingsError(ValueError):
    """One or more settings are wrong; the message has a line for each."""


def masked(value: str) -> str:
    """`value` as it may be shown: the passwords of URLs are replaced by `***`.

    A password may hold any character, an unescaped `@` or `/` too: everything between the first
    colon after `://` and the last `@` is hidden.
    """
    hidden = re.sub(r"(://[^:@/]*):.*@", r"\1:***@", value)
    return re.sub(r"((?:^|[?&])[^=&]*password=)[^&]*", r"\1***", hidden, flags=re.IGNORECASE)


def _redis_url(url: str) -> str:
    try:
        # Makes a connection object without connecting: redis-py then knows every option.
        pool = ConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, RedisError) as error:
        raise ValueError(str(error).replace("AbstractConnection.__init__() ", "")) from error
    where = re.match(r"(?:rediss?://(?:.*@)?[^/?@]+(?:/\d*)?|unix://(?:.*@)?/[^?]+)(?:\?|$)", url)
    if where is None:
        raise ValueError("the host, the path or the database number is missing or wrong")
    return url


def _database_url(url: str) -> str:
    try:
        connection_config(url, pool_size=1)
    except DatabaseSettingInvalid as error:
        problem = str(error).removeprefix(f"Database URL {without_password(url)!r}: ")
        raise ValueError(
            problem.removeprefix(EXPECTED).lstrip(",; ").removeprefix("but ")
        ) from error
    return url


SHOULD: Mapping[str, str] = {
    "REDIS_URL": "redis://host:6379/0, rediss://user:password@host:6380/0 (TLS, an ACL user) or "
    "unix:///path/to/socket",
    "STATE_REDIS_URL": "the same as REDIS_URL, for what must not be evicted",
    "DATABASE_URL": "sqlite:///absolute/path.sqlite3 or "
    "postgresql://user:password@host:5432/database",
    "HOST": "an address or a name of this machine, such as 127.0.0.1 or 0.0.0.0",
    "PORT": "a whole number from 0 (any free port) to 65535, such as 8000",
    "WORKERS": "a whole number from 1 to 256",
    "FRESHQL_KEY_PREFIX": "1 to 64 letters, digits and . _ -",
    "FRESHQL_MAX_STALENESS": "seconds from 0.1 to 60, such as 1",
    "FRESHQL_MEMORY_MB": "a whole number of MiB from 1 to 65536, such as 64",
    "FRESHQL_CURRENCY": "a currency's three capital letters (ISO 4217), such as USD",
    "FRESHQL_ENVIRONMENT": "development or production",
    "FRESHQL_DATA_DIR": "a directory that this user may write, such as .freshql",
    "FRESHQL_LOG_LEVEL": "debug, info, warning or error",
    "FRESHQL_METRICS": "on or off",
    "PROMETHEUS_MULTIPROC_DIR": "an existing directory, empty when the server starts",
    "FRESHQL_AUDIT_RATE": "a number from 0 (nothing) to 1 (everything), such as 0.001",
}
"""What each variable should hold: for error messages and the documentation."""


class Settings(BaseSettings):
    """Every setting of the server, from the environment's variables of the same names in capitals.

    Empty variables count as not set. Use `load()`, whose errors are made to be read.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    redis_url: Annotated[str, AfterValidator(_redis_url)] | None = Field(
        default=None,
        alias="REDIS_URL",
        description="Redis or Valkey, 7.0 or newer. Unset: `freshql serve` starts its own Valkey.",
    )
    state_redis_url: Annotated[str, AfterValidator(_redis_url)] | None = Field(
        default=None,
        alias="STATE_REDIS_URL",
        description="A second Redis for the log of purges, write-behind and leaderboards, so that "
        "the first may evict entries as it likes. Unset: REDIS_URL's.",
    )
    database_url: Annotated[str, AfterValidator(_database_url)] | None = Field(
        default=None,
        alias="DATABASE_URL",
        description="SQLite or PostgreSQL. Unset: a SQLite file in the data directory.",
    )
    host: str = Field(
        default="127.0.0.1",
        alias="HOST",
        pattern=r"^[A-Za-z0-9.:_%-]+$",
        description="The address that the server listens on.",
    )
    port: int = Field(
        default=8000, alias="PORT", ge=0, le=65535, description="The port that it listens on."
    )
    workers: int = Field(
        default=1,
        alias="WORKERS",
        ge=1,
        le=256,
        description="How many processes answer on that port.",
    )
    key_prefix: str = Field(
        default="freshql",
        alias="FRESHQL_KEY_PREFIX",
        # No braces: on a cluster they would decide which node a key lives on.
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Begins every key in Redis: two deployments on one Redis need two prefixes.",
    )
    max_staleness: float = Field(
        default=1.0,
        alias="FRESHQL_MAX_STALENESS",
        ge=0.1,
        le=60.0,
        description="Seconds within which everybody sees a write of somebody else.",
    )
    memory_mb: int = Field(
        default=64,
        alias="FRESHQL_MEMORY_MB",
        ge=1,
        le=65_536,
        description="MiB that each worker's memory tier may hold.",
    )
    currency: str = Field(
        default="USD",
        alias="FRESHQL_CURRENCY",
        pattern=r"^[A-Z]{3}$",
        description="The store's one currency.",
    )
    environment: Literal["development", "production"] = Field(
        default="development",
        alias="FRESHQL_ENVIRONMENT",
        description="In development an empty database gets the sample store and its logins.",
    )
    data_dir: Path = Field(
        default=Path(".freshql"),
        alias="FRESHQL_DATA_DIR",
        description="Where the embedded Valkey and SQLite keep their files.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", alias="FRESHQL_LOG_LEVEL", description="The least level that is logged."
    )
    metrics: bool = Field(
        default=True, alias="FRESHQL_METRICS", description="Whether `/metrics` is there."
    )
    metrics_directory: DirectoryPath | None = Field(
        default=None,
        alias="PROMETHEUS_MULTIPROC_DIR",
        description="Where several workers keep their metrics. `freshql serve` makes one itself.",
    )
    audit_rate: float = Field(
        default=0.0,
        alias="FRESHQL_AUDIT_RATE",
        ge=0.0,
        le=1.0,
        description="The share of cached answers that is compared with the database.",
    )

    @property
    def database(self) -> str:
        """DATABASE_URL, or the URL of the SQLite file in the data directory."""
        return self.database_url or f"sqlite://{self.data_dir.resolve() / 'store.sqlite3'}"

    @property
    def redis(self) -> str:
        """REDIS_URL. Raises SettingsError when it is not set: then something has to embed one."""
        if self.redis_url is None:
            raise SettingsError(
                f"REDIS_URL is not set; it should be {SHOULD['REDIS_URL']}. "
                "(`freshql serve` starts a Valkey of its own instead.)"
            )
        return self.redis_url

    @property
    def state_redis(self) -> str:
        """STATE_REDIS_URL, or REDIS_URL. Raises SettingsError when neither is set."""
        return self.state_redis_url or self.redis

    def publish(self) -> None:
        """Set this process's environment to these settings: for the workers that it starts."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value is not None:
                os.environ[str(field.alias)] = str(value)


def load(instead: Mapping[str, str] | None = None) -> Settings:
    """Read the environment; `instead` holds values that win over it (`{"PORT": "8001"}`).

    Raises SettingsError, which names every wrong variable.
    """
    given: dict[str, Any] = dict(instead or {})
    problems = _unknown_variables()
    try:
        settings = Settings(**given)
    except ValidationError as error:
        held = {**os.environ, **given}
        problems += [_explained(str(e["loc"][0]), held, e["msg"]) for e in error.errors()]
        raise SettingsError("\n".join(problems)) from None
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _explained(variable: str, holders: Mapping[str, str], message: str) -> str:
    held, reason = masked(holders.get(variable, "")), _reason(message)
    why = f" ({reason})" if reason else ""
    return f"{variable} holds {held!r}; it should be {SHOULD[variable]}{why}."


def _reason(message: str) -> str:
    """What our own checks of URLs found; pydantic's own words add nothing to `SHOULD`."""
    found, ours = message.removeprefix("Value error, "), message.startswith("Value error, ")
    return found.rstrip(".") if ours else ""


def _unknown_variables() -> list[str]:
    known = [name for name in SHOULD if name.startswith(OUR_PREFIX)]
    problems = []
    for name in sorted(os.environ):
        if name.startswith(OUR_PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
            held = masked(os.environ[name])
            problems.append(f"{name} holds {held!r}, but there is no such setting: {hint}")
    return problems
