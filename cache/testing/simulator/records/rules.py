"""What a write-behind does to keep its promises, each with a switch: off, a promise is broken."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class RecordRules:
    """The numbers are those of the interleavings in `docs/write-behind.md`."""

    trim_look: bool = True
    """1. A rebuild looks at `trimmed_to`."""
    tail_inside: bool = True
    """2. The tail is added inside the script that stores the live value."""
    token: bool = True
    """3. A commit is on condition of the token."""
    turns: bool = True
    """3. Flushes of one worker, whose token is the same, take turns."""
    one_transaction: bool = True
    """4. Rows and progress are of one transaction."""
    live_reads: bool = True
    """5. Reads come from the live value."""
    incarnation: bool = True
    """6. Live values are tied to the incarnation of the server."""
    raised_ids: bool = True
    """7. Ids go on from where SQL is."""
    fence: bool = True
    """8. Opening the stream voids every lease."""
    fence_revises: bool = True
    """And raises the revision: a snapshot from before is not stored after it."""
    new_epoch: bool = True
    """9. An emptied server begins another epoch, which starts from nothing."""
    closed: bool = True
    """Scripts refuse until the stream is open in this incarnation."""
    same_incarnation: bool = True
    """The stream is opened in the incarnation that was seen before SQL was fenced, or not."""
    trim_epoch: bool = True
    """A trim removes only from the stream that it is about."""
    trim_committed: bool = True
    """A trim removes what is committed, no more."""
    atomic_append: bool = True
    """The stream and the live value are changed in one step."""
    outcome: bool = True
    """After a commit of unknown outcome the progress is read again."""
    one_look: bool = True
    """Values and progress are of one state of SQL."""
    parked_counted: bool = True
    """What is parked is part of a record's value."""
    parked_follow: bool = True
    """Operations on a parked key are parked, too."""
    revised: bool = True
    """What changes SQL past the stream raises the revision."""
    past_locked: bool = True
    """And does so first, which holds the row of progress until it has ended."""
    compared: bool = True
    """A rebuild compares the snapshot's revision with the one that the server knows."""
    told: bool = True
    """The server is told of a new revision."""
    only_unsent: bool = True
    """An operation is applied directly only if nothing was sent."""
    once: bool = True
    """The script that appends keeps the idempotency key."""

    def without(self, *names: str) -> RecordRules:
        """These rules without some. Raises `TypeError` for a name that there is not."""
        return replace(self, **dict.fromkeys(names, False))


ALL_KEPT = RecordRules()


def rule_names() -> list[str]:
    """Every rule."""
    return [each.name for each in fields(RecordRules)]
