"""From answers to records: what of an answer is a read of which key, and what became of a write.

Keys are those of `tests.nemesis.goods`, made of what the answer says: if it is somebody else's
account that is shown, it is somebody else's key that was read.
"""

from typing import Any

from models.tables import OrderStatus
from tests.history.records import Outcome, Read, Write
from tests.nemesis.clients import Client, Exchange

RANKS = {status.value: rank for rank, status in enumerate(OrderStatus, start=1)}
"""A status is also the version of an order: none comes back."""


class Recorder:
    """Records the exchanges of one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._history = client.log.history
        self._goods = client.log.goods

    def read(self, exchange: Exchange, key: str, value: str = "", **more: Any) -> None:
        """One value that was shown."""
        client = self._client
        self._history.reads.append(
            Read(
                key=key,
                client=client.number,
                start=exchange.start,
                end=exchange.end,
                value=value,
                viewer=client.viewer,
                echoes=client.echoes,
                sent=exchange.sent,
                worker=exchange.worker,
                **more,
            )
        )

    def write(self, exchange: Exchange, name: str, key: str, **more: Any) -> Outcome:
        """What became of the mutation called `name` in its document."""
        outcome = outcome_of(exchange, name)
        self._history.writes.append(
            Write(
                key=key,
                client=self._client.number,
                start=exchange.start,
                end=exchange.end,
                outcome=outcome,
                token=exchange.answer,
                **more,
            )
        )
        return outcome

    # ---- what is shown ----

    def missing(self, exchange: Exchange, kind: str, identifier: str) -> None:
        """Something that is there was said not to be."""
        key = f"{kind}:{identifier}"
        if key in self._history.initial:
            self.read(exchange, key, "missing")

    def product(self, exchange: Exchange, row: Any, own: str | None = None) -> None:
        """A product's row, with its counts where they were asked for."""
        if row is None:
            return
        identifier = row["id"]
        if f"product:{identifier}" in self._history.initial:
            self.read(
                exchange,
                f"product:{identifier}",
                label_of(row),
                version=row["version"],
                own=own,
                fields=4,
            )
        # Null beside an error is no value: the category could not be read.
        is_told = row["category"] is not None or exchange.is_whole
        if f"place:{identifier}" in self._history.initial and is_told:
            slug = (row["category"] or {}).get("slug", "")
            version = row["version"]
            self.read(exchange, f"place:{identifier}", slug, version=version, own=own, fields=2)
        self.product_counts(exchange, row)

    def product_counts(self, exchange: Exchange, row: Any) -> None:
        """What is counted of a product."""
        if row is None:
            return
        identifier = row["id"]
        stats = row.get("stats") or {}
        shown = {
            f"stock:{identifier}": row.get("stock"),
            f"sold:{identifier}": stats.get("unitsSold"),
            f"views:{identifier}": stats.get("views"),
        }
        for key, count in shown.items():
            if count is not None and key in self._history.counters:
                self.read(exchange, key, count=count)

    def listed(self, exchange: Exchange, slug: str) -> None:
        """A category's products: each is shown in it."""
        for edge in (exchange.part("products") or {}).get("edges", ()):
            row = edge["node"]
            self.product(exchange, row)
            if f"place:{row['id']}" in self._history.initial:
                self.read(exchange, f"place:{row['id']}", slug)

    def person(self, exchange: Exchange, shown: Any, own: str | None = None) -> None:
        """A user, with what is private where it was shown.

        Name and version are of two entries, each fresh by itself: a pair of them says nothing.
        """
        if shown is None:
            return
        identifier = shown["id"]
        self.read(exchange, f"user:{identifier}", shown["name"], own=own)
        if shown.get("email") is not None:
            self.read(exchange, f"account:{identifier}", shown["email"])
        if shown.get("loyaltyPoints") is not None:
            self.read(exchange, f"points:{identifier}", count=shown["loyaltyPoints"])
        orders = shown.get("orders")
        if orders is not None and (orders["edges"] or self._may_see(identifier)):
            self.read(exchange, f"orders:{identifier}", count=orders["totalCount"])
            for edge in orders["edges"]:
                self.order(exchange, edge["node"])

    def _may_see(self, identifier: str) -> bool:
        # To others a list is empty or null, which shows nothing of it.
        return self._client.viewer in ("staff", identifier)

    def order(self, exchange: Exchange, shown: Any) -> None:
        """An order. Whose it is, the database says in the end."""
        if shown is None:
            return
        key, status = f"order:{shown['id']}", shown["status"]
        self._history.initial.setdefault(key, ("PENDING", 1))
        self.read(exchange, key, status, version=RANKS[status], fields=2)

    def scores(self, exchange: Exchange) -> None:
        """Players' entries on the board; one who has none has 0.

        An answer from the database says so: it may lack what is not flushed.
        """
        window = ((exchange.part("leaderboard") or {}).get("window")) or {}
        if window.get("freshness") != "LIVE":
            return
        for player, entry in zip(self._goods.players, window.get("entries", ()), strict=False):
            if entry is not None or exchange.is_whole:
                count = 0 if entry is None else entry["score"]
                self.read(exchange, f"score:{player}", count=count)


def label_of(row: Any) -> str:
    """The label of a row, or what it is torn between: all of it is of one edit."""
    name, cents = row["name"], row["price"]["amount"].replace(".", "").lstrip("0")
    if row["description"] == name and name == f"w{cents}":
        return str(name)
    return f"torn: {name}, {row['description']}, {cents}"


def outcome_of(exchange: Exchange, name: str) -> Outcome:
    """What a client knows of a mutation of its document."""
    if not exchange.was_sent:
        return Outcome.FAILED
    answered = exchange.part(name)
    if answered is None:
        return Outcome.UNKNOWN
    errors = answered["errors"]
    if not errors:
        return Outcome.OK
    is_unknown = any(
        error["code"] == "UNAVAILABLE" and "was not" not in error["message"] for error in errors
    )
    return Outcome.UNKNOWN if is_unknown else Outcome.FAILED
