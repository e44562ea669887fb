"""Asking a running server over HTTP, as the README does."""

import json
import shlex
from typing import Any

import httpx

from tests.support.serving import ROOT


def _questions_of_the_readme() -> list[str]:
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("## First queries")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("ask '")]
    return [shlex.split(line)[1] for line in lines]


README_QUESTIONS = _questions_of_the_readme()
"""The bodies that the README's first queries send."""


class Asker:
    """A client of one server; `token` is the session that it asks with, empty for none."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    def ask_as_text(self, body: str) -> dict[str, Any]:
        """The data of the answer to a whole body; fails on errors, typed ones too.

        A token in the answer is kept, as the README tells people to.
        """
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        sent = httpx.post(f"{self.url}/graphql", content=body, headers=headers, timeout=30)
        answer = sent.json()
        assert "errors" not in answer, f"{body}\n{answer}"
        assert '"errors": [{' not in json.dumps(answer), f"{body}\n{answer}"
        data: dict[str, Any] = answer["data"]
        self.token = data.get("login", {}).get("token", self.token)
        return data

    def ask(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The same for a document with its variables."""
        return self.ask_as_text(json.dumps({"query": query, "variables": variables or {}}))

    def login(self, name: str) -> str:
        """Log in as one of the sample's logins; the token."""
        credentials = {"email": f"{name}@example.com", "password": name}
        mutation = "mutation($i: LoginInput!) { login(input: $i) { token errors { code } } }"
        token: str = self.ask(mutation, {"i": credentials})["login"]["token"]
        return token
