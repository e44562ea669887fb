"""Somebody else's models, with an outbox among them."""

from tortoise import fields
from tortoise.models import Model

from cache.integrations.tortoise import OUTBOX_INDEXES, OutboxModel


class TheirOutbox(OutboxModel):
    class Meta:
        table = "their_purges"
        indexes = OUTBOX_INDEXES


class Article(Model):
    id = fields.IntField(primary_key=True)
    title = fields.CharField(max_length=50)

    class Meta:
        table = "their_articles"
