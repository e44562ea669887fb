"""Deleted products, removed players, and what mutations with an idempotency key came to."""
# ruff: noqa: E501, RUF012 - mostly written by makemigrations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Creates the table of keys, adds the columns."""

    dependencies = [("models", "0003_outbox")]

    initial = False

    operations = [
        ops.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", fields.CharField(primary_key=True, max_length=64)),
                ("arguments", fields.CharField(max_length=64)),
                ("secret", fields.CharField(null=True, max_length=255)),
                ("outcome", fields.TextField(null=True)),
                ("outbox", fields.CharField(null=True, max_length=16)),
                ("created_at", fields.DatetimeField()),
            ],
            options={
                "table": "idempotency_keys",
                "app": "models",
                "indexes": [Index(fields=["created_at"])],
                "pk_attr": "id",
                "table_description": "What a mutation with an idempotency key came to, committed with what it wrote.",
            },
        ),
        ops.AddField(
            model_name="Leaderboard", name="removed_at", field=fields.BigIntField(null=True)
        ),
        ops.AddField(
            model_name="Product", name="deleted_at", field=fields.DatetimeField(null=True)
        ),
    ]
