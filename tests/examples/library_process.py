"""One process of an example application, run by the tests in an environment of its own.

Each line of its standard input is a request: `{"query": ..., "headers": {...}}`. Each line of its
output is the answer: status, headers, body, and the SQL that it took. What the outbox's relay does
in between is left out: it reads its table all the time.
"""

import asyncio
import importlib
import json
import sys
from typing import Any

import httpx
from sqlalchemy import event


def count_sql(engine: Any) -> list[str]:
    """A list that grows by each statement of the application itself."""
    statements: list[str] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "outbox" not in statement:
            statements.append(statement)

    return statements


async def main(name: str) -> None:
    """Serve `name:app`, whose engine is `name:engine`, until the input ends."""
    library = importlib.import_module(name)
    transport = httpx.ASGITransport(app=library.app, raise_app_exceptions=False)
    async with (
        library.app.router.lifespan_context(library.app),
        httpx.AsyncClient(transport=transport, base_url="http://library") as client,
    ):
        statements = count_sql(library.engine)
        print(json.dumps("ready"), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            statements.clear()
            answer = await client.post(
                "/graphql/", json={"query": asked["query"]}, headers=asked.get("headers", {})
            )
            client.cookies.clear()  # who asks brings their own
            said = {
                "status": answer.status_code,
                "headers": dict(answer.headers),
                "body": answer.json(),
                "sql": [statement for statement in statements if statement != "BEGIN"],
            }
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
