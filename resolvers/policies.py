"""The one table of how long each kind of data may be served, and to whom. Times in seconds.

A purge ends an entry at once, whatever is left of its time to live: that only bounds what nobody
purges, such as a database edited by hand.
"""

from typing import Final

from cache import CachePolicy, CacheScope, Consistency
from resolvers.tags import Namespace

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_PUBLIC: Final = CacheScope.PUBLIC
_PRIVATE: Final = CacheScope.PRIVATE

PRODUCT: Final = CachePolicy(
    ttl=5 * MINUTE, negative_ttl=MINUTE, scope=_PUBLIC, namespace=Namespace.PRODUCTS
)
"""A product's row, and which product has a SKU."""
STOCK: Final = CachePolicy(ttl=5, scope=_PUBLIC, namespace=Namespace.PRODUCTS)
"""Pieces in stock: the one value that changes with every order."""
UNITS_SOLD: Final = CachePolicy(ttl=MINUTE, scope=_PUBLIC, namespace=Namespace.PRODUCTS)
"""Units sold of a product."""
PRODUCT_LIST: Final = CachePolicy(ttl=5 * MINUTE, scope=_PUBLIC, namespace=Namespace.PRODUCTS)
"""Pages of product lists, and their counts."""
CATALOGUE: Final = CachePolicy(
    ttl=DAY, negative_ttl=MINUTE, scope=_PUBLIC, namespace=Namespace.CATALOGUE
)
"""Categories and brands."""
PROFILE: Final = CachePolicy(ttl=DAY, negative_ttl=MINUTE, scope=_PUBLIC, namespace=Namespace.USERS)
"""A user's public profile."""
ACCOUNT: Final = CachePolicy(
    ttl=HOUR, negative_ttl=MINUTE, scope=_PRIVATE, namespace=Namespace.USERS
)
"""A user's e-mail, role and points: for the user and staff."""
ORDER: Final = CachePolicy(
    ttl=5 * MINUTE, negative_ttl=MINUTE, scope=_PRIVATE, namespace=Namespace.ORDERS
)
"""An order, its lines, and lists of orders: for the owner and staff."""
SESSION: Final = CachePolicy(
    ttl=5 * MINUTE,
    negative_ttl=MINUTE,
    scope=_PUBLIC,
    consistency=Consistency.STRICT,
    namespace=Namespace.SESSIONS,
)
"""Whom a token speaks for: strict, so that a logout or a change of role counts at once, on every
worker. Public, because this is how the viewer is found out; the token's digest
is the key, and only who has the token can name it."""
LEADERBOARD: Final = CachePolicy(
    ttl=DAY, negative_ttl=MINUTE, scope=_PUBLIC, namespace=Namespace.LEADERBOARDS
)
"""Definitions of leaderboards and their list. What is on a board is live, never cached."""
