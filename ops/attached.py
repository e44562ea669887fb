"""For commands beside the server: the same Redis that a server here uses, or will use next."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gql.settings import Settings, SettingsError
from ops import place
from ops.embedded import ValkeyServer

logger = logging.getLogger(__name__)

_STARTING_SECONDS = 30.0


@contextmanager
def attached(settings: Settings) -> Iterator[Settings]:
    """`settings` with a `redis_url`: as given, else that of the data directory's Valkey.

    A server that runs here is joined. When none does, its Valkey is started for the time of the
    block: what it stored is still in its log, and has to be purged of what the block changes.
    Raises SettingsError, DirectoryTaken or EmbeddedServerError.
    """
    if settings.redis_url is not None:
        yield settings
        return
    with ExitStack() as stack:
        directory = place.DataDirectory(settings.data_dir)
        try:
            stack.enter_context(directory)
        except place.DirectoryTaken as taken:
            redis = _redis_of_the_holder(settings.data_dir, taken)
        else:
            if settings.database_url is not None:
                logger.warning(
                    "DATABASE_URL is set, REDIS_URL is not, and no server runs in %s: a server of "
                    "that database with another Redis will not hear of the changes",
                    settings.data_dir,
                )
            redis = stack.enter_context(ValkeyServer(settings.data_dir / "valkey")).url
            directory.announce(redis=redis)
        yield settings.model_copy(update={"redis_url": redis})


def _redis_of_the_holder(directory: Path, taken: place.DirectoryTaken) -> str:
    ends = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < ends:
        found = place.holder(directory)
        if found is not None and found.redis:
            return found.redis
        if found is not None and found.url:
            raise SettingsError(
                f"the server at {found.url} uses a Redis that it was told of: set REDIS_URL to the "
                "same one for this command"
            )
        time.sleep(0.1)
    raise taken
