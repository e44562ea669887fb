"""Finished JSON: what functions of `Grain.FRAGMENT` return."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson


class Fragment(msgspec.Struct, frozen=True, gc=False):
    """A piece of JSON that goes into a response as it is; equal when its bytes are.

    orjson has a type for this, but one that can neither be compared nor read. Pass
    `default=Fragment.default` to `orjson.dumps`, and fragments are copied, not encoded:

        orjson.dumps({"product": Fragment.of(row)}, default=Fragment.default)
    """

    contents: bytes

    @classmethod
    def of(cls, value: Any) -> Fragment:
        """The JSON of a value, fragments within it included. Raises `TypeError` if it has none."""
        return cls(orjson.dumps(value, default=cls.default))

    @classmethod
    def default(cls, value: Any) -> orjson.Fragment:
        """What orjson asks about values that it does not know. Raises `TypeError` for others."""
        if isinstance(value, cls):
            return orjson.Fragment(value.contents)
        raise TypeError(f"expected a Fragment or what orjson can encode, got {type(value)!r}")
