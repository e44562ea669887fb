"""Counting what reaches the database."""

import logging
from types import TracebackType


class SqlCounter(logging.Handler):
    """Counts, and keeps, the SQL statements that run while it is entered.

        with SqlCounter() as sql:
            await products.page(...)
        assert sql.count == 1, sql.statements

    It listens to `tortoise.db_client`, where every statement is logged before it is sent.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.statements: list[str] = []
        self._logger = logging.getLogger("tortoise.db_client")
        self._before = (self._logger.level, self._logger.propagate)

    @property
    def count(self) -> int:
        """How many statements ran."""
        return len(self.statements)

    def clear(self) -> None:
        """Forget what ran so far."""
        self.statements.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one statement (called by `logging`)."""
        self.statements.append(record.getMessage())

    def __enter__(self) -> "SqlCounter":
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False
        self._logger.addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._before[0])
        self._logger.propagate = self._before[1]
