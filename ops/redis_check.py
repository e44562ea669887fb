"""Looks at the Redis that REDIS_URL names, before a server relies on it."""

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.retry import Retry

from cache.writes import WriteBehindSettings
from gql.settings import SettingsError, masked

OLDEST = 7
_SECONDS = 1.0


def check(url: str, variable: str = "REDIS_URL", *, may_evict: bool = False) -> str:
    """What there is to warn of, empty if nothing. A Redis that is away is no reason not to start.

    `variable` is the setting that holds `url`; `may_evict`: only entries are there, which another
    server's log judges. Raises SettingsError for one that answers and will not do: a wrong
    password, a user with too few rights, a version that is too old, or a policy that evicts what
    must not be lost.

    Persistence that is off is a warning, not a refusal: reads are right without it.
    """
    client = Redis.from_url(
        url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, retry=Retry(NoBackoff(), 0)
    )
    try:
        with client:
            found = _info(client)
    except AuthenticationError as error:
        raise _refused(variable, url, f"refuses its user or password ({error})") from error
    except NoPermissionError as error:
        needs = "docs/operations.md lists what a restricted user needs"
        problem = f"does not let its user run INFO: {needs}"
        raise _refused(variable, url, problem) from error
    except (RedisError, OSError) as error:
        return f"Redis at {masked(url)} does not answer ({error}): serving without it until it does"
    problem = _problem_of(found, may_evict=may_evict)
    if problem:
        raise _refused(variable, url, problem)
    return "" if may_evict else _warning_of(found, url)


def _info(client: Redis) -> dict[str, Any]:
    # INFO tells of the append-only log too: hosted servers often forbid CONFIG.
    sections = ("server", "memory", "persistence")
    return {name: value for section in sections for name, value in client.info(section).items()}


def _problem_of(found: dict[str, Any], *, may_evict: bool) -> str:
    version = str(found.get("redis_version", ""))
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST:
        return f"has version {version}; it should be {OLDEST}.0 or newer"
    policy = str(found.get("maxmemory_policy", ""))
    if policy.startswith("allkeys") and not may_evict:
        return (
            f"has the maxmemory-policy {policy}, which may evict the log of purges; it should be "
            "noeviction or a volatile- one (CONFIG SET maxmemory-policy noeviction), or another "
            "server should keep the log (STATE_REDIS_URL)"
        )
    return ""


def _warning_of(found: dict[str, Any], url: str) -> str:
    if found.get("aof_enabled") != 0:
        return ""
    windows = WriteBehindSettings()
    return (
        f"PRODUCT VIEWS CAN BE LOST: Redis at {masked(url)} has its append-only log off "
        "(appendonly no). Views that were acknowledged are in Redis only until they are flushed: "
        f"if it ends or restarts, those of the last {windows.max_age:g} s are gone, and while the "
        f"database is away up to {windows.limit:,}. Turn it on with `CONFIG SET appendonly yes`, "
        "and `appendonly yes` in its configuration file"
    )


def _refused(variable: str, url: str, problem: str) -> SettingsError:
    return SettingsError(f"{variable} holds {masked(url)!r}; the server there {problem}.")
