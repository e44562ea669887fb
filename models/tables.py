"""The tables of the store. ``docs/data-model.md`` describes them.

Amounts are in minor units (cents). Times are aware and in UTC. ``version`` starts at 1 and grows
by one with each change that is written through. ``import_digest`` is the SHA-256, as 64 hex
digits, of the values of an imported file that a row was last written from.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import TypedDict

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.fields import BytewiseCharField


class Role(StrEnum):
    """What a user may do."""

    CUSTOMER = "CUSTOMER"
    STAFF = "STAFF"
    ADMIN = "ADMIN"


class OrderStatus(StrEnum):
    """Where an order is: PENDING, PAID, SHIPPED, DELIVERED in turn; or CANCELLED."""

    PENDING = "PENDING"
    PAID = "PAID"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


class Operator(StrEnum):
    """What a submission does to a player's score on a leaderboard."""

    BEST = "BEST"
    SET = "SET"
    INCREMENT = "INCREMENT"


class Direction(StrEnum):
    """Which scores come first: the smallest (ASC) or the largest (DESC)."""

    ASC = "ASC"
    DESC = "DESC"


class TieColumn(TypedDict):
    """One tie column of a leaderboard; ``order`` is a ``Direction``'s value."""

    name: str
    order: str


class StoreIdentity(Model):
    """The one row (id 1) that tells this database from every other one."""

    id = fields.IntField(primary_key=True, generated=False)
    database_id = fields.CharField(max_length=32)

    class Meta:
        table = "store_identity"


