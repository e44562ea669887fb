"""Whatever is sent as a token, the answer is right, and the next token is a good one."""

import httpx
import pytest

from cache.protocol import Token
from resolvers import sessions
from tests.support.clients import HEADER, lagging
from tests.support.store import Store, Worker

PRODUCT = "query ($id: ID!) { product(id: $id) { name } }"

HOSTILE = {
    "no token": "nonsense",
    "no base64": "é\u2028 \t;=",
    "too long": "A" * 100_000,
    "commas": "," * 10_000,
    "another epoch": Token({"f" * 32: 5}).encode(),
    "many epochs": Token({f"{n:032x}": n for n in range(8)}).encode(),
    "everything": Token(everything=True).encode(),
    "too many items": Token({f"{n:032x}": n for n in range(30)}).encode(),
    "an outbox id that never was": Token(outbox=frozenset(["0123456789abcdef"])).encode(),
    "outbox ids that are none": Token(outbox=frozenset(["' OR 1=1 --", "%", "{}"])).encode(),
    "an outbox id with NUL": Token(outbox=frozenset(["a\0b"])).encode(),
    "an outbox id of letters": Token(outbox=frozenset(["é" * 16])).encode(),
    "a position that is none": Token({"e" * 32: -1}).encode(),
    "a position too large": Token({"e" * 32: 2**63}).encode(),
    "all at once": ",".join(Token({f"{n:032x}": n}).encode() for n in range(40)),
}


async def asked(worker: Worker, store: Store, **sent: object) -> httpx.Response:
    body = {"query": PRODUCT, "variables": {"id": store.id("P-1")}}
    body |= {"extensions": {"position": sent["extension"]}} if "extension" in sent else {}
    headers = [(name, str(sent[name]).encode()) for name in ("cookie", HEADER) if name in sent]
    response = await worker.http.post("/graphql", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize("where", ["header", "cookie", "extension"])
async def test_the_answer_is_right(store: Store, where: str) -> None:
    async with lagging(store) as behind:
        applied = behind.services.cache.applied
        assert applied is not None
        for what, text in HOSTILE.items():
            sent = {
                "header": {HEADER: text},
                "cookie": {"cookie": f"freshql-position-x={text}"},
                "extension": {"extension": text},
            }[where]
            for worker in (behind, store.worker, behind):
                response = await asked(worker, store, **sent)
                assert response.json() == {"data": {"product": {"name": "Alpha Phone"}}}, what
                token = Token.decode(response.headers[HEADER])
                assert token is not None, what
                assert set(token.positions) == {applied.epoch}, what
                assert not token.outbox, what
                assert not token.everything, what


async def test_who_could_not_be_recognised_is_told_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client keeps what it has: 503, and no header."""

    async def fail(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(sessions, "sessions_by_digest", fail)
    headers = {HEADER: Token({"e" * 32: 1}).encode(), "authorization": "Bearer somebody"}
    body = {"query": "{ me { id } }"}
    response = await store.worker.http.post("/graphql", json=body, headers=headers)
    assert response.status_code == 503
    assert HEADER not in response.headers
