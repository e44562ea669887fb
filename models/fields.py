"""Column types that Tortoise does not bring along."""

from tortoise.fields import CharField


class BytewiseCharField(CharField[str]):
    """Text that is compared and ordered byte by byte (of its UTF-8) on every database.

    SQLite does so by itself; PostgreSQL would use the locale of the server, so that two servers
    could order, and page, the same names differently.
    """

    class _db_postgres:  # noqa: N801 - the name that Tortoise looks up
        def __init__(self, field: "BytewiseCharField") -> None:
            self.field = field

        @property
        def SQL_TYPE(self) -> str:  # noqa: N802 - the name that Tortoise looks up
            return f'VARCHAR({self.field.max_length}) COLLATE "C"'
