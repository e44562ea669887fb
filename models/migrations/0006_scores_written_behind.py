"""Drops what only scores needed that were in SQL first: the order of changes, the last removal."""
# ruff: noqa: RUF012 - as makemigrations writes it

from typing import Any

from tortoise import migrations
from tortoise.migrations import operations as ops


class DropColumn(ops.RemoveField):
    """Removes a column in place.

    Tortoise builds the table anew on SQLite, and dropping the old one deletes what refers to it.
    """

    async def database_forward(
        self, app_label: str, old_state: Any, new_state: Any, state_editor: Any = None
    ) -> None:
        """Drop it, which both databases can."""
        if state_editor is not None:
            table = old_state.apps.get_model(f"{app_label}.{self.model_name}")._meta.db_table
            await state_editor._run_sql(f'ALTER TABLE "{table}" DROP COLUMN "{self.name}"')


class Migration(migrations.Migration):
    """Drops an index and a column."""

    dependencies = [("models", "0005_dead_letters")]

    initial = False

    operations = [
        ops.RemoveIndex(model_name="Score", fields=["leaderboard_id", "version"]),
        DropColumn(model_name="Leaderboard", name="removed_at"),
    ]
