"""customers.csv into accounts without a password."""

from collections.abc import Sequence
from datetime import datetime

from tortoise.expressions import F

from models.database import locked
from models.tables import User
from ops.importers.layout import CustomerRow
from ops.importers.problems import Problem
from ops.importers.target import Entry, Saved, Target
from resolvers import tags


class Customers(Target[CustomerRow]):
    """One batch of customers."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._digests: dict[str, str | None] = {}

    async def load(self, entries: Sequence[Entry[CustomerRow]]) -> None:
        """Read which of the customers are there."""
        ids = [entry.key for entry in entries]
        found = await User.filter(external_id__in=ids).values_list("external_id", "import_digest")
        self._digests = dict(found)

    def admit(self, entry: Entry[CustomerRow]) -> Problem | None:
        """Nothing outside its row keeps a customer out."""
        del entry
        return None

    async def save(self, entries: Sequence[Entry[CustomerRow]]) -> Saved:
        """Make accounts for new customers, and update changed ones."""
        new = [entry for entry in entries if entry.key not in self._digests]
        changed = [
            entry
            for entry in entries
            if entry.key in self._digests and self._digests[entry.key] != entry.digest
        ]
        if new:
            await User.bulk_create([self._user(entry) for entry in new])
        await self._update(changed)
        touched = [entry.key for entry in (*new, *changed)]
        found = await _ids(touched)
        saved = Saved(added=len(new), changed=len(changed))
        for user_id in found:
            # New ones too: somebody may have asked for an id before it was there.
            saved.purge.add(tags.USERS, tags.user(user_id), tags.account(user_id))
        return saved

    def _user(self, entry: Entry[CustomerRow]) -> User:
        return User(external_id=entry.key, created_at=self._now, **_columns(entry))

    async def _update(self, entries: Sequence[Entry[CustomerRow]]) -> None:
        if not entries:
            return
        keys = [entry.key for entry in entries]
        await locked(User.filter(external_id__in=keys).order_by("id")).only("id")
        for entry in entries:
            columns = _columns(entry)
            await User.filter(external_id=entry.key).update(**columns, version=F("version") + 1)


def _columns(entry: Entry[CustomerRow]) -> dict[str, object]:
    row = entry.row
    return {
        "name": row.name,
        "segment": row.segment,
        "city": row.city,
        "state": row.state,
        "country": row.country,
        "import_digest": entry.digest,
    }


async def _ids(external_ids: Sequence[str]) -> list[int]:
    if not external_ids:
        return []
    found = await User.filter(external_id__in=list(external_ids)).values_list("id", flat=True)
    return [int(str(one)) for one in found]
