"""Operations of one's own: rules, fields, codecs; contradictions are refused at once."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import pytest

from cache.errors import DeclarationError
from cache.writes import LAST, SUM, Changes, Entry, Operation, Rule, better_of, folded, merged
from tests.support.write_behind import SteppedProgress, Worker

Workers = Callable[..., Awaitable[Worker]]


class Shelf:
    """Values by key and field, in the place of tables."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.applied: list[Changes[Any]] = []

    async def apply(self, connection: Any, changes: Changes[Any]) -> Collection[str]:
        self.applied.append(changes)
        for key, fields in changes.items():
            row = self.rows.setdefault(key, {})
            for name, value in fields.items():
                is_sum = isinstance(value, int) and isinstance(row.get(name, 0), int)
                row[name] = row.get(name, 0) + value if is_sum else value
        return ()

    async def read(self, connection: Any, keys: Sequence[str]) -> Changes[Any]:
        return {key: self.rows[key] for key in keys if key in self.rows}


def declared(shelf: Shelf, rule: Rule[Any], **more: Any) -> SteppedProgress:
    return SteppedProgress(
        Operation(name="things", rule=rule, apply=shelf.apply, read=shelf.read, **more)
    )


# ---- several fields ----


async def test_fields_of_a_record_are_apart_and_are_read_together(worker: Workers) -> None:
    shelf = Shelf()
    one = await worker(declared(shelf, SUM, fields=("started", "finished")))
    await one.views.add("a", 3, field="started")
    await one.views.add("a", field="finished")
    await one.views.add("b", 2, field="started")
    both = ["started", "finished"]
    wanted = [{"started": 3, "finished": 1}, {"started": 2, "finished": 0}]
    assert await one.views.read_fields(["a", "b"], both) == wanted
    assert await one.views.read_fields(["a"], ["finished"]) == [{"finished": 1}]
    assert await one.views.read(["b", "a"], "started") == [2, 3]
    await one.drain()
    assert shelf.rows == {"a": {"started": 3, "finished": 1}, "b": {"started": 2}}
    assert await one.views.read_fields(["a", "b"], both) == wanted
    await one.views.add("a", field="started")  # a live value is there: it is changed in place
    assert await one.views.read(["a"], "started") == [4]


