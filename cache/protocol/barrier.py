"""What the reads of one request must not be behind (J5, J6), and what its answer will say (W5)."""

from __future__ import annotations

from .rules import ALL, Rules
from .token import Token
from .types import Position


class Barrier:
    """The barrier of one request: the token it came with, and its own purges since.

    `token` is what reads meet; `seen` is what they learned, for the answer's token only.
    A barrier that could not be resolved (`alone`) uses no cache at all.
    """

    __slots__ = ("_parent", "_rules", "alone", "drained", "seen", "token", "waited")

    def __init__(
        self, token: Token | None = None, rules: Rules = ALL, parent: Barrier | None = None
    ) -> None:
        self._rules = rules
        self._parent = parent
        self.token = token or Token()
        self.seen = Token()
        self.alone = False
        self.drained: str | None = None
        """The epoch under which everything was published for this barrier, if it came to that."""
        self.waited = False
        """Whether the log was awaited for it already: nobody waits for the same thing twice."""

    @property
    def answer(self) -> Token:
        """W5: the token of an answer that is given now; with what could not be resolved (J5)."""
        if self.alone and not self._rules.j5_keep:
            return self.seen
        return self.token.merged(self.seen)

    def give_up(self) -> None:
        """Use no cache for the rest of this request, nor of the one that started this load."""
        self.alone = True
        if self._parent is not None:
            self._parent.give_up()

    def add(self, position: Position) -> None:
        """Reads from here on must not be behind `position`: an own purge, or a strict head."""
        self.token = self.token.merged(Token.at(position))
        self.waited = False

    def add_outbox(self, identifier: str) -> None:
        """An own purge that is not published: whoever reads for this client publishes it."""
        self.token = self.token.merged(Token(outbox=frozenset([identifier])))

    def saw(self, position: Position | None) -> None:
        """Remember for the answer only that `position` was seen (W5), here or below."""
        if position is not None and self.seen.positions.get(position.epoch, -1) < position.id:
            self.seen = self.seen.merged(Token.at(position))
        if position is not None and self._parent is not None:
            self._parent.saw(position)

    def below(self, position: Position | None) -> Barrier:
        """The barrier of what is read below a load that this reader starts (L0)."""
        if not self._rules.l0_barrier:
            return Barrier(rules=self._rules)
        child = Barrier(self.token, self._rules, parent=self)
        child.alone = self.alone
        child.drained, child.waited = self.drained, self.waited
        if position is not None:
            child.add(position)
        return child

    def is_met_by(self, position: Position | None) -> bool:
        """Whether a verdict as of `position` is not behind this barrier.

        One of another epoch than the barrier's positions is: they cannot be compared (J5).
        """
        token = self.token
        if token.is_empty:
            return True
        if position is None:
            return False
        rules = self._rules
        if (token.outbox or token.everything) and rules.j5_outbox_id and rules.j5_bypass:
            return False  # it could not be resolved, or would not be there any more
        if rules.j5_token and token.positions.get(position.epoch, 0) > position.id:
            return False
        return not (rules.j5_epoch and token.is_foreign_to(position.epoch))

    def must_publish(self, epoch: str | None) -> bool:
        """Whether something is to be published before anything is read for this reader (J5).

        `epoch` is the worker's; None while it knows none, and then only outbox ids count.
        """
        token = self.token
        if token.outbox and self._rules.j5_outbox_id:
            return True
        foreign = epoch is not None and token.is_foreign_to(epoch)
        known = self.drained is not None and not token.is_foreign_to(self.drained)
        return token.everything or (foreign and not known and self._rules.j5_epoch)

    def is_ahead_of(self, applied: Position | None) -> bool:
        """Whether the log is still to bring what this reader has seen."""
        if applied is None or not self._rules.j5_token:
            return False
        return self.token.positions.get(applied.epoch, 0) > applied.id

    def resolve_to(self, position: Position, asked: Token) -> None:
        """Everything was published and then `position` was the head: it stands for all of it.

        `asked` is what the token was before: what the request wrote in the meantime stays.
        """
        self.token = Token.at(position).merged(self._since(asked))
        self.drained = position.epoch
        self.waited = False

    def clip(self, head: Position, asked: Token) -> bool:
        """J5: ignore a position beyond a head that was asked for now; says whether one was.

        `asked` is what the token was before the question: what was written since is beyond it.
        """
        mine = self.token.positions.get(head.epoch, 0)
        if asked.positions.get(head.epoch, 0) <= head.id or mine > asked.positions[head.epoch]:
            return False
        positions = {**self.token.positions, head.epoch: head.id}
        self.token = Token(positions, self.token.outbox, self.token.everything)
        return True

    def _since(self, asked: Token) -> Token:
        positions = {
            epoch: identifier
            for epoch, identifier in self.token.positions.items()
            if identifier > asked.positions.get(epoch, -1)
        }
        # What was written since can have made the items too many: then it is in "all". Whether it
        # did cannot be seen where "all" was asked for too; so whatever was added keeps it.
        more = self.token.everything and self.token is not asked
        return Token(positions, self.token.outbox - asked.outbox, more)