class User(Model):
    """Who can log in, and who ordered. ``email`` is stored case-folded."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=200)
    email = fields.CharField(max_length=254, null=True, unique=True)
    password_hash = fields.CharField(max_length=255, null=True)
    role = fields.CharEnumField(Role, max_length=16, default=Role.CUSTOMER)
    avatar_url = fields.CharField(max_length=2000, null=True)
    loyalty_points = fields.BigIntField(default=0)
    created_at = fields.DatetimeField()
    version = fields.BigIntField(default=1)
    external_id = fields.CharField(max_length=64, null=True, unique=True)
    segment = fields.CharField(max_length=200, null=True)
    city = fields.CharField(max_length=200, null=True)
    state = fields.CharField(max_length=200, null=True)
    country = fields.CharField(max_length=200, null=True)
    import_digest = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "users"


class Session(Model):
    """A login. ``digest`` is the SHA-256 of its token, 64 hex digits: the token is not kept."""

    digest = fields.CharField(max_length=64, primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, on_delete=fields.CASCADE
    )
    user_id: int
    created_at = fields.DatetimeField()
    ends_at = fields.DatetimeField()

    class Meta:
        table = "sessions"
        indexes = (Index(fields=["user_id"]), Index(fields=["ends_at"]))


class Category(Model):
    """A node of the category tree.

    ``path`` holds the ids from the root down to the category itself, ``/1/5/``: every descendant's
    path, and its own, begins with it.
    """

    id = fields.BigIntField(primary_key=True)
    slug = fields.CharField(max_length=100, unique=True)
    name = fields.CharField(max_length=200)
    parent: fields.ForeignKeyNullableRelation["Category"] = fields.ForeignKeyField(
        "models.Category", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    parent_id: int | None
    path = BytewiseCharField(max_length=500, default="")
    version = fields.BigIntField(default=1)

    class Meta:
        table = "categories"
        indexes = (Index(fields=["parent_id"]), Index(fields=["path"]))


class Brand(Model):
    """Who makes a product."""

    id = fields.BigIntField(primary_key=True)
    slug = fields.CharField(max_length=100, unique=True)
    name = fields.CharField(max_length=200)
    version = fields.BigIntField(default=1)

    class Meta:
        table = "brands"


class Product(Model):
    """What is sold. ``name_key`` is ``models.text.folded(name)``: searched, and ordered by.

    A deleted product (``deleted_at``) is nowhere but in the orders that have it; its SKU is never
    another's.

    The indexes of the orders NEWEST and BEST_SELLING, which mix directions, are in the first
    migration: Tortoise cannot declare them.
    """

    id = fields.BigIntField(primary_key=True)
    sku = fields.CharField(max_length=64, unique=True)
    name = fields.CharField(max_length=200)
    name_key = BytewiseCharField(max_length=600)
    description = fields.TextField(default="")
    price_minor = fields.BigIntField()
    category: fields.ForeignKeyNullableRelation[Category] = fields.ForeignKeyField(
        "models.Category", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    category_id: int | None
    brand: fields.ForeignKeyNullableRelation[Brand] = fields.ForeignKeyField(
        "models.Brand", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    brand_id: int | None
    stock = fields.IntField(default=0)
    units_sold = fields.BigIntField(default=0)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    version = fields.BigIntField(default=1)
    deleted_at = fields.DatetimeField(null=True)
    import_digest = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "products"
        indexes = (
            Index(fields=["name_key", "id"]),
            Index(fields=["price_minor", "id"]),
            Index(fields=["category_id", "name_key", "id"]),
            Index(fields=["brand_id", "name_key", "id"]),
        )


class ProductStats(Model):
    """What is counted of a product, written behind."""

    product: fields.OneToOneRelation[Product] = fields.OneToOneField(
        "models.Product", related_name=False, primary_key=True, on_delete=fields.CASCADE
    )
    product_id: int
    views = fields.BigIntField(default=0)

    class Meta:
        table = "product_stats"


class Order(Model):
    """What a user bought, at the prices of that moment."""

    id = fields.BigIntField(primary_key=True)
    number = fields.CharField(max_length=64, unique=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, on_delete=fields.RESTRICT
    )
    user_id: int
    status = fields.CharEnumField(OrderStatus, max_length=16, default=OrderStatus.PENDING)
    placed_at = fields.DatetimeField()
    total_minor = fields.BigIntField()
    version = fields.BigIntField(default=1)
    shipped_on: date | None = fields.DateField(null=True)
    ship_mode = fields.CharField(max_length=64, null=True)
    import_digest = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "orders"
        indexes = (
            Index(fields=["user_id", "placed_at", "id"]),
            Index(fields=["user_id", "status", "placed_at", "id"]),
        )


class OrderLine(Model):
    """One product of an order. ``line_no`` counts from 1."""

    id = fields.BigIntField(primary_key=True)
    order: fields.ForeignKeyRelation[Order] = fields.ForeignKeyField(
        "models.Order", related_name=False, on_delete=fields.CASCADE
    )
    order_id: int
    line_no = fields.IntField()
    product: fields.ForeignKeyRelation[Product] = fields.ForeignKeyField(
        "models.Product", related_name=False, on_delete=fields.RESTRICT
    )
    product_id: int
    quantity = fields.IntField()
    unit_price_minor = fields.BigIntField()
    import_digest = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "order_lines"
        unique_together = (("order_id", "line_no"),)
        indexes = (Index(fields=["product_id"]),)


class Leaderboard(Model):
    """A board. ``version`` counts its changes, which is also their order of arrival."""

    id = fields.BigIntField(primary_key=True)
    slug = fields.CharField(max_length=100, unique=True)
    name = fields.CharField(max_length=200)
    operator = fields.CharEnumField(Operator, max_length=16)
    order = fields.CharEnumField(Direction, max_length=4)
    tie_columns: list[TieColumn] = fields.JSONField(default=list)
    self_reported = fields.BooleanField(default=False)
    version = fields.BigIntField(default=0)
    created_at: datetime = fields.DatetimeField()

    class Meta:
        table = "leaderboards"


class Score(Model):
    """A player's place on a board: score, tie columns, then who got there first.

    ``sequence`` is the board's version when this tuple was reached; ``version`` the board's
    version when the row last changed.
    """

    id = fields.BigIntField(primary_key=True)
    leaderboard: fields.ForeignKeyRelation[Leaderboard] = fields.ForeignKeyField(
        "models.Leaderboard", related_name=False, on_delete=fields.CASCADE
    )
    leaderboard_id: int
    player = BytewiseCharField(max_length=64)
    score = fields.BigIntField()
    tie1 = fields.BigIntField(default=0)
    tie2 = fields.BigIntField(default=0)
    tie3 = fields.BigIntField(default=0)
    sequence = fields.BigIntField()
    achieved_at = fields.DatetimeField()
    version = fields.BigIntField()

    class Meta:
        table = "scores"
        unique_together = (("leaderboard_id", "player"),)
        indexes = (Index(fields=["leaderboard_id", "score", "tie1", "tie2", "tie3", "sequence"]),)


class WriteBehindProgress(Model):
    """How far one stream of writes is applied, and who may apply it.

    ``last_id`` of the stream ``stream_epoch`` is in the tables. ``owner`` holds the lease until
    ``lease_until``; ``token`` grows with each owner, so that a late one cannot write. ``revision``
    counts what changed the tables past the stream.
    """

    stream = fields.CharField(max_length=100, primary_key=True)
    stream_epoch = fields.CharField(max_length=64, default="")
    last_id = fields.CharField(max_length=40, default="0-0")
    token = fields.BigIntField(default=0)
    owner = fields.CharField(max_length=64, default="")
    lease_until = fields.DatetimeField(null=True)
    revision = fields.BigIntField(default=0, db_default=0)

    class Meta:
        table = "write_behind_progress"


class DeadLetter(Model):
    """A write that was acknowledged, and that the tables refused.

    ``stream_id`` in ``stream_epoch`` is its place in the stream ``stream``. While there is one of a
    ``key``, later writes on that key follow it here, in the order of ``id``.
    """

    id = fields.BigIntField(primary_key=True)
    stream = fields.CharField(max_length=100)
    stream_epoch = fields.CharField(max_length=64)
    stream_id = fields.CharField(max_length=40)
    key = fields.TextField()
    field = fields.TextField()
    payload = fields.TextField()
    error = fields.TextField()
    created_at = fields.DatetimeField()

    class Meta:
        table = "dead_letters"
        indexes = (Index(fields=["stream", "key"]),)


class Outbox(Model):
    """The tags of a write, committed with it, until their purge is published.

    ``tags`` is a JSON list of strings. ``published_epoch`` and ``published_position`` say where the
    purge was published last, ``published_at`` when it first was: a minute later the row is removed.
    """

    id = fields.CharField(max_length=16, primary_key=True)
    tags = fields.TextField()
    created_at = fields.DatetimeField()
    published_epoch = fields.CharField(max_length=64, null=True)
    published_position = fields.BigIntField(null=True)
    published_at = fields.DatetimeField(null=True)

    class Meta:
        table = "outbox"
        indexes = (Index(fields=["published_epoch", "created_at"]),)


class IdempotencyKey(Model):
    """What a mutation with an idempotency key came to, committed with what it wrote.

    ``id`` is the SHA-256 of viewer, mutation and key, ``arguments`` that of the arguments, both as
    64 hex digits; ``secret`` is a password among them, hashed as a user's. ``outcome`` is JSON, and
    ``outbox`` the id of the outbox row with the write's tags.
    """

    id = fields.CharField(max_length=64, primary_key=True)
    arguments = fields.CharField(max_length=64)
    secret = fields.CharField(max_length=255, null=True)
    outcome = fields.TextField(null=True)
    outbox = fields.CharField(max_length=16, null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "idempotency_keys"
        indexes = (Index(fields=["created_at"]),)
