"""How position tokens travel: one header both ways, cookies for browsers, an extension elsewhere.

- A client that keeps what the header `FreshQL-Position` of an answer said sends it with its next
  request; several, of answers that came at once, as a list with commas.
- Browsers do so unasked: each mutation's answer sets a cookie *of its own*. With one name the
  answers of two mutations at once would overwrite each other. It lives for a minute, longer than
  any purge takes to arrive, and the answer that has seen it expires it.
- On a WebSocket, and in streams, the token is in `extensions.position` of each message.

No framework: what is read has `headers` and `cookies`, what is written `headers` and `set_cookie`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..protocol import Token

HEADER = "FreshQL-Position"
EXTENSION = "position"
COOKIE = "freshql-position-"
"""What a cookie's name begins with; the rest is random."""

COOKIE_SECONDS = 60

MOST = 16
"""Tokens of one request that are looked at. More are "all", which is seldom and never less."""

_EVERYTHING = Token(everything=True).encode()


@dataclass(frozen=True, slots=True)
class Received:
    """The tokens that came with a request, and the names of the cookies that brought some."""

    tokens: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()


def received(request: Any, extensions: Mapping[str, Any] | None = None) -> Received:
    """What `request` (of Starlette, Django, Flask, aiohttp or alike; None is one) brought.

    `extensions` are those of a GraphQL request.
    """
    said = [getattr(request, "headers", {}).get(HEADER), (extensions or {}).get(EXTENSION)]
    cookies: Mapping[str, str] = getattr(request, "cookies", None) or getattr(
        request, "COOKIES", {}
    )
    mine = {name: value for name, value in cookies.items() if name.startswith(COOKIE)}
    tokens = dict.fromkeys(token for one in (*said, *mine.values()) for token in _listed(one))
    few = tuple(tokens) if len(tokens) <= MOST else (_EVERYTHING,)
    return Received(few, tuple(mine)[:MOST])


def _listed(said: Any) -> list[str]:
    if not isinstance(said, str):
        return []
    # The rest of a list that is too long is one more, so that it counts as too long.
    return [token for part in said.split(",", MOST) if (token := part.strip())]


def can_send(response: Any) -> bool:
    """Whether `response` has headers that can be set: a WebSocket has not."""
    return hasattr(type(getattr(response, "headers", None)), "__setitem__")


def send(response: Any, token: str, *, after: Received, wrote: bool) -> None:
    """Put the token of an answer into its headers; with a cookie if it `wrote`.

    `after` is what the request brought: its cookies are in this token, and expire.
    """
    if not token:
        return
    response.headers[HEADER] = token
    if wrote and hasattr(response, "set_cookie"):
        _set_cookie(response, COOKIE + secrets.token_hex(8), token, COOKIE_SECONDS)
        for name in after.cookies:
            _set_cookie(response, name, "", 0)


def _set_cookie(response: Any, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="Lax")
