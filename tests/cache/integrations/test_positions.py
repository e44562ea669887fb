"""How position tokens travel: what is read of a request, what is put into an answer."""

from http.cookies import SimpleCookie
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from cache.integrations.positions import (
    COOKIE,
    HEADER,
    MOST,
    Received,
    can_send,
    few,
    received,
    send,
)
from cache.protocol import Token


def request(**headers: str) -> Request:
    """A request of Starlette with these headers."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def set_cookies(response: Response) -> dict[str, tuple[str, int]]:
    """Value and seconds of each cookie that an answer sets."""
    found: dict[str, tuple[str, int]] = {}
    for line in response.headers.getlist("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            assert (morsel["httponly"], morsel["path"]) == (True, "/")
            assert morsel["samesite"].lower() == "lax"
            found[name] = (morsel.value, int(morsel["max-age"]))
    return found


def test_header_cookies_and_extension_are_read() -> None:
    came = request(freshql_position="a", cookie=f"{COOKIE}1=b; theme=dark; {COOKIE}2=c")
    assert received(came, {"position": "d"}) == Received(
        ("a", "d", "b", "c"), (f"{COOKIE}1", f"{COOKIE}2")
    )


def test_a_header_is_a_list() -> None:
    assert received(request(freshql_position="a, b,,a,")).tokens == ("a", "b")


def test_a_header_on_several_lines_is_one_list() -> None:
    lines = [(b"freshql-position", b"a, b"), (b"freshql-position", b"c")]
    assert received(Request({"type": "http", "headers": lines})).tokens == ("a", "b", "c")


def test_more_than_are_looked_at_stand_for_all() -> None:
    everything = (Token(everything=True).encode(),)
    cookies = "; ".join(f"{COOKIE}{number}={number}" for number in range(MOST + 1))
    for came in (
        request(freshql_position=",".join(map(str, range(MOST + 1)))),
        request(cookie=cookies),
        request(freshql_position="a", cookie=cookies),
    ):
        assert received(came).tokens == everything
    assert len(received(request(freshql_position=",".join(map(str, range(MOST))))).tokens) == MOST
    assert len(received(request(cookie=cookies)).cookies) == MOST, "an answer expires so many"


def test_answers_of_one_epoch_are_merged_however_many() -> None:
    """As a socket keeps them whose twenty subscriptions are answered while the log moves."""
    tokens = [Token({"e" * 16: number}).encode() for number in range(1, MOST + 5)]
    assert few(tokens) == (Token({"e" * 16: MOST + 4}).encode(),)
    assert few([*tokens, Token(outbox=frozenset(["a" * 16])).encode()]) == (
        Token({"e" * 16: MOST + 4}, frozenset(["a" * 16])).encode(),
    )
    assert few([*tokens, "none"]) == (Token(everything=True).encode(),)
    many = [Token({"e" * 16: number}).encode() for number in range(1_000)]
    assert few(many) == (Token(everything=True).encode(),)


def test_requests_of_other_frameworks_are_read() -> None:
    django = SimpleNamespace(headers={HEADER: "a"}, COOKIES={f"{COOKIE}1": "b"})
    assert received(django) == Received(("a", "b"), (f"{COOKIE}1",))


@pytest.mark.parametrize("nothing", [None, object(), request(), request(cookie="theme=dark")])
def test_a_request_without_a_token_brings_none(nothing: object) -> None:
    assert received(nothing) == Received()


@pytest.mark.parametrize("wrong", [7, None, ["a"], {"a": 1}])
def test_an_extension_that_is_no_text_is_none(wrong: object) -> None:
    assert received(None, {"position": wrong}) == Received()


def test_a_read_sends_the_header_alone() -> None:
    response = Response()
    send(response, "token", after=Received(cookies=(f"{COOKIE}1",)), wrote=False)
    assert response.headers[HEADER] == "token"
    assert set_cookies(response) == {}


def test_a_write_sets_a_cookie_of_its_own_and_expires_those_that_it_has_seen() -> None:
    first, second = Response(), Response()
    for response in (first, second):
        send(response, "token", after=Received(cookies=(f"{COOKIE}old",)), wrote=True)
    [mine, other] = [set_cookies(response) for response in (first, second)]
    assert mine.pop(f"{COOKIE}old") == other.pop(f"{COOKIE}old") == ("", 0)
    assert [*mine.values()] == [*other.values()] == [("token", 60)]
    assert mine.keys().isdisjoint(other), "two answers at once overwrite each other"
    assert all(name.startswith(COOKIE) for name in mine)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cookies_are_secure_where_the_request_was(scheme: str) -> None:
    scope = {"type": "http", "scheme": scheme, "headers": [(b"cookie", f"{COOKIE}1=a".encode())]}
    asgi, django = received(Request(scope)), received(SimpleNamespace(scheme=scheme, headers={}))
    for came in (asgi, django):
        response = Response()
        send(response, "token", after=came, wrote=True)
        lines = response.headers.getlist("set-cookie")
        assert len(lines) == 1 + len(came.cookies)
        assert all(("; Secure" in line) is (scheme == "https") for line in lines)


def test_an_empty_token_is_not_sent() -> None:
    response = Response()
    send(response, "", after=Received(), wrote=True)
    assert HEADER not in response.headers
    assert set_cookies(response) == {}


def test_a_response_without_cookies_gets_the_header() -> None:
    response = SimpleNamespace(headers={})
    send(response, "token", after=Received(cookies=(f"{COOKIE}1",)), wrote=True)
    assert response.headers == {HEADER: "token"}


def test_a_websocket_has_no_headers_to_send() -> None:
    async def nothing(*given: object) -> None:
        pass

    socket = WebSocket({"type": "websocket", "headers": []}, nothing, nothing)  # type: ignore[arg-type]
    assert not can_send(socket)
    assert not can_send(None)
    assert can_send(Response())
    assert can_send(SimpleNamespace(headers={}))
