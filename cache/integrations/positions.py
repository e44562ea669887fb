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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..protocol import Token

HEADER = "FreshQL-Position"
EXTENSION = "position"
COOKIE = "freshql-position-"
"""What a cookie's name begins with; the rest is random."""

COOKIE_SECONDS = 60

MOST = 16
"""Tokens of one request that stay as they are. More are merged."""

_MOST_MERGED = 64
"""More, and some that are none, are "all", which is seldom and never less."""

_EVERYTHING = Token(everything=True).encode()


@dataclass(frozen=True, slots=True)
class Received:
    """The tokens that came with a request, the names of the cookies that brought some, and
    whether it came over HTTPS."""

    tokens: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    secure: bool = False


def received(request: Any, extensions: Mapping[str, Any] | None = None) -> Received:
    """What `request` (of Starlette, Django, Flask, aiohttp or alike; None is one) brought.

    `extensions` are those of a GraphQL request.
    """
    said = [*_header(getattr(request, "headers", {})), (extensions or {}).get(EXTENSION)]
    cookies: Mapping[str, str] = getattr(request, "cookies", None) or getattr(
        request, "COOKIES", {}
    )
    mine = {name: value for name, value in cookies.items() if name.startswith(COOKIE)}
    tokens = few(token for one in (*said, *mine.values()) for token in _listed(one))
    return Received(tokens, tuple(mine)[:MOST], _scheme(request) == "https")


def few(tokens: Iterable[str]) -> tuple[str, ...]:
    """These tokens without repetitions, or one that stands for all of them if they are too many.

    Answers that came at once differ by a few positions of one epoch: then merging loses nothing,
    while "all" would have the outbox drained.
    """
    distinct = tuple(dict.fromkeys(tokens))
    if len(distinct) <= MOST:
        return distinct
    decoded = [Token.decode(token) for token in distinct[: _MOST_MERGED + 1]]
    known = [token for token in decoded if token is not None]
    is_whole = len(known) == len(distinct) <= _MOST_MERGED
    return (Token().merged(*known).encode() if is_whole else _EVERYTHING,)


def _header(headers: Any) -> Sequence[Any]:
    """The lines of the header: some frameworks join them, some tell the first one only."""
    lines = getattr(headers, "getlist", None)
    return lines(HEADER) if lines is not None else [headers.get(HEADER)]


def _scheme(request: Any) -> str | None:
    """`https` or another; ASGI has it in the request's scope."""
    scheme: str | None = getattr(request, "scheme", None)
    return scheme or getattr(request, "scope", {}).get("scheme")


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
        new = {COOKIE + secrets.token_hex(8): (token, COOKIE_SECONDS)}
        for name, (value, seconds) in (new | dict.fromkeys(after.cookies, ("", 0))).items():
            response.set_cookie(
                name,
                value,
                max_age=seconds,
                path="/",
                secure=after.secure,
                httponly=True,
                samesite="Lax",
            )
