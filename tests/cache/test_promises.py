"""What a cache says that it does not promise."""

from cache.promises import BOUNDED, OWN_WRITES, promises_off


def test_with_all_of_its_parts_nothing_is_off() -> None:
    assert promises_off(has_outbox=True, is_shared=True) == ()


def test_without_an_outbox_a_purge_can_be_lost_or_late() -> None:
    off = promises_off(has_outbox=False, is_shared=True)
    assert [one.promise for one in off] == [OWN_WRITES, BOUNDED]
    assert str(off[0]) == (
        "not promised: that a client sees its own writes on every worker while the worker that "
        "wrote does not reach the store (missing: an outbox, whose row is committed with the write)"
    )


def test_a_store_in_memory_knows_of_no_other_process_and_needs_no_outbox() -> None:
    for has_outbox in (False, True):
        off = promises_off(has_outbox=has_outbox, is_shared=False)
        assert [one.promise for one in off] == [OWN_WRITES, BOUNDED]
        assert all("share" in one.remedy for one in off)
