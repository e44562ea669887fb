"""Which races a naive cache loses: all, but for these."""

from tests.cache.races import following, judging, loading, writing
from tests.cache.races.race import ALL_RACES, Race

assert [writing, following, loading, judging]  # imported for their races

NAIVE_WINS = {
    "moved_twice": "what it is about is the writer's lock, which it has",
    "the_older_writer_purges_later": "its writers read what they answer with, as ours do",
    "own_write_that_cannot_be_published": "its purges are not sent to a log",
    "stale_and_purged": "a purge deletes the entry, and nothing stores it again",
    "started_after_the_purge": "the same",
}
"""Races that a naive cache does not lose, and why."""

OF_THE_ENGINE = {
    "back_past_what_was_used",
    "drained_in_another_epoch",
    "marked_after_moving_on",
    "paused_while_an_answer_came",
    "raised_past_its_head",
    "stored_again_over_a_newer_entry",
    "stored_again_past_its_head",
}
"""Races whose steps are the engine's own: nothing else can play them."""


def lost_by_a_naive_cache() -> list[Race]:
    """All other races."""
    return [race for race in ALL_RACES if race.name not in {*NAIVE_WINS, *OF_THE_ENGINE}]
