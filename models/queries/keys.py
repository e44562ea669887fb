"""Values to look rows up by."""

from collections.abc import Iterable

from tortoise.models import Model


def storable(model: type[Model], column: str, values: Iterable[str]) -> list[str]:
    """Those of ``values`` that fit into the column.

    No row has a longer one, and Tortoise refuses to look for it.
    """
    longest: int = model._meta.fields_map[column].max_length  # type: ignore[attr-defined]  # CharField's
    return [value for value in values if len(value) <= longest]
