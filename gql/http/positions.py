"""Position tokens of a connection with several operations: what its client has seen by now.

`cache.integrations.positions` reads and writes them, `docs/positions.md` says how clients use them,
and `docs/protocol.md` (W5, J5) what they are for.
"""

from collections.abc import Iterable

from cache.integrations.positions import few


class Kept:
    """What one client keeps: the tokens of answers, until a later answer has seen them.

    Answers that came at once do not know of each other, so their tokens stay side by side. The
    server keeps them so for a WebSocket; a browser's cookies come to the same.
    """

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        """Begin with what a handshake brought."""
        self.tokens = few(tokens)

    def add(self, tokens: Iterable[str]) -> None:
        """Keep these too."""
        self.tokens = few((*self.tokens, *tokens))

    def answered(self, sent: Iterable[str], token: str) -> None:
        """Keep the token of an answer instead of those that were `sent` with its request.

        An empty one says that nothing is known: then what was sent stays.
        """
        if token:
            seen = frozenset(sent)
            self.tokens = few((*(it for it in self.tokens if it not in seen), token))


class Asking:
    """One operation of a client: what its next answer will have seen.

    A subscription asks `again` before each of its events.
    """

    def __init__(self, kept: Kept) -> None:
        """Begin with all that the client keeps."""
        self._kept = kept
        self.sent = kept.tokens

    def again(self) -> tuple[str, ...]:
        """Return what the client keeps now: the next answer is not behind it."""
        self.sent = self._kept.tokens
        return self.sent

    def answered(self, token: str) -> None:
        """Take an answer's token to the client."""
        self._kept.answered(self.sent, token)
        self.sent = (token,)
