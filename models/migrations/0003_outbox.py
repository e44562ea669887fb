"""The outbox: the tags of a write, beside what it wrote."""
# ruff: noqa: E501, RUF012 - mostly written by makemigrations

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Creates the table."""

    dependencies = [("models", "0002_orders_and_leaderboards")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Outbox",
            fields=[
                ("id", fields.CharField(primary_key=True, max_length=16)),
                ("tags", fields.TextField()),
                ("created_at", fields.DatetimeField()),
                ("published_epoch", fields.CharField(null=True, max_length=64)),
                ("published_position", fields.BigIntField(null=True)),
                ("published_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "outbox",
                "app": "models",
                "indexes": [Index(fields=["published_epoch", "created_at"])],
                "pk_attr": "id",
                "table_description": "The tags of a write, committed with it, until their purge is published.",
            },
        ),
    ]
