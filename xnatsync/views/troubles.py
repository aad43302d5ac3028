"""What is not in agreement in a tree, for people: many of a kind are one line, with a few examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnatsync.core.advice import advice_of
from xnatsync.core.moment import clock_words
from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Line, Tone

if TYPE_CHECKING:
    from xnatsync.ledger.tree_rows import OwnerRow, UnplacedRow

_PATHS_SHOWN = 3  # of each kind; JSON has all
_OWNERS_SHOWN = 20


@dataclass(slots=True)
class Kind:
    """All that is in trouble for one reason."""

    code: str
    detail: str
    person: bool
    many: int = 0
    paths: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing in trouble, of a plan or of the ledger.  `path` is "" for a whole owner, or for many files at once."""

    path: str
    code: str
    detail: str
    person: bool
    owner: int = 0
    many: int = 1  # files; of very many some are cases of their own, and the number of all is in one without a path


def kinds(cases: Iterable[Case]) -> list[Kind]:
    """Sum them up by reason, those that wait for a person first.

    Of an owner with very many of a kind the ledger tells some, and the number of all of them in a case without a path.
    """
    found: dict[tuple[bool, str, str], Kind] = {}
    listed: dict[tuple[int, str], list[Case]] = {}
    for case in cases:
        listed.setdefault((case.owner, case.code), []).append(case)
    for group in listed.values():
        total = [case for case in group if not case.path and case.many > 1]
        named = [case for case in group if case not in total]
        for case in named:
            kind = found.setdefault(
                (not case.person, case.code, case.detail), Kind(case.code, case.detail, case.person)
            )
            kind.many += 1
            kind.paths.append(case.path)
        for case in total if named else ():
            first = named[0]
            found[not first.person, first.code, first.detail].many += case.many - len(named)
    return [found[key] for key in sorted(found)]


def trouble_blocks(cases: Iterable[Case], indent: int) -> Iterator[Block]:
    """Say what is in trouble, why, and what to do."""
    for kind in kinds(cases):
        paths = [path for path in kind.paths if path][:_PATHS_SHOWN]
        rest = kind.many - len(paths)
        more = f" and {rest} more" if rest > 0 and paths else ""
        where = f": {', '.join(paths)}{more}" if paths else ""
        tone = Tone.BAD if kind.person else Tone.DIM
        sigil = "!" if kind.person else "-"
        yield Line(f"{sigil} {counted(kind.many, 'file')}: {kind.detail}  [{kind.code}]{where}", tone, indent)
        if advice := advice_of(kind.code):
            yield Line(f"what to do: {advice}", Tone.PLAIN if kind.person else Tone.DIM, indent + 2, hang=12)


def owner_name(row: OwnerRow) -> str:
    """Name an owner as people know it: `session S1_MR of P1 (o7)`."""
    match row.kind:
        case "project":
            return f"project {row.project} (o{row.id})"
        case "subject":
            return f"subject {row.subject} of {row.project} (o{row.id})"
        case _:
            return f"session {row.session} of {row.project} (o{row.id})"


def held_blocks(owners: Sequence[OwnerRow], troubled: Iterable[int], indent: int) -> Iterator[Block]:
    """Say which owners do not move and why, but for those whose troubles were told."""
    told = set(troubled)
    held = [row for row in owners if row.hold is not None and not (row.hold == "person" and row.id in told)]
    for row in held[:_OWNERS_SHOWN]:
        person = row.hold == "person"
        tone = Tone.BAD if person else Tone.WARN
        yield Line(f"! {owner_name(row)}: {row.detail}  [{row.code}]", tone, indent)
        if person:
            yield Line(f"what to do: {row.advice or ''}", indent=indent + 2, hang=12)
        else:
            yield Line(f"the next sync after {clock_words(row.retry_at or '')} tries again", indent=indent + 2)
    if len(held) > _OWNERS_SHOWN:
        yield Line(f"and {len(held) - _OWNERS_SHOWN} more that are held (JSON has all)", Tone.DIM, indent)


def owner_fields(row: OwnerRow) -> dict[str, object]:
    """The facts of an owner."""
    return {
        "id": row.id,
        "route": row.route,
        "kind": row.kind,
        "project": row.project,
        "server_id": row.server_id,
        "subject": row.subject,
        "session": row.session,
        "phase": row.phase,
        "hold": row.hold,
        "code": row.code,
        "detail": row.detail,
        "advice": row.advice,
        "retry_at": row.retry_at,
        "seen_at": row.seen_at,
        "agreed_at": row.agreed_at,
        "gone_at": row.gone_at,
    }


def unplaced_case(row: UnplacedRow) -> Case:
    """Return a file of a push that nobody owns in the same form."""
    return Case(row.path, row.code, row.detail, row.person, many=row.many)


def case_fields(case: Case, since: str | None) -> dict[str, object]:
    """The facts of one trouble."""
    return {
        "entity": case.owner or None,
        "path": case.path,
        "code": case.code,
        "detail": case.detail,
        "person": case.person,
        "files": case.many,
        "advice": advice_of(case.code) or None,
        "since": since,
    }
