"""The store's identity, users, sessions and catalogue."""
# ruff: noqa: E501, RUF012 - mostly written by makemigrations

import secrets

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state_apps import StateApps

from models.fields import BytewiseCharField
from models.tables import Role


async def identify(_apps: StateApps, editor: BaseSchemaEditor) -> None:
    """Give this database an identity that no other one has."""
    # Not through a model: Tortoise would remember the SQL of its columns as of this migration.
    fresh = secrets.token_hex(16)
    await editor.client.execute_query(
        f"INSERT INTO store_identity (id, database_id) VALUES (1, '{fresh}')"  # noqa: S608 - hex
    )


class Migration(migrations.Migration):
    """Creates the tables, and the row that identifies the database."""

    initial = True

    operations = [
        ops.CreateModel(
            name="StoreIdentity",
            fields=[
                ("id", fields.IntField(primary_key=True, generated=False)),
                ("database_id", fields.CharField(max_length=32)),
            ],
            options={
                "table": "store_identity",
                "app": "models",
                "pk_attr": "id",
                "table_description": "The one row (id 1) that tells this database from every other one.",
            },
        ),
        ops.CreateModel(
            name="User",
            fields=[
                ("id", fields.BigIntField(primary_key=True)),
                ("name", fields.CharField(max_length=200)),
                ("email", fields.CharField(null=True, unique=True, max_length=254)),
                ("password_hash", fields.CharField(null=True, max_length=255)),
                (
                    "role",
                    fields.CharEnumField(default=Role.CUSTOMER, enum_type=Role, max_length=16),
                ),
                ("avatar_url", fields.CharField(null=True, max_length=2000)),
                ("loyalty_points", fields.BigIntField(default=0)),
                ("created_at", fields.DatetimeField()),
                ("version", fields.BigIntField(default=1)),
                ("external_id", fields.CharField(null=True, unique=True, max_length=64)),
                ("segment", fields.CharField(null=True, max_length=200)),
                ("city", fields.CharField(null=True, max_length=200)),
                ("state", fields.CharField(null=True, max_length=200)),
                ("country", fields.CharField(null=True, max_length=200)),
                ("import_digest", fields.CharField(null=True, max_length=64)),
            ],
            options={
                "table": "users",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Who can log in, and who ordered. ``email`` is stored case-folded.",
            },
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                ("digest", fields.CharField(primary_key=True, max_length=64)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "models.User",
                        source_field="user_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("created_at", fields.DatetimeField()),
                ("ends_at", fields.DatetimeField()),
            ],
            options={
                "table": "sessions",
                "app": "models",
                "indexes": [Index(fields=["user_id"]), Index(fields=["ends_at"])],
                "pk_attr": "digest",
                "table_description": "A login. ``digest`` is the SHA-256 of its token, 64 hex digits: the token is not kept.",
            },
        ),
        ops.CreateModel(
            name="Category",
            fields=[
                ("id", fields.BigIntField(primary_key=True)),
                ("slug", fields.CharField(unique=True, max_length=100)),
                ("name", fields.CharField(max_length=200)),
                (
                    "parent",
                    fields.ForeignKeyField(
                        "models.Category",
                        source_field="parent_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("path", BytewiseCharField(default="", max_length=500)),
                ("version", fields.BigIntField(default=1)),
            ],
            options={
                "table": "categories",
                "app": "models",
                "indexes": [Index(fields=["parent_id"]), Index(fields=["path"])],
                "pk_attr": "id",
                "table_description": "A node of the category tree.",
            },
        ),
        ops.CreateModel(
            name="Brand",
            fields=[
                ("id", fields.BigIntField(primary_key=True)),
                ("slug", fields.CharField(unique=True, max_length=100)),
                ("name", fields.CharField(max_length=200)),
                ("version", fields.BigIntField(default=1)),
            ],
            options={
                "table": "brands",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Who makes a product.",
            },
        ),
        ops.CreateModel(
            name="Product",
            fields=[
                ("id", fields.BigIntField(primary_key=True)),
                ("sku", fields.CharField(unique=True, max_length=64)),
                ("name", fields.CharField(max_length=200)),
                ("name_key", BytewiseCharField(max_length=600)),
                ("description", fields.TextField(default="")),
                ("price_minor", fields.BigIntField()),
                (
                    "category",
                    fields.ForeignKeyField(
                        "models.Category",
                        source_field="category_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "brand",
                    fields.ForeignKeyField(
                        "models.Brand",
                        source_field="brand_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("stock", fields.IntField(default=0)),
                ("units_sold", fields.BigIntField(default=0)),
                ("created_at", fields.DatetimeField()),
                ("updated_at", fields.DatetimeField()),
                ("version", fields.BigIntField(default=1)),
                ("import_digest", fields.CharField(null=True, max_length=64)),
            ],
            options={
                "table": "products",
                "app": "models",
                "indexes": [
                    Index(fields=["name_key", "id"]),
                    Index(fields=["price_minor", "id"]),
                    Index(fields=["category_id", "name_key", "id"]),
                    Index(fields=["brand_id", "name_key", "id"]),
                ],
                "pk_attr": "id",
                "table_description": "What is sold. ``name_key`` is ``models.text.folded(name)``: searched, and ordered by.",
            },
        ),
        ops.CreateModel(
            name="ProductStats",
            fields=[
                (
                    "product",
                    fields.OneToOneField(
                        "models.Product",
                        source_field="product_id",
                        primary_key=True,
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("views", fields.BigIntField(default=0)),
            ],
            options={
                "table": "product_stats",
                "app": "models",
                "pk_attr": "product",
                "table_description": "What is counted of a product, written behind.",
            },
        ),
        # Tortoise names a key that is a relation differently once relations are known; without
        # this makemigrations would find a difference for ever.
        ops.AlterModelOptions(
            name="ProductStats",
            options={
                "table": "product_stats",
                "app": "models",
                "pk_attr": "product_id",
                "table_description": "What is counted of a product, written behind.",
            },
        ),
        # Keyset paging in mixed directions, the largest first and ids upwards.
        ops.RunSQL(
            "CREATE INDEX idx_products_newest ON products (created_at DESC, id)",
            reverse_sql="DROP INDEX idx_products_newest",
        ),
        ops.RunSQL(
            "CREATE INDEX idx_products_best_selling ON products (units_sold DESC, id)",
            reverse_sql="DROP INDEX idx_products_best_selling",
        ),
        ops.RunPython(identify, reverse_code=ops.RunPython.noop),
    ]
