"""A time to live for each kind of data, and who may share it."""

import pytest

from cache import CachedFunction, CachePolicy, CacheScope
from resolvers import (
    catalogue,
    orders,
    policies,
    product_lists,
    products,
    sessions,
    tags,
    users,
)
from resolvers.tags import Namespace

DAY = 86_400


@pytest.mark.parametrize(
    ("function", "seconds", "scope"),
    [
        (products.product, 300, CacheScope.PUBLIC),
        (products.product_id_of, 300, CacheScope.PUBLIC),
        (products.stock, 5, CacheScope.PUBLIC),
        (products.units_sold, 60, CacheScope.PUBLIC),
        (product_lists.product_page, 300, CacheScope.PUBLIC),
        (product_lists.product_count, 300, CacheScope.PUBLIC),
        (catalogue.category, DAY, CacheScope.PUBLIC),
        (catalogue.all_categories, DAY, CacheScope.PUBLIC),
        (catalogue.brand, DAY, CacheScope.PUBLIC),
        (users.user, DAY, CacheScope.PUBLIC),
        (users.me, 3600, CacheScope.PRIVATE),
        (users.account, 3600, CacheScope.PRIVATE),
        (orders.order, 300, CacheScope.PRIVATE),
        (orders.order_lines, 300, CacheScope.PRIVATE),
        (orders.order_page, 300, CacheScope.PRIVATE),
        (orders.order_count, 300, CacheScope.PRIVATE),
        (sessions.session, 300, CacheScope.PUBLIC),
    ],
)
def test_the_table(
    function: CachedFunction[..., object], seconds: float, scope: CacheScope
) -> None:
    assert (function.policy.ttl, function.policy.scope) == (seconds, scope)


def test_what_is_not_there_is_forgotten_sooner() -> None:
    """A negative entry is purged when the thing appears; this bounds what nobody purges."""
    for function in (products.product, catalogue.category, users.user, orders.order):
        assert function.policy.ttl_of(None, lambda: 0.0) == 60


def test_every_policy_names_its_namespace_and_every_namespace_has_entries() -> None:
    """So that `invalidateNamespace` and an import reach all entries of a kind."""
    table = [policy for policy in vars(policies).values() if isinstance(policy, CachePolicy)]
    assert {policy.namespace for policy in table} == set(Namespace)
    assert tags.PRODUCTS in policies.STOCK.all_tags
