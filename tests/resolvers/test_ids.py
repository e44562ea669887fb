"""Global ids: one spelling for each object, and every other one refused."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.errors import InvalidArgument
from resolvers.ids import MAX_NUMBER, decode_id, encode_id, split_id


@given(st.integers(1, MAX_NUMBER))
def test_numbers_come_back(number: int) -> None:
    assert decode_id(encode_id("Product", number), "Product") == number


@given(st.text(min_size=1, max_size=60).filter(lambda text: "\0" not in text and _plain(text)))
def test_slugs_come_back(slug: str) -> None:
    assert decode_id(encode_id("Category", slug), "Category") == slug


def _plain(text: str) -> bool:
    """Text that UTF-8 can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _raw(text: str) -> str:
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "Product:42",
        "é",
        "\0",
        _raw("Product:42") + "=",
        _raw("Product:42") + "\n",
        _raw("Product:42")[:-1],
        _raw("Product:42")[:-1] + "h",
        _raw("Product:042"),
        _raw("Product:+42"),
        _raw("Product:-1"),
        _raw("Product:0"),
        _raw("Product:1.0"),
        _raw("Product:٤٢"),
        _raw("Product:"),
        _raw("Product"),
        _raw("product:42"),
        _raw("Secret:42"),
        _raw("Category:a\0b"),
        _raw(f"Product:{MAX_NUMBER + 1}"),
        _raw("Product:" + "9" * 300),
        "A" * 10_000,
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^input\.id: expected a global id"):
        split_id(text, "input.id")


def test_an_id_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="expected the id of a Product; got the id of a User"):
        decode_id(encode_id("User", 1), "Product")
