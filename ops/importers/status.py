"""The status of an imported order. It is derived: the files have none."""

from datetime import date, timedelta
from typing import Final

from models.tables import OrderStatus

ON_ITS_WAY: Final = timedelta(days=5)
"""So long after it left is an order said to be delivered."""


def derived_status(shipped_on: date | None, as_of: date) -> OrderStatus:
    """The status on the day `as_of`, the newest day on which any order of the files was placed.

    Not yet shipped: PAID. Shipped within the 5 days before: SHIPPED. Earlier: DELIVERED.
    """
    if shipped_on is None or shipped_on > as_of:
        return OrderStatus.PAID
    if shipped_on >= as_of - ON_ITS_WAY:
        return OrderStatus.SHIPPED
    return OrderStatus.DELIVERED
