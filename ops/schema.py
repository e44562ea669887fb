"""The printed schema: `schema.graphql`, and whether it is still the one that is served."""

from difflib import unified_diff
from pathlib import Path

_SHOWN_LINES = 40


class SchemaDriftError(RuntimeError):
    """The printed schema is not the served one; the message shows where, and what to run."""


class SchemaUnwritableError(RuntimeError):
    """The file cannot be written; the message says why."""


def printed() -> str:
    """The schema in GraphQL's own language (SDL), ending with a line break."""
    from gql.schema import schema  # noqa: PLC0415 (takes a second: only for who prints it)

    return schema.as_str().rstrip() + "\n"


def write(path: Path) -> None:
    """Write the served schema to `path`. Raises SchemaUnwritableError when that cannot be."""
    try:
        path.write_text(printed(), encoding="utf-8")
    except OSError as error:
        raise SchemaUnwritableError(
            f"{path} cannot be written ({error.strerror}): name a file in a folder that exists and "
            "that you may write"
        ) from error


def check(path: Path) -> None:
    """Raises SchemaDriftError unless `path` holds the served schema."""
    if not path.is_file():
        raise SchemaDriftError(f"{path} does not exist: run `make schema` and commit it")
    held = path.read_text(encoding="utf-8")
    served = printed()
    if held == served:
        return
    lines = unified_diff(held.splitlines(), served.splitlines(), str(path), "served", lineterm="")
    shown = [line for _, line in zip(range(_SHOWN_LINES), lines, strict=False)]
    raise SchemaDriftError(
        f"{path} is not the schema that is served: run `make schema` and commit it\n"
        + "\n".join(shown)
    )
