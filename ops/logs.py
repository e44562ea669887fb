"""What the server logs, and how: one line an event, on standard error."""

from typing import Any

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configuration(level: str) -> dict[str, Any]:
    """The configuration of `logging` for one level (`debug`, `info`, `warning`, `error`)."""
    name = level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": FORMAT}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": name},
        "loggers": {
            # Statements and values: personal data does not belong in a log.
            "tortoise": {"level": "WARNING"},
            "aiosqlite": {"level": "WARNING"},
            # Its own announcements only when asked for: `freshql serve` makes one.
            "uvicorn": {"level": "WARNING" if level == "info" else name},
        },
    }
