"""Makes a database ready to be served: the newest schema, and a sample store to begin with."""

from dataclasses import dataclass

from gql.settings import Settings
from models import database
from models.tables import User
from ops.sample import load_sample

SAMPLE_LOGINS = ("customer@example.com", "staff@example.com", "admin@example.com")
"""Each with its first word as password, in development only."""


@dataclass(frozen=True)
class Prepared:
    """What is in the database now.

    `filled`: the sample store was put in just now. `logins`: the sample logins that it has.
    """

    filled: bool
    logins: tuple[str, ...]


async def prepare(settings: Settings) -> Prepared:
    """Migrate, and fill an empty database with the sample store in development.

    Raises DatabaseUnavailable or DatabaseSettingInvalid (models.database).
    """
    if settings.database_url is None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    await database.migrate(settings.database)
    if settings.environment != "development":
        return Prepared(filled=False, logins=())
    await database.connect(settings.database)
    try:
        filled = await load_sample()
        found = await User.filter(email__in=SAMPLE_LOGINS).values_list("email", flat=True)
    finally:
        await database.disconnect()
    emails = {str(email) for email in found}
    return Prepared(filled, tuple(one for one in SAMPLE_LOGINS if one in emails))
