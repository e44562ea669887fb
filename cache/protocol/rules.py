"""Every rule of the protocol, with a switch: the simulator and the races turn one off at a time.

The names are those of `docs/protocol.md`. A running application has all of them on: a switch is
there so that a test can show what its rule is for. Rules that live in code of the application
(W3, W4, F4) are switched off in the tests' own writers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules are obeyed. `ALL` is what everybody uses; `without` is for tests."""

    # ---- writing ----
    w1_outbox: bool = True
    """The tags of a write are committed with it, so a purge outlives the process."""
    w1_epoch: bool = True
    """A row that is published under another epoch goes out again under this one."""
    w1_mark: bool = True
    """A row is marked with the epoch that the purge's answer named, not with the worker's."""
    w1_looked: bool = True
    """When no relay looked for half as long as rows are kept, a new epoch begins."""
    w1_begun: bool = True
    """A look at the outbox is as old as its begin."""
    w1_left: bool = True
    """... and leaves no row to anybody that was published under another epoch."""
    w2_epoch: bool = True
    """A purge that finds no log begins a new epoch."""
    w2_incarnation: bool = True
    """A purge compares the server's incarnation with the epoch's."""
    w5_position: bool = True
    """An answer's token holds the positions of the request's own purges."""
    w5_outbox_id: bool = True
    """... and the outbox ids of those that are not published."""
    w5_applied: bool = True
    """... and how far the worker had followed the log."""
    w5_heads: bool = True
    """... and the heads of the request's look-ups."""
    w5_used: bool = True
    """... and the newest position of what it used."""
    w6_replay: bool = True
    """Whoever repeats what another did publishes that one's purge before it answers."""

    # ---- following the log ----
    f1_atomic: bool = True
    """`since` is set before `applied`."""
    f1_predecessor: bool = True
    """A purge is applied only when the one before it was."""
    f2_current: bool = True
    """A worker that heard nothing for half of the staleness bound uses nothing local."""
    f2_join: bool = True
    """... nor joins another's load by what it knows."""
    f2_sent: bool = True
    """An answer is as old as its request."""
    f2_whole: bool = True
    """An answer counts only when everything up to its head is applied."""
    f2_drain: bool = True
    """A worker that had lost the server drains the outbox before it trusts it again."""
    f3_no_log: bool = True
    """A look-up or a follower that finds no log begins a new epoch."""
    f3_incarnation: bool = True
    """... or that finds another incarnation of the server than the epoch's."""
    f3_behind: bool = True
    """A head that is behind `applied` begins a new epoch."""
    f3_reset: bool = True
    """A changed epoch or a gap resets the worker's view."""

    # ---- loading and filling ----
    l0_transaction: bool = True
    """Nothing is looked up, joined or filled inside an open write transaction."""
    l0_barrier: bool = True
    """Look-ups below a load meet the barrier of whoever started it."""
    l1_stamp: bool = True
    """A load's position is known before its first read."""
    l1_epoch: bool = True
    """... and so is its epoch."""
    l2_memory: bool = True
    """A row that a loader hands out again is as old as its batch."""
    l2_nested: bool = True
    """A cached value inside a load brings its own dependencies."""
    l2_epochs: bool = True
    """What was read under two epochs is neither stored nor shared."""
    l3_at_head: bool = True
    """A missing watermark is created at the head."""
    l4_clean: bool = True
    """A flight's result is taken only if it is clean then."""
    l4_barrier: bool = True
    """... and the worker has followed the log past the reader's barrier."""
    l5_began: bool = True
    """Refreshes and late loads are stored with the position at which they began."""

    # ---- judging ----
    clean_epoch: bool = True
    """A clean entry is of the worker's epoch,"""
    clean_horizon: bool = True
    """... not older than the horizon,"""
    clean_since: bool = True
    """... and not older than the newest purge of any of its tags."""
    j2_epoch: bool = True
    """Whether an entry was judged already compares epochs too."""
    j2_never: bool = True
    """An entry that is stored in memory has never been judged."""
    j3_epoch: bool = True
    """A verdict of the server holds for entries of the server's epoch."""
    j3_mark: bool = True
    """An entry that is older than a watermark is a miss."""
    j3_head: bool = True
    """A verdict of the server holds as of the head that came with it."""
    j4_missing: bool = True
    """A missing watermark means invalid."""
    j5_token: bool = True
    """A token's position ahead of `applied` is not judged locally."""
    j5_outbox_id: bool = True
    """A token's outbox id is published before its reader is answered."""
    j5_bypass: bool = True
    """What cannot be resolved bypasses every cache."""
    j5_keep: bool = True
    """... and stays in the token."""
    j5_epoch: bool = True
    """A position of another epoch than the verdict's is not ignored."""
    j5_drain: bool = True
    """... the outbox is drained first,"""
    j5_head: bool = True
    """... and then a head is asked for."""
    j5_answer: bool = True
    """... and a verdict in another epoch than the drain's is a miss."""
    j6_strict: bool = True
    """A strict read is judged as of a head asked for after the reader came."""
    j7_purged: bool = True
    """A purged entry is not served because it is only a little old."""

    def without(self, *names: str) -> Rules:
        """These rules with some off, by name. Raises `ValueError` for a name that is none."""
        known = {field.name for field in fields(self)}
        if unknown := sorted(set(names) - known):
            raise ValueError(f"no such rule: {', '.join(unknown)}; there are {sorted(known)}")
        return replace(self, **dict.fromkeys(names, False))


ALL = Rules()
