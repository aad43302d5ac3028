"""What a command changed on a server, or would change: one shape for all of them, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Line, Tone

if TYPE_CHECKING:
    from xnatsync.services.projects import Holding

PLANNED, DONE, ALREADY, SKIPPED, FAILED = "planned", "done", "already", "skipped", "failed"
_PAST: Final = {
    "create": "created", "delete": "deleted", "rename": "renamed", "merge": "merged", "share": "shared",
    "unshare": "taken out", "move": "moved", "set": "set", "grant": "granted", "revoke": "revoked",
}  # fmt: skip
_TONES: Final = {
    PLANNED: Tone.PLAIN, DONE: Tone.GOOD, ALREADY: Tone.DIM, SKIPPED: Tone.WARN, FAILED: Tone.BAD,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is changed.  `before` and `after` are labels, projects or values, as the deed says."""

    deed: str
    kind: str
    id: str = ""
    label: str = ""
    project: str = ""
    before: str = ""
    after: str = ""
    outcome: str = DONE
    reason: str = ""
    code: str | None = None

    def as_(self, outcome: str) -> Change:
        """Return the same with another outcome."""
        return replace(self, outcome=outcome)

    @property
    def is_failure(self) -> bool:
        """Return whether what was asked for is not so."""
        return self.outcome in {SKIPPED, FAILED}


def deletion_of(held: Holding) -> Change:
    """Return the deletion of a project, with what goes with it."""
    stays = f"; {counted(held.shown, 'item')} of other projects, which it only shows, stay there" if held.shown else ""
    return Change("delete", "project", held.id, held.name, held.id, reason=f"with {held.words}{stays}")


def change_fields(changes: Sequence[Change], *, dry_run: bool) -> dict[str, object]:
    """Return them for programs."""
    return {"dry_run": dry_run, "changes": [asdict(change) for change in changes]}


def change_blocks(changes: Iterable[Change], *, dry_run: bool = False) -> Iterator[Block]:
    """Tell them to a person, a line each."""
    for change in changes:
        yield Line(f"{_word(change)}: {_what(change)}", _TONES[change.outcome], hang=2)
    if dry_run:
        yield Line("nothing was changed", Tone.DIM)


def _word(change: Change) -> str:
    past = _PAST[change.deed]
    words = {PLANNED: f"to be {past}", DONE: past, ALREADY: f"already {past}"}
    return words.get(change.outcome, f"not {past}")


def _what(change: Change) -> str:
    name = change.label or change.id
    number = f" ({change.id})" if change.id and change.id != name else ""
    place = f" of project {change.project}" if change.project and change.kind != "project" else ""
    steps = {(True, True): f" from {change.before} to {change.after}", (False, True): f" to {change.after}"}
    step = steps.get((bool(change.before), bool(change.after)), f" from {change.before}" if change.before else "")
    reason = f": {change.reason}" if change.reason else ""
    return f"{change.kind} {name}{number}{place}{step}{reason}"
