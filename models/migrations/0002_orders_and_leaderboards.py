"""Orders, leaderboards, and how far the writes behind are applied."""
# ruff: noqa: E501, RUF012 - mostly written by makemigrations

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.fields import BytewiseCharField
from models.tables import Direction, Operator, OrderStatus


class Migration(migrations.Migration):
    """Creates the tables."""

    dependencies = [("models", "0001_initial")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Order",
            fields=[
                ("id", fields.BigIntField(primary_key=True)),
                ("number", fields.CharField(unique=True, max_length=64)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "models.User",
                        source_field="user_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "status",
                    fields.CharEnumField(
                        default=OrderStatus.PENDING, enum_type=OrderStatus, max_length=16
                    ),
                ),
                ("placed_at", fields.DatetimeField()),
                ("total_minor", fields.BigIntField()),
                ("version", fields.BigIntField(default=1)),
                ("shipped_on", fields.DateField(null=True)),
                ("ship_mode", fields.CharField(null=True, max_length=64)),
                ("import_digest", fields.CharField(null=True, max_length=64)),
            ],
            options={
                "table": "orders",
                "app": "models",
                "indexes": [
                    Index(fields=["user_id", "placed_at", "id"]),
                    Index(fields=["user_id", "status", "placed_at", "id"]),
                ],
                "pk_attr": "id",
                "table_description": "What a user bought, at the prices of that moment.",
            },
        ),
        ops.CreateModel(
            name="OrderLine",
            fields=[
                ("id", fields.BigIntField(primary_key=True)),
                (
                    "order",
                    fields.ForeignKeyField(
                        "models.Order",
                        source_field="order_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("line_no", fields.IntField()),
                (
                    "product",
                    fields.ForeignKeyField(
                        "models.Product",
                        source_field="product_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("quantity", fields.IntField()),
                ("unit_price_minor", fields.BigIntField()),
                ("import_digest", fields.CharField(null=True, max_length=64)),
            ],
            options={
                "table": "order_lines",
                "app": "models",
                "unique_together": (("order_id", "line_no"),),
                "indexes": [Index(fields=["product_id"])],
                "pk_attr": "id",
                "table_description": "One product of an order. ``line_no`` counts from 1.",
            },
        ),
        ops.CreateModel(
            name="Leaderboard",
            fields=[
                ("id", fields.BigIntField(primary_key=True)),
                ("slug", fields.CharField(unique=True, max_length=100)),
                ("name", fields.CharField(max_length=200)),
                ("operator", fields.CharEnumField(enum_type=Operator, max_length=16)),
                ("order", fields.CharEnumField(enum_type=Direction, max_length=4)),
                ("tie_columns", fields.JSONField(default=list)),
                ("self_reported", fields.BooleanField(default=False)),
                ("version", fields.BigIntField(default=0)),
                ("created_at", fields.DatetimeField()),
            ],
            options={
                "table": "leaderboards",
                "app": "models",
                "pk_attr": "id",
                "table_description": "A board. ``version`` counts its changes, which is also their order of arrival.",
            },
        ),
        ops.CreateModel(
            name="Score",
            fields=[
                ("id", fields.BigIntField(primary_key=True)),
                (
                    "leaderboard",
                    fields.ForeignKeyField(
                        "models.Leaderboard",
                        source_field="leaderboard_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("player", BytewiseCharField(max_length=64)),
                ("score", fields.BigIntField()),
                ("tie1", fields.BigIntField(default=0)),
                ("tie2", fields.BigIntField(default=0)),
                ("tie3", fields.BigIntField(default=0)),
                ("sequence", fields.BigIntField()),
                ("achieved_at", fields.DatetimeField()),
                ("version", fields.BigIntField()),
            ],
            options={
                "table": "scores",
                "app": "models",
                "unique_together": (("leaderboard_id", "player"),),
                "indexes": [
                    Index(fields=["leaderboard_id", "score", "tie1", "tie2", "tie3", "sequence"]),
                    Index(fields=["leaderboard_id", "version"]),
                ],
                "pk_attr": "id",
                "table_description": "A player's place on a board: score, tie columns, then who got there first.",
            },
        ),
        ops.CreateModel(
            name="WriteBehindProgress",
            fields=[
                ("stream", fields.CharField(primary_key=True, max_length=100)),
                ("stream_epoch", fields.CharField(default="", max_length=64)),
                ("last_id", fields.CharField(default="0-0", max_length=40)),
                ("token", fields.BigIntField(default=0)),
                ("owner", fields.CharField(default="", max_length=64)),
                ("lease_until", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "write_behind_progress",
                "app": "models",
                "pk_attr": "stream",
                "table_description": "How far one stream of writes is applied, and who may apply it.",
            },
        ),
    ]
