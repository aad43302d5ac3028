"""Effects on a server: announced in one transaction, done, and recorded in another, whatever becomes of them.

The one place that opens and closes an attempt or a deed, and the one table of what a failure says about its effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from xnatsync.core.errors import (
    DiskError,
    Disposition,
    ForeignContent,
    LedgerError,
    SourceError,
    Stopped,
    XnatsyncError,
)
from xnatsync.core.inventory import ResourceKey
from xnatsync.engine.context import Context
from xnatsync.engine.result import Result
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.rows import AttemptRow, Outcome
from xnatsync.ledger.tree_rows import DeedRow

Deeds = tuple[DeedRow, ...]
Row = TypeVar("Row", AttemptRow, DeedRow, Deeds)

_OURS = (SourceError, DiskError, LedgerError, Stopped)  # we broke it off: what came so far may be digested
_GRAVITY = [
    Disposition.BUG,
    Disposition.PERSON,
    Disposition.REFUSED,
    Disposition.PAUSE,
    Disposition.LOOK,
    Disposition.RETRY,
]


def outcome_of(failures: Sequence[XnatsyncError]) -> Outcome:
    """Return what an effect came to, by all that failed in it.

    `unknown`: it may have happened, or a part of it, and may still land.  `refused`: the server said no, and so it will
    again.  `failed`: the server said that it did not do it.
    """
    if not failures:
        return "ok"
    if any(failure.disposition is Disposition.LOOK or isinstance(failure, _OURS) for failure in failures):
        return "unknown"
    gravest = gravest_of(failures)
    refused = gravest.disposition is Disposition.REFUSED or isinstance(gravest, ForeignContent)
    return "refused" if refused else "failed"


def gravest_of(failures: Sequence[XnatsyncError]) -> XnatsyncError:
    """Return the failure that the others do not matter beside."""
    return min(failures, key=lambda failure: _GRAVITY.index(failure.disposition))


class Effect(Protocol[Row]):
    """What is about to be done, and how the ledger keeps it."""

    @property
    def name(self) -> str:
        """Return what kind of effect it is."""
        ...

    def announce(self, context: Context, request_id: str, quiet_at: str) -> Row:
        """Write down that it is about to be done; until `quiet_at` a late effect may still land."""
        ...

    def record(
        self, context: Context, row: Row, outcome: Outcome, failure: XnatsyncError | None, quiet_at: str | None
    ) -> None:
        """Write down how it ended."""
        ...


@dataclass(frozen=True, slots=True)
class OnUnit:
    """An effect for a unit: `import`, `build`, `commit`, `attach`."""

    name: str
    unit_id: int
    detail: str
    before: tuple[str, ...] = ()  # prearchive rows of the study that are there already
    keys: Sequence[str] = ()  # what is sent

    def announce(self, context: Context, request_id: str, quiet_at: str) -> AttemptRow:
        """Open an attempt; the first of a unit takes the lease on its target."""
        return context.ledger.open_attempt(
            self.unit_id, run_id=context.run_id, effect=self.name, request_id=request_id, now=context.now(),
            quiet_at=quiet_at, before=self.before, keys=self.keys, detail=self.detail,
        )  # fmt: skip

    def record(
        self, context: Context, row: AttemptRow, outcome: Outcome, failure: XnatsyncError | None, quiet_at: str | None
    ) -> None:
        """Close the attempt; what fails waits longer each time."""
        if failure is None:
            context.ledger.close_attempt(row.id, outcome=outcome, now=context.now())
            return
        context.ledger.close_attempt(
            row.id, outcome=outcome, now=context.now(), http=failure.http, code=failure.code, detail=str(failure),
            quiet_at=quiet_at, retry_after_s=failure.retry_after_s,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnFile:
    """A store of one file in a resource."""

    owner_id: int
    key: ResourceKey
    file: str
    sha256: bytes
    name: str = "store"

    def announce(self, context: Context, request_id: str, quiet_at: str) -> DeedRow:
        """Open a deed."""
        return context.ledger.begin_deed(
            self.owner_id, self.key, self.file, run_id=context.run_id, sha256=self.sha256, request_id=request_id,
            now=context.now(), quiet_at=quiet_at,
        )  # fmt: skip

    def record(
        self, context: Context, row: DeedRow, outcome: Outcome, failure: XnatsyncError | None, quiet_at: str | None
    ) -> None:
        """Close the deed."""
        code = failure.code if failure is not None else None
        context.ledger.end_deed(row.id, outcome=outcome, now=context.now(), code=code, quiet_at=quiet_at)


@dataclass(frozen=True, slots=True)
class OnFiles:
    """A store of several files of a resource in one request: a deed for each of them, opened and closed together.

    What the effect adds to `left` was there and was left alone: that is no store, and the others are none the worse.
    """

    owner_id: int
    key: ResourceKey
    files: Sequence[tuple[str, bytes]]  # name and SHA-256
    left: set[str] = field(default_factory=set)
    name: str = "store"

    def announce(self, context: Context, request_id: str, quiet_at: str) -> Deeds:
        """Open the deeds: the first has the name of the request, the others are told apart by their number in it."""
        return tuple(
            OnFile(self.owner_id, self.key, name, sha256).announce(
                context, f"{request_id}/{number}" if number else request_id, quiet_at
            )
            for number, (name, sha256) in enumerate(self.files)
        )

    def record(
        self, context: Context, row: Deeds, outcome: Outcome, failure: XnatsyncError | None, quiet_at: str | None
    ) -> None:
        """Close the deeds in one transaction."""
        code = failure.code if failure is not None else None
        with context.ledger.write():
            for deed in row:
                is_left = failure is None and deed.name in self.left
                context.ledger.end_deed(
                    deed.id, outcome="refused" if is_left else outcome, now=context.now(),
                    code=ForeignContent.code if is_left else code, quiet_at=quiet_at,
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnThing:
    """A change of an entity of a transfer, or of a part or resource of it, that stores no file.

    `noted` is called in the transaction that announces: what is written down there belongs to it.
    """

    owner_id: int
    key: ResourceKey  # the part, and the label of a resource
    name: str  # begins with a slash, as no file does: `/create`, `/fields`…
    digest: bytes  # SHA-256 of what is sent
    noted: Callable[[], None] = lambda: None

    def announce(self, context: Context, request_id: str, quiet_at: str) -> DeedRow:
        """Open a deed."""
        self.noted()
        return OnFile(self.owner_id, self.key, self.name, self.digest).announce(context, request_id, quiet_at)

    def record(
        self, context: Context, row: DeedRow, outcome: Outcome, failure: XnatsyncError | None, quiet_at: str | None
    ) -> None:
        """Close the deed."""
        OnFile(self.owner_id, self.key, self.name, self.digest).record(context, row, outcome, failure, quiet_at)


@dataclass(frozen=True, slots=True)
class OnResource:
    """A store of files of a resource in as many requests as it takes: a deed for each, announced together.

    `ended` is filled meanwhile with what became of files by themselves; the others share the end of the whole.
    """

    owner_id: int
    key: ResourceKey
    files: Sequence[tuple[str, bytes]]  # name, and what a store of it is known again by
    ended: dict[str, tuple[Outcome, str | None]] = field(default_factory=dict)  # by name: outcome and code
    name: str = "store"

    def announce(self, context: Context, request_id: str, quiet_at: str) -> Deeds:
        """Open the deeds."""
        return OnFiles(self.owner_id, self.key, self.files).announce(context, request_id, quiet_at)

    def record(
        self, context: Context, row: Deeds, outcome: Outcome, failure: XnatsyncError | None, quiet_at: str | None
    ) -> None:
        """Close the deeds in one transaction; what is quiet at once may not land any more."""
        code = failure.code if failure is not None else None
        with context.ledger.write():
            for deed in row:
                how, why = self.ended.get(deed.name, (outcome, code))
                until = context.in_seconds(0) if how != "unknown" else quiet_at
                context.ledger.end_deed(deed.id, outcome=how, now=context.now(), code=why, quiet_at=until)


@dataclass(frozen=True, slots=True)
class Attempt(Generic[Row]):
    """One effect: announced, done and recorded once."""

    context: Context
    effect: Effect[Row]
    quiet_s: float  # how long a late effect of it may still land

    def carry_out(
        self, act: Callable[[Row], Sequence[XnatsyncError]], unless: Callable[[], Result | None] = lambda: None
    ) -> Result | None:
        """Do it; return what `unless` says, and nothing is announced, where that says something.

        `unless` is asked in the transaction that announces.  `act` returns what failed, or raises it; the gravest
        failure is raised when all of it is recorded.
        """
        context = self.context
        with context.ledger.write():
            if (instead := unless()) is not None:
                return instead
            row = self.effect.announce(context, context.ids.request_id(), context.in_seconds(self.quiet_s))
        try:
            failures = act(row)
        except XnatsyncError as error:
            failures = [error]
        outcome = outcome_of(failures)
        if not failures:
            self.effect.record(context, row, outcome, None, None)
            return None
        gravest = gravest_of(failures)
        quiet_at = context.in_seconds(self.quiet_s) if outcome == "unknown" else None
        self.effect.record(context, row, outcome, gravest, quiet_at)
        gravest.effect = self.effect.name
        raise gravest


def close_cut(ledger: Ledger, now: str, quiet_at: Callable[[AttemptRow], str]) -> Iterator[AttemptRow]:
    """Close what a killed run left open, and yield each attempt: nobody knows its end, and it was no failure.

    The quiet time begins now: when the process died, the server may still have been reading.
    """
    ledger.end_cut_deeds(now)
    for attempt in ledger.open_attempts():
        ledger.close_attempt(
            attempt.id, outcome="unknown", now=now, detail="the process ended before the answer",
            quiet_at=quiet_at(attempt), counts=False,
        )  # fmt: skip
        yield attempt


def close_cut_deeds(context: Context) -> None:
    """Close the deeds that a killed run left open: nobody knows their end, and their quiet time begins now."""
    context.ledger.end_cut_deeds(context.now())
