"""What the values of mutations may be."""

from collections.abc import Callable
from typing import Any

import pytest

from resolvers import inputs
from resolvers.errors import InvalidArgument


@pytest.mark.parametrize(
    ("check", "value", "stored"),
    [
        (inputs.name, " Ada ", "Ada"),
        (inputs.name, "x" * 200, "x" * 200),
        (inputs.email, "Ada@Example.COM", "ada@example.com"),
        (inputs.email, "a.b+c@sub.example.com", "a.b+c@sub.example.com"),
        (inputs.password, "12345678", "12345678"),
        (inputs.password, "ÄÖÜß", "ÄÖÜß"),
        (inputs.password, "x" * 1024, "x" * 1024),
        (inputs.avatar_url, "https://example.com/a.png?x=1", "https://example.com/a.png?x=1"),
        (inputs.description, "", ""),
        (inputs.stock, 0, 0),
        (inputs.key_text, "any thing", "any thing"),
    ],
)
def test_what_is_allowed(check: Callable[..., Any], value: Any, stored: Any) -> None:
    assert check(value, "input.x") == stored


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (inputs.name, ""),
        (inputs.name, "  "),
        (inputs.name, "x" * 201),
        (inputs.name, "a\0b"),
        (inputs.name, "a\nb"),
        (inputs.email, ""),
        (inputs.email, "ada"),
        (inputs.email, "ada@"),
        (inputs.email, "@example.com"),
        (inputs.email, "ada@example"),
        (inputs.email, "ada@@example.com"),
        (inputs.email, "a da@example.com"),
        (inputs.email, "ada@example..com"),
        (inputs.email, "ada\0@example.com"),
        (inputs.email, "x" * 65 + "@example.com"),
        (inputs.email, "a@" + "x" * 250 + ".com"),
        (inputs.password, "1234567"),
        (inputs.password, "x" * 1025),
        (inputs.avatar_url, ""),
        (inputs.avatar_url, "javascript:alert(1)"),
        (inputs.avatar_url, "//example.com/a.png"),
        (inputs.avatar_url, "https://"),
        (inputs.avatar_url, "https://[::1"),
        (inputs.avatar_url, "https://example.com/a b"),
        (inputs.avatar_url, "https://example.com/" + "x" * 2000),
        (inputs.description, "x" * 10_001),
        (inputs.description, "a\0b"),
        (inputs.stock, -1),
        (inputs.stock, 100_000_001),
        (inputs.key_text, "a\0b"),
    ],
)
def test_what_is_not_is_named_with_what_is(check: Callable[..., Any], value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^input\.x: expected .+; got "):
        check(value, "input.x")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(InvalidArgument) as raised:
        inputs.password("hunter2", "input.password")
    assert "hunter2" not in str(raised.value)
    assert "7 bytes" in str(raised.value)
