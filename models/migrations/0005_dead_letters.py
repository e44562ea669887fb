"""Writes that the tables refused, and the revision of what is changed past a stream."""
# ruff: noqa: RUF012 - mostly written by makemigrations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Creates the table, adds the column."""

    dependencies = [("models", "0004_deletions_and_idempotency_keys")]

    initial = False

    operations = [
        ops.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("stream", fields.CharField(max_length=100)),
                ("stream_epoch", fields.CharField(max_length=64)),
                ("stream_id", fields.CharField(max_length=40)),
                ("key", fields.TextField(unique=False)),
                ("field", fields.TextField(unique=False)),
                ("payload", fields.TextField(unique=False)),
                ("error", fields.TextField(unique=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "dead_letters",
                "app": "models",
                "indexes": [Index(fields=["stream", "key"])],
                "pk_attr": "id",
                "table_description": "A write that was acknowledged, and that the tables refused.",
            },
        ),
        ops.AddField(
            model_name="WriteBehindProgress",
            name="revision",
            field=fields.BigIntField(default=0, db_default=0),
        ),
    ]
