"""Policies: what they refuse, and what they decide about times to live and early refreshes."""

import itertools
import math
import random
from typing import Any

import pytest

from cache.errors import DeclarationError
from cache.policy import (
    MAX_LIFETIME,
    CachePolicy,
    CacheScope,
    Consistency,
    Grain,
    namespace_tag,
)
from cache.protocol import Stamp

PUBLIC = {"ttl": 60, "scope": CacheScope.PUBLIC}


def never() -> float:
    raise AssertionError("no random number is needed here")


def stamp(soft: float, cost: float) -> Stamp:
    return Stamp("epoch", {}, stored=0.0, soft=soft, hard=soft, cost=cost)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"stale_if_error": -1}, r"stale_if_error must be .* 0 or more .* got -1$"),
        ({"negative_ttl": 61}, r"negative_ttl must not be more than ttl \(60 s\), got 61 s: "),
        ({"jitter": 0.6}, r"jitter must be a number from 0 \(off\) to 0.5, got 0.6$"),
        ({"jitter": True}, r"jitter .* got True"),
        ({"jitter": math.nan}, r"jitter .* got nan"),
        ({"early": -1}, r"early must be a number from 0 \(off\) to 10, got -1$"),
        ({"early": "1"}, r"early .* got '1'"),
        ({"early": math.inf}, r"early .* got inf"),
        ({"lease": 0}, r"lease must be .* above 0 .* got 0$"),
        ({"lease": MAX_LIFETIME + 1}, r"lease must be .* at most 604800"),
        ({"load_timeout": 0}, r"load_timeout must be .* above 0 .* got 0$"),
        ({"load_timeout": 0.1}, r"got 0.1 s and no time past the ttl: set stale_while_revalidate"),
        (
            {"load_timeout": 5, "stale_while_revalidate": 9, "lease": 5},
            r"load_timeout must be less than lease \(5 s\), got 5 s: .* lengthen the lease",
        ),
        ({"stale_if_error": MAX_LIFETIME}, r"at most 604800 s \(7 days\), got 604860 s: shorten"),
        ({"scope": CacheScope.PRIVATE, "stale_if_error": 1}, r"PUBLIC values only .* got 1 s with"),
        (
            {"consistency": Consistency.STRICT, "stale_while_revalidate": 3},
            r"STRICT value is never served stale, .* is 3 s: set both to 0, or use .*BOUNDED",
        ),
        ({"consistency": Consistency.STRICT, "stale_if_error": 4}, r"STRICT .* is 4 s"),
        ({"consistency": "STRICT"}, r"Consistency.BOUNDED or Consistency.STRICT, got 'STRICT'"),
        ({"scope": "PUBLIC"}, r"CacheScope.PUBLIC or CacheScope.PRIVATE, got 'PUBLIC'"),
        ({"grain": "RESPONSE"}, r"Grain.VALUE or Grain.FRAGMENT, got 'RESPONSE'"),
        ({"tags": "catalogue"}, r"tags must be a tuple of strings .* got 'catalogue': write tags="),
        ({"tags": ["catalogue"]}, r"tags must be a tuple"),
        ({"tags": ("a", "")}, r"tags must be a tuple of strings that are not empty"),
        ({"tags": ("namespace:x",)}, r"are those of namespaces, .* write namespace='x'"),
        ({"namespace": ""}, r"namespace must be a string that is not empty, got ''"),
        ({"namespace": 7}, r"namespace must be .* got 7"),
    ],
)
def test_policies_that_contradict_themselves_are_refused(
    given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DeclarationError, match=complaint):
        CachePolicy(**(PUBLIC | given))


def test_policies_that_go_together_are_kept() -> None:
    """The control of the refusals: each option is possible, most of them at once."""
    most = CachePolicy(
        ttl=60,
        stale_while_revalidate=30,
        stale_if_error=600,
        negative_ttl=60,
        jitter=0.5,
        early=10,
        scope=CacheScope.PUBLIC,
        namespace="catalogue",
        tags=("shop",),
        grain=Grain.FRAGMENT,
        load_timeout=0.1,
        lease=5,
    )
    assert most.lifetime == 660  # not the sum: both count from the end of the ttl
    assert most.lifetime_of(10) == 610
    assert most.all_tags == ("shop", namespace_tag("catalogue"))
    assert not most.is_strict
    strict = CachePolicy(60, consistency=Consistency.STRICT, early=1, jitter=0.1, lease=5)
    assert strict.is_strict
    assert not strict.is_public
    assert strict.all_tags == ()


def test_a_ttl_is_of_the_value_less_the_jitter() -> None:
    plain = CachePolicy(60, negative_ttl=5)
    assert plain.ttl_of(None, never) == 5
    assert [plain.ttl_of(value, never) for value in (0, "", False, ())] == [60] * 4
    assert CachePolicy(60).ttl_of(None, never) == 60

    spread = CachePolicy(60, negative_ttl=6, jitter=0.5)
    numbers = iter([0.0, 0.5, 0.999, 0.5])
    ttls = [spread.ttl_of("value", numbers.__next__) for _ in range(3)]
    assert ttls == [60, 45, pytest.approx(30, abs=0.1)]
    assert spread.ttl_of(None, numbers.__next__) == 4.5


def test_early_refreshes_are_as_likely_as_the_paper_says() -> None:
    """P(refresh) = exp(-(soft - now) / (cost * β)), whatever the rate of reads."""
    grid = [number / 10_000 for number in range(10_000)]
    for beta, cost, left in itertools.product((0.5, 1.0, 3.0), (0.1, 2.0), (0.0, 0.2, 3.0)):
        policy = CachePolicy(60, early=beta)
        numbers = iter(grid)
        entry = stamp(soft=100.0, cost=cost)
        early = [policy.refreshes_early(100.0 - left, entry, numbers.__next__) for _ in grid]
        assert sum(early) / len(grid) == pytest.approx(math.exp(-left / (cost * beta)), abs=2e-4)


def test_no_early_refresh_where_it_is_off_or_a_load_costs_nothing() -> None:
    assert not CachePolicy(60).refreshes_early(99.0, stamp(100.0, 50.0), never)
    free = CachePolicy(60, early=1)
    assert not free.refreshes_early(99.9, stamp(100.0, 0.0), lambda: 0.999_999)
    assert not free.refreshes_early(0.0, stamp(100.0, 1.0), lambda: 0.0)  # ln(1)


def waiting_readers(policy: CachePolicy, seed: int) -> int:
    """Readers of one minute, one each ms, that find nothing fresh while a load of 100 ms runs."""
    source = random.Random(seed)
    entry, loaded_at, waiting = stamp(soft=30.0, cost=0.1), math.inf, 0
    for now in (number / 1_000 for number in range(60_000)):
        if now >= loaded_at:
            return waiting
        stale = now >= entry.soft
        waiting += stale
        early = policy.refreshes_early(now, entry, source.random)
        if (stale or early) and loaded_at == math.inf:
            loaded_at = now + 0.1
    raise AssertionError("the entry was never loaded again")


def test_early_refreshes_prevent_stampedes() -> None:
    """With β = 1 hardly a reader meets an expired entry; without, all those of a load do."""
    assert waiting_readers(CachePolicy(60), seed=1) == 100
    assert sum(waiting_readers(CachePolicy(60, early=1), seed) for seed in range(20)) / 20 < 5