async def test_records_with_other_fields_asked_for_at_once_are_one_round_trip(
    worker: Workers,
) -> None:
    one = await worker(declared(Shelf(), SUM, fields=("started", "finished")))
    await one.views.add("a", 3, field="started")
    await one.views.read_fields(["a", "b"], ["started"])
    before = (await one.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    found = await asyncio.gather(
        one.views.read(["a", "b"], "started"), one.views.read_fields(["b"], ["finished"])
    )
    assert found == [[3, 0], [{"finished": 0}]]
    assert (await one.redis.info("commandstats"))["cmdstat_evalsha"]["calls"] == before + 1


async def test_a_field_that_came_later_is_rebuilt_and_not_begun_from_nothing(
    worker: Workers,
) -> None:
    shelf = Shelf()
    old = await worker(declared(shelf, SUM, fields=("started",)))
    shelf.rows["a"] = {"started": 5, "finished": 7}
    assert await old.views.read(["a"]) == [5]
    new = await worker(declared(shelf, SUM, fields=("started", "finished")))
    await new.views.add("a", field="finished")
    assert await new.views.read_fields(["a"], ["started", "finished"]) == [
        {"started": 5, "finished": 8}
    ]


@pytest.mark.parametrize("field", [None, "views"])
async def test_a_field_that_there_is_not_is_refused(worker: Workers, field: str | None) -> None:
    one = await worker(declared(Shelf(), SUM, fields=("started", "finished")))
    with pytest.raises(ValueError, match="started, finished"):
        await one.views.add("a", 1, field=field)
    with pytest.raises(ValueError, match="started, finished"):
        await one.views.read(["a"], field)


# ---- rules ----


async def test_the_last_value_wins_live_and_in_sql(worker: Workers) -> None:
    shelf = Shelf()
    one, other = await worker(declared(shelf, LAST)), await worker(declared(shelf, LAST))
    assert await other.views.read(["a"]) == [None]
    for value in ("first", {"a": [1, None]}, "the last"):
        await one.views.add("a", value)
        assert await other.views.read(["a"]) == [value]
    assert await one.flush() == 3
    assert shelf.applied == [{"a": {"value": "the last"}}]
    await one.redis.delete(one.views.journal.live("a"))
    assert await one.views.read(["a"]) == ["the last"]
    await one.views.add("a", "later")
    await one.redis.delete(one.views.journal.live("a"))
    assert await one.views.read(["a"]) == ["later"]


async def test_the_better_of_two_and_folded_values_are_merged_before_they_are_applied(
    worker: Workers,
) -> None:
    for rule, wanted in (
        (better_of(lambda points: points[0]), [9, "ada"]),
        (folded(lambda earlier, later: earlier + later), [3, "x", 9, "ada", 9, "bob"]),
    ):
        shelf = Shelf()
        operation = Operation(name=f"scores-{rule.name}", rule=rule, apply=shelf.apply)
        one = await worker(SteppedProgress(operation))
        for points in ([3, "x"], [9, "ada"], [9, "bob"]):
            await one.views.add("a", points)
        await one.drain()
        assert shelf.applied == [{"a": {"value": wanted}}]
        with pytest.raises(DeclarationError, match="no live values"):
            await one.views.read(["a"])


def test_merging_keeps_the_order_of_each_key_and_sorts_the_keys() -> None:
    async def nothing(connection: Any, changes: Any) -> Collection[str]:
        return ()

    operation = Operation(name="x", rule=folded(lambda one, two: one + two), apply=nothing)
    entries = [
        Entry("1-0", "b", "value", '["1"]'),
        Entry("2-0", "a", "value", '["2"]'),
        Entry("3-0", "b", "value", '["3"]'),
        Entry("4-0", "b", "other", '["4"]'),
    ]
    found = merged(operation, entries)
    assert found == {"a": {"value": ["2"]}, "b": {"value": ["1", "3"], "other": ["4"]}}
    assert list(found) == ["a", "b"]


async def test_a_value_that_cannot_be_written_is_refused(worker: Workers) -> None:
    plain = Rule("plain", lambda _, later: later, False, str, str, "", script="last")
    one = await worker(declared(Shelf(), plain))
    with pytest.raises(ValueError, match="without NUL"):
        await one.views.add("a", "x\0y")
    assert await one.waiting() == 0


# ---- contradictions ----


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"rule": LAST, "commutes": True}, "by its rule LAST the order decides"),
        ({"rule": LAST, "directly": True}, "does not commute, but is to be applied directly"),
        ({"rule": SUM, "commutes": False, "directly": True}, "does not commute"),
        ({"rule": folded(max)}, "Redis cannot keep a live value"),
        ({"rule": better_of(len)}, "Redis cannot keep a live value"),
        ({"rule": SUM, "fields": ()}, "needs one field or more"),
        ({"rule": SUM, "fields": ("a", "a")}, "each with a name of its own"),
        ({"rule": SUM, "fields": ("world",)}, "a name that live values need"),
        ({"rule": SUM, "name": ""}, "a name of 1 to 100 characters"),
        ({"rule": SUM, "name": "a{b}"}, "without braces"),
    ],
)
def test_what_contradicts_itself_is_refused_when_it_is_declared(
    said: dict[str, Any], message: str
) -> None:
    shelf = Shelf()
    with pytest.raises(DeclarationError, match=message):
        Operation(**{"name": "x", "apply": shelf.apply, "read": shelf.read, **said})


def test_whether_it_commutes_is_the_rules_unless_it_is_said() -> None:
    shelf = Shelf()
    assert Operation(name="x", rule=SUM, apply=shelf.apply).commutes is True
    assert Operation(name="x", rule=LAST, apply=shelf.apply).commutes is False
    assert Operation(name="x", rule=SUM, apply=shelf.apply, commutes=False).commutes is False
