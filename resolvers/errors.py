"""What can go wrong in a way that a client can act on: expected failures and bad arguments."""

from enum import StrEnum
from typing import Final

import msgspec

_SHOWN: Final = 80


class ErrorCode(StrEnum):
    """Why a mutation was refused. Clients branch on it; the message is for people."""

    NOT_FOUND = "NOT_FOUND"
    INVALID_INPUT = "INVALID_INPUT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    CONFLICT = "CONFLICT"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    UNAVAILABLE = "UNAVAILABLE"


class UserError(msgspec.Struct, frozen=True):
    """One expected failure, as a payload's `errors` carry it.

    `path` leads to the argument at fault (`("input", "lines", "0", "quantity")`);
    `current_version` is set for a CONFLICT: the version to read again and retry with.
    """

    code: ErrorCode
    message: str
    path: tuple[str, ...] | None = None
    current_version: int | None = None


class Refused(Exception):  # noqa: N818 - an expected answer, not a fault
    """A mutation that was refused and wrote nothing; `errors` go into its payload.

    Raised inside a write's transaction it rolls the transaction back.
    """

    def __init__(self, *errors: UserError) -> None:
        """Refuse for `errors`, at least one."""
        super().__init__("; ".join(error.message for error in errors))
        self.errors: tuple[UserError, ...] = errors


def refused(code: ErrorCode, message: str, *path: str, version: int | None = None) -> Refused:
    """Return the refusal for one error; `path` leads to the argument at fault."""
    return Refused(UserError(code, message, path or None, version))


class InvalidArgument(ValueError):  # noqa: N818 - names what is wrong
    """An argument that cannot be used, of a query or inside a mutation's input.

    `argument` names it, `expected` is the allowed form or range, `got` what arrived.
    """

    def __init__(self, argument: str, expected: str, got: object) -> None:
        """Describe the argument; `got` is shortened for the message."""
        super().__init__(f"{argument}: expected {expected}; got {shown(got)}")
        self.argument = argument
        self.expected = expected


class Described(str):
    """Words for what arrived, where the value itself would say less: shown without quotes."""

    __slots__ = ()


def shown(value: object) -> str:
    """Return `value` as an error message shows it: its repr, shortened to 80 characters."""
    if isinstance(value, Described):
        text = str(value)
    else:
        text = repr(value[: _SHOWN * 2]) if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
