"""The state server of a world of records: the write-behind's scripts, written once more in Python.

`tests/cache/simulator/test_record_server.py` holds it against a real Valkey: the same calls, the
same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import NoScriptError, OutOfMemoryError

from ....stores.script import Script
from ....writes import scripts
from .redis_data import RedisData, pair
from .rules import ALL_KEPT, RecordRules

LARGEST = 2**63 - 1


class RecordServer:
    """Runs the scripts of `cache.writes.scripts`, each as one step.

    `now` is its clock (Unix, in seconds); `new_name` makes the incarnations.
    """

    def __init__(
        self,
        now: Callable[[], float],
        new_name: Callable[[], str],
        rules: RecordRules = ALL_KEPT,
    ) -> None:
        self.data = RedisData(now)
        self.is_full = False
        self.incarnation = new_name()
        self.on_append: Callable[[str, str, str, str, str], None] = _nothing
        """Is told of each append: key, field, payload, epoch and id."""
        self._now = now
        self._new_name = new_name
        self._rules = rules
        self._known: set[str] = set()
        self._scripts: Mapping[str, Callable[[list[str], list[str]], Any]] = {
            scripts.APPEND.digest: self._append,
            scripts.RECONCILE.digest: self._reconcile,
            scripts.PEEK.digest: self._peek,
            scripts.PENDING.digest: self._pending,
            scripts.TRIM.digest: self._trim,
            scripts.RAISE.digest: self._raise,
            scripts.LIVE.digest: self._live,
            scripts.INSTALL.digest: self._rebuild,
            scripts.COMPUTE.digest: self._rebuild,
        }
        every = (each for each in vars(scripts).values() if isinstance(each, Script))
        self._growing = {each.digest for each in every if each.source.startswith("#!lua\n")}
        """Those that a full server refuses: the others are flagged."""

    def restart(self, data: RedisData | None = None) -> None:
        """It comes back as another incarnation, which knows no script; with other data if given."""
        self.incarnation = self._new_name()
        self._known.clear()
        if data is not None:
            self.data = data

    def empty(self) -> RedisData:
        """The data of a server that has none."""
        return RedisData(self._now)

    def run(self, digest: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """The reply of a script, as redis-py returns it. Raises redis-py's errors."""
        if digest not in self._known:
            raise NoScriptError("No matching script. Please use EVAL.")
        if self.is_full and digest in self._growing:
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        said = [each.decode() if isinstance(each, bytes) else str(each) for each in arguments]
        return _sent(self._scripts[digest](list(keys), said))

    def learn(self, digest: str) -> None:
        """Its source was sent."""
        if digest not in self._scripts:
            raise LookupError(f"expected a script of cache.writes.scripts, got the digest {digest}")
        self._known.add(digest)

    # ---- common.lua ----

    def _opened(self, keys: list[str]) -> tuple[str, str | None, str, str] | None:
        meta = self.data.hash(keys[1])
        is_here = meta.get("incarnation") == self.incarnation or not self._rules.closed
        if "epoch" not in meta or not is_here or not self.data.exists(keys[0]):
            return None
        revision, epoch = meta.get("revision", "0"), meta["epoch"]
        incarnation = self.incarnation if self._rules.incarnation else ""
        world = ":".join([epoch, incarnation, revision])
        return epoch, meta.get("trimmed_to"), world, revision

    def _closed(self) -> list[Any]:
        return ["closed", self.incarnation]

    def _raise_to(self, keys: list[str], revision: str) -> None:
        if int(self.data.hash(keys[1]).get("revision", "0")) < int(revision):
            self.data.hset(keys[1], "revision", revision)

    # ---- the scripts ----

    def _append(self, keys: list[str], said: list[str]) -> list[Any]:
        opened = self._opened(keys)
        if opened is None:
            return self._closed()
        data, once = self.data, keys[3] if len(keys) > 3 else None
        kept = data.get(once) if once is not None and self._rules.once else None
        if kept is not None:
            same = kept.startswith(said[6])
            return ["again" if same else "reused", kept[len(said[6]) :]]
        waiting = data.xlen(keys[0])
        if waiting >= int(said[5]):
            return ["full", waiting]
        key, name, payload, rule, life = said[:5]
        identifier = data.xadd(keys[0], ("k", key, "n", payload, "f", name))
        self.on_append(key, name, payload, opened[0], identifier)
        if once is not None:
            data.set(once, said[6] + identifier)
            data.expire(once, int(said[7]))
        value: int | str | None = None
        live = data.hash(keys[2])
        if live.get("world") == opened[2] and name in live:
            if rule == "sum":
                value = data.hincrby(keys[2], name, int(payload))
            else:
                value = payload
                data.hset(keys[2], name, payload)
            data.expire(keys[2], int(life))
        return ["ok", identifier, waiting + 1, value]

    def _reconcile(self, keys: list[str], said: list[str]) -> list[Any]:
        seen, sql_epoch, sql_last, new_epoch, revision = said
        data, now = self.data, self.incarnation
        if now != seen and self._rules.same_incarnation:
            return self._closed()
        meta, stream = data.hash(keys[1]), data.stream(keys[0])
        epoch, outcome = meta.get("epoch"), "kept"
        last = "" if stream is None else f"{stream.last[0]}-{stream.last[1]}"
        if stream is not None and epoch is not None and meta.get("incarnation") == now:
            return ["known", epoch, last]
        if stream is not None and epoch is None and sql_epoch:
            epoch = sql_epoch
            data.hset(keys[1], "epoch", epoch)
            data.hset(keys[1], "trimmed_to", sql_last)
        if stream is None or epoch is None:
            epoch = new_epoch if self._rules.new_epoch or not sql_epoch else sql_epoch
            outcome = "lost" if sql_epoch else "new"
            data.hset(keys[1], "epoch", epoch)
            data.hset(keys[1], "trimmed_to", "0-0")
            if stream is None:
                data.begin_stream(keys[0])
        elif epoch == sql_epoch and pair(last) < pair(sql_last):
            if self._rules.raised_ids:
                stream.last = pair(sql_last)
            outcome = "rolled-back"
        self._raise_to(keys, revision)
        data.hset(keys[1], "incarnation", now)
        return [outcome, epoch, last]

    def _peek(self, keys: list[str], said: list[str]) -> list[Any]:
        if self._opened(keys) is None:
            return self._closed()
        oldest = next(self.data.after(keys[0], "0-0"), None)
        since = "" if oldest is None else oldest[0].partition("-")[0]
        return ["ok", self.data.xlen(keys[0]), since, str(self.data.milliseconds())]

    def _pending(self, keys: list[str], said: list[str]) -> list[Any]:
        opened = self._opened(keys)
        if opened is None:
            return self._closed()
        start = said[1] if opened[0] == said[0] else "0-0"
        found = list(self.data.after(keys[0], start))[: int(said[2])]
        return ["ok", opened[0], opened[1], [[each, list(fields)] for each, fields in found]]

    def _trim(self, keys: list[str], said: list[str]) -> int:
        epoch, last, after, revision = said
        meta = self.data.hash(keys[1])
        if meta.get("epoch") != epoch and self._rules.trim_epoch:
            return 0
        self._raise_to(keys, revision)
        if not self._rules.trim_committed:
            after = f"{LARGEST}-0"
        removed = self.data.trim_before(keys[0], after)
        if pair(meta.get("trimmed_to", "0-0")) < pair(last):
            self.data.hset(keys[1], "trimmed_to", last)
        return removed

    def _raise(self, keys: list[str], said: list[str]) -> str:
        if self._rules.told:
            self._raise_to(keys, said[0])
        return self.data.hash(keys[1]).get("revision", "0")

    def _live(self, keys: list[str], said: list[str]) -> list[Any]:
        opened = self._opened(keys)
        if opened is None:
            return self._closed()
        found = []
        for key in keys[2:]:
            live = self.data.hash(key)
            is_true = live.get("world") == opened[2]
            found.append([live.get(name) if is_true else None for name in said])
        return ["ok", found]

    def _rebuild(self, keys: list[str], said: list[str]) -> list[Any]:
        opened = self._opened(keys)
        if opened is None:
            return self._closed()
        epoch, trimmed, world, revision = opened
        stores, sql_epoch, sql_last, sql_revision, life, rule, count = said[:7]
        names = said[7 : 7 + int(count)]
        start = sql_last if epoch == sql_epoch else "0-0"
        width, rest = len(names) + 1, said[7 + len(names) :]
        records = {rest[at]: rest[at + 1 : at + width] for at in range(0, len(rest), width)}
        tails = self._tails(keys[0], start, records, names, rule)
        status = self._status(
            sql_revision, revision, is_behind=pair(start) < pair(trimmed or "0-0")
        )
        if stores == "1" and int(revision) < int(sql_revision) and status == "ok":
            self._raise_to(keys, sql_revision)
            raised = self._opened(keys)
            world = world if raised is None else raised[2]
        if stores == "1" and status == "ok":
            for live, (key, values) in zip(keys[2:], records.items(), strict=True):
                self._store(live, world, int(life), dict(zip(names, values, strict=True)))
                self._add(live, tails[key], rule)
        found = [tails[key].get(name) for key in records for name in names]
        return [status, found, revision]

    def _status(self, sql_revision: str, revision: str, *, is_behind: bool) -> str:
        if is_behind and self._rules.trim_look:
            return "trimmed"
        is_outdated = int(sql_revision) < int(revision) and self._rules.compared
        return "outdated" if is_outdated else "ok"

    def _add(self, live: str, tails: Mapping[str, str], rule: str) -> None:
        for name, tail in tails.items():
            if rule == "sum":
                self.data.hincrby(live, name, int(tail))
            else:
                self.data.hset(live, name, tail)

    def _tails(
        self, stream: str, start: str, records: Mapping[str, Any], names: list[str], rule: str
    ) -> dict[str, dict[str, str]]:
        tails: dict[str, dict[str, str]] = {key: {} for key in records}
        for _, entry in self.data.after(stream, start):
            key, payload, name = entry[1], entry[3], entry[5] if len(entry) > 5 else names[0]
            if key in tails and name in names:
                before = int(tails[key].get(name, "0")) if rule == "sum" else 0
                tails[key][name] = str(before + int(payload)) if rule == "sum" else payload
        return tails

    # ---- without a rule ----

    def store_apart(
        self, keys: Sequence[str], arguments: Sequence[Any], tails: Sequence[bytes | None]
    ) -> None:
        """Store SQL's values with tails that were added up in an earlier step."""
        said, opened = [str(each) for each in arguments], self._opened(list(keys))
        names = said[7 : 7 + int(said[6])]
        rest, width, found = said[7 + len(names) :], len(names) + 1, iter(tails)
        for number, live in enumerate(keys[2:]):
            values = rest[number * width + 1 : (number + 1) * width]
            self._store(
                live,
                opened[2] if opened else "",
                int(said[4]),
                dict(zip(names, values, strict=True)),
            )
            known = {name: tail.decode() for name in names if (tail := next(found)) is not None}
            self._add(live, known, said[5])

    def add_apart(self, keys: Sequence[str], arguments: Sequence[Any]) -> None:
        """Do an operation to the live value that is in the stream already."""
        said, opened, live = [str(each) for each in arguments], self._opened(list(keys)), keys[2]
        name = said[1]
        if opened is not None and self.data.hash(live).get("world") == opened[2]:
            self._add(live, {name: said[2]}, said[3])

    def _store(self, key: str, world: str, life: int, values: Mapping[str, str]) -> None:
        for name, value in {"world": world, **values}.items():
            self.data.hset(key, name, value)
        self.data.expire(key, life)


def _sent(reply: Any) -> Any:
    """A reply as it comes over the wire: text as bytes."""
    if isinstance(reply, list):
        return [_sent(each) for each in reply]
    return reply.encode() if isinstance(reply, str) else reply


def _nothing(*_: str) -> None:
    pass
