"""The suite that every `Store` passes, as classes of tests for pytest with pytest-asyncio.

A subclass says how a store is made, and pytest runs it:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_store(self) -> Callable[[], Store]:
            server = MyServer()
            return lambda: MyStore(server)

`open_store` opens one more worker's store of the same, at first empty, server; the fixture closes
what it opened. `LossContract` is for servers that a test can harm: it wants a fixture `losses` too.
"""

from __future__ import annotations

import pytest

for _name in ("entries", "state", "following", "losses"):
    pytest.register_assert_rewrite(f"{__package__}.contract_{_name}")

from .contract_entries import EntriesContract, OpenStore  # noqa: E402 (after the line above)
from .contract_following import FollowingContract  # noqa: E402
from .contract_losses import LossContract, Losses  # noqa: E402
from .contract_state import StateContract  # noqa: E402

__all__ = ["LossContract", "Losses", "OpenStore", "StoreContract"]


class StoreContract(EntriesContract, StateContract, FollowingContract):
    """Everything that the engine relies on in a store. Wants the fixture `open_store`."""
