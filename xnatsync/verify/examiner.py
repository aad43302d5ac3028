"""What a verification works with: the ports, the ledger, and nothing that could change a server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from xnatsync.core.errors import Stopped
from xnatsync.core.verification import Depth, Looked, Repair, Target, Verdict
from xnatsync.engine.context import Context
from xnatsync.ledger.tree_rows import NewAudit
from xnatsync.ledger.tree_rows import Verdict as Word
from xnatsync.ports.drop import Disk, Xnat
from xnatsync.ports.tree import Archive, TreeDisk

_WORDS: dict[Verdict, Word] = {
    Verdict.SAME: "same",
    Verdict.MISSING: "missing",
    Verdict.DIFFERS: "differs",
    Verdict.EXTRA: "extra",
    Verdict.UNREADABLE: "unreadable",
    Verdict.UNVERIFIABLE: "unverifiable",
}  # as the ledger writes them
AUDITS_AT_ONCE = 500  # rows that are written to the ledger in one transaction


@dataclass(slots=True, kw_only=True)
class Looking(Context):
    """Everything that a verification works with."""

    disk: Disk
    trees: TreeDisk
    server: Callable[[str], Xnat]
    archive: Callable[[str], Archive]
    alone: bool = True  # nobody else works with the ledger meanwhile
    beside: frozenset[int] = frozenset()  # the runs that had not ended when this one began
    _rows: list[NewAudit] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check_stop(self) -> None:
        """Raise Stopped when we are asked to stop."""
        if self.stopping():
            raise Stopped("verifying was interrupted by a request to stop")

    def others_at_work(self) -> bool:
        """Return whether a run beside us may have changed what we look at."""
        return not self.alone and self.ledger.others_at_work(self.run_id, self.beside)

    def digested(self, pieces: Iterator[bytes], told: Callable[[int], None] = lambda size: None) -> Digested:
        """Watch what passes through; Stopped in the middle of it when we are asked to stop."""
        return Digested(pieces, self.check_stop, told)

    def audit(self, looked: Looked, kind: str) -> None:
        """Write down what was found: every finding, and one row for the target as a whole; some at a time."""
        rows = list(_rows_of(looked, kind))
        with self._lock:
            self._rows += rows
        if len(self._rows) >= AUDITS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write down what is still to be written."""
        with self._lock:
            rows, self._rows = self._rows, []
        for first in range(0, len(rows), AUDITS_AT_ONCE):
            self.ledger.add_audits(self.run_id, rows[first : first + AUDITS_AT_ONCE], self.now())


class Digested:
    """A stream that is digested while somebody reads it."""

    def __init__(self, pieces: Iterator[bytes], check_stop: Callable[[], None], told: Callable[[int], None]) -> None:
        self._pieces, self._check_stop, self._told = pieces, check_stop, told
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        """Pass the stream on."""
        for piece in self._pieces:
            self._check_stop()
            self._sha256.update(piece)
            self._md5.update(piece)
            self.size += len(piece)
            self._told(len(piece))
            yield piece

    def drain(self) -> Digested:
        """Read it to its end, for its digests alone."""
        for _ in self:
            pass
        return self

    @property
    def sha256(self) -> str:
        """Of what has passed, in lower-case hex."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        """Of what has passed, in lower-case hex."""
        return self._md5.hexdigest()


class Examiner(Protocol):
    """Knows how the targets of one route are verified, and mended."""

    kind: str  # "unit" or "owner": what the numbers of its targets are
    depth: Depth

    def targets(self) -> list[Target]:
        """List what could be verified; FolderMissing when the disk is not the one we know."""
        ...

    def prepare(self, chosen: list[Target]) -> None:
        """Is told what will be verified, before the first of it is."""
        ...

    def examine(self, target: Target) -> Looked:
        """Look at both sides of one target, and change nothing."""
        ...

    def again(self, target: Target) -> Looked:
        """Look anew at all of a target, as a run beside us may have changed it since the first look.

        What that run has announced, and may be at this very moment, is unverifiable.
        """
        ...

    def aside(self) -> list[Looked]:
        """Say what belongs to no target: asked once, and only when everything is verified."""
        ...

    def note(self, looked: Looked) -> None:
        """Is told what was seen of a target; may note in the ledger that the next run looks at it."""
        ...

    def mend(self, looked: Looked, *, rehearse: bool) -> list[Repair]:
        """Make due what can be mended, or say what would be; never changes a server."""
        ...


def _rows_of(looked: Looked, kind: str) -> Iterator[NewAudit]:
    target = looked.target
    first = target.ids[0] if target.ids else None
    unit_id, owner_id = (first, None) if kind == "unit" else (None, first)
    extra = [finding for finding in looked.findings if finding.verdict is Verdict.EXTRA]
    if extra:  # no difference, and perhaps very many
        more = f" and {len(extra) - 1} more" if len(extra) > 1 else ""
        yield NewAudit(
            target.name, str(looked.depth.server), _WORDS[Verdict.EXTRA], key=extra[0].key or "*",
            detail=f"{extra[0].side}: {extra[0].detail}{more}", route=target.route, unit_id=unit_id, owner_id=owner_id,
        )  # fmt: skip
    for finding in looked.findings:
        if finding.verdict is Verdict.EXTRA:
            continue
        level = looked.depth.server if finding.side == "server" else looked.depth.local
        yield NewAudit(
            target.name, str(level), _WORDS[finding.verdict], key=finding.key or "*",
            detail=f"{finding.side}: {finding.detail}" if finding.detail else finding.side,
            route=target.route, unit_id=unit_id, owner_id=owner_id,
        )  # fmt: skip
    for number in target.ids:
        unit_id, owner_id = (number, None) if kind == "unit" else (None, number)
        yield NewAudit(
            target.name, str(looked.depth), _WORDS[looked.verdict], detail=counts_in_words(looked.counts()),
            route=target.route, unit_id=unit_id, owner_id=owner_id,
        )  # fmt: skip


def counts_in_words(counts: Mapping[Verdict, int]) -> str:
    """Say counts in one line: `12 same, 1 missing`."""
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "nothing"
