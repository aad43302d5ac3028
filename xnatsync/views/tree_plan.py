"""What a plan says of mirrors and pushes, for people and for programs: per owner a sigil, counts and bytes.

`+` fetched or sent · `~` replaced or restored · `-` to the trash · `=` there already · `>` a folder is renamed
`?` fetched only to be compared · `!` trouble
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from xnatsync.core.wording import counted, counted_kinds, share_of_kinds, size
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.errors import error_blocks
from xnatsync.views.jsonout import error_fields
from xnatsync.views.tree_run import unplaced_cases
from xnatsync.views.troubles import Case, case_fields, trouble_blocks

if TYPE_CHECKING:
    from xnatsync.app.plan import PlanReport
    from xnatsync.core.inventory import Owner
    from xnatsync.routes.tree.mirror_plan import MirrorPlan, OwnerPlan
    from xnatsync.routes.tree.push_plan import PushPlan
    from xnatsync.routes.tree.push_step import Foreseen

_OWNERS_SHOWN = 200  # of each route; JSON has all
_TONES = {"+": Tone.GOOD, "~": Tone.WARN, "-": Tone.WARN, "=": Tone.DIM, ">": Tone.PLAIN, "?": Tone.DIM}


def tree_plan_blocks(report: PlanReport) -> Iterator[Block]:
    """Tell a person what would happen to the trees."""
    for mirror in report.mirrors:
        yield from _mirror(mirror)
    for push in report.pushes:
        yield from _push(push)


def tree_totals(report: PlanReport) -> dict[str, int]:
    """Sum over all trees."""
    steps = [step for part in report.mirrors for step in part.steps]
    pushed = [found for part in report.pushes for _, found in part.steps]
    files = [file for found in pushed for file in found.store]
    return {
        "fetch_files": sum(len(step.answer.fetch) for step in steps),
        "fetch_bytes": sum(step.bytes for step in steps),
        "trash_files": sum(step.answer.to_trash for step in steps),
        "store_files": len(files),
        "store_bytes": sum(file.size for file in files),
        "troubles": sum(trouble.person for step in steps for trouble in step.answer.troubles)
        + sum(trouble.person for found in pushed for trouble in found.troubles)
        + sum(len(part.unplaced) for part in report.pushes),
    }


def tree_closing(report: PlanReport) -> list[str]:
    """The same in parts of a sentence."""
    total = tree_totals(report)
    parts = []
    if total["fetch_files"]:
        parts.append(f"{counted(total['fetch_files'], 'file')} ({size(total['fetch_bytes'])}) to fetch")
    parts += [f"{counted(total['trash_files'], 'file')} to the trash"] if total["trash_files"] else []
    if total["store_files"]:
        parts.append(f"{counted(total['store_files'], 'file')} ({size(total['store_bytes'])}) to store")
    parts += ["nothing to fetch or to store"] if not parts else []
    return parts + ([f"{total['troubles']} in trouble"] if total["troubles"] else [])


def is_still(report: PlanReport) -> bool:
    """Return whether nothing would happen to any tree."""
    return not any(part.steps or part.errors for part in report.mirrors) and not any(
        part.steps or part.unplaced or part.astray or part.errors for part in report.pushes
    )


# --- mirrors -----------------------------------------------------------------------------------------------------


def _mirror(part: MirrorPlan) -> Iterator[Block]:
    if part.steps or part.errors:
        looked = f"{share_of_kinds(_kinds(step.owner for step in part.steps), part.owner_kinds)} would be looked at"
        yield Line(f"{part.route.name}  {part.route.folder}: {looked}", Tone.HEAD)
    moving = [step for step in part.steps if not _is_still(step)]
    for step in moving[:_OWNERS_SHOWN]:
        name = owner_words(step.owner)
        for sigil, words in _lines(step):
            yield Line(f"{sigil} {name}: {words}", _TONES[sigil], indent=2)
        cases = [Case(t.path, t.code, t.detail, t.person) for t in step.answer.troubles]
        if cases:
            yield Line(f"! {name}:", Tone.BAD if any(case.person for case in cases) else Tone.DIM, indent=2)
            yield from trouble_blocks(cases, indent=4)
    if len(moving) > _OWNERS_SHOWN:
        yield Line(f"and {len(moving) - _OWNERS_SHOWN} more (JSON has all)", Tone.DIM, indent=2)
    if still := _kinds(step.owner for step in part.steps if _is_still(step)):
        yield Line(f"= {counted_kinds(still)} only looked at: all files are the same", Tone.DIM, indent=2)
    if many := sum(step.metadata for step in part.steps):
        yield Line(f"~ {counted(many, 'metadata file')} to fetch", _TONES["~"], indent=2)
    if part.over_the_rail:
        yield Line(
            f"! that is more than max_delete = {part.route.max_delete} allows: none would be removed  [XS-MAX-DELETE]",
            Tone.BAD,
            indent=2,
        )
    for error in part.errors:
        yield from error_blocks(error)


def owner_words(owner: Owner) -> str:
    """Name an owner: `session S1_MR of P1`."""
    match owner.kind.value:
        case "project":
            return f"project {owner.project}"
        case "subject":
            return f"subject {owner.subject} of {owner.project}"
        case _:
            return f"session {owner.session} of {owner.project}"


def _lines(step: OwnerPlan) -> Iterator[tuple[str, str]]:
    """Say what would happen to an owner's files; nothing for one that is only looked at."""
    answer = step.answer
    if step.renamed:
        yield ">", "its folder would be renamed"
    sums = _sums(step)
    words = {
        "new": ("+", "to fetch"),
        "restored": ("~", "to fetch again, missing here"),
        "replaced": ("~", "to replace; the local version goes to the trash"),
        "copied": ("~", "to replace; the edit here is kept beside it"),
        "trash": ("-", "to the trash, gone from the server"),
    }
    for key, (sigil, text) in words.items():
        if sums[key][0]:
            yield sigil, f"{counted(sums[key][0], 'file')}, {size(sums[key][1])} {text}"
    if answer.adopt:
        yield "=", f"{counted(len(answer.adopt), 'file')} here already"
    if answer.probe:
        yield "?", f"{counted(len(answer.probe), 'file')} to fetch and compare: the server states no digest"


def _is_still(step: OwnerPlan) -> bool:
    return not (step.renamed or step.answer.troubles or any(_lines(step)))


def _sums(step: OwnerPlan) -> dict[str, tuple[int, int]]:
    """Return files and bytes by what would happen to them."""
    fetch = step.answer.fetch
    groups = {
        "new": [one for one in fetch if one.why == "new" and not one.copy],
        "restored": [one for one in fetch if one.why == "restored"],
        "replaced": [one for one in fetch if one.why == "replaced" and not one.copy],
        "copied": [one for one in fetch if one.copy],
    }
    sums = {key: (len(found), sum(one.file.size or 0 for one in found)) for key, found in groups.items()}
    trash = step.answer.trash
    return sums | {"trash": (len(trash), sum(base.size for base in trash))}


# --- pushes ------------------------------------------------------------------------------------------------------


def _push(part: PushPlan) -> Iterator[Block]:
    if part.steps or part.unplaced or part.astray or part.errors:
        looked = f"{counted_kinds(_kinds(owner for owner, _ in part.steps))} would be looked at"
        yield Line(f"{part.route.name}  {part.route.folder}: {looked}", Tone.HEAD)
    for owner, found in part.steps[:_OWNERS_SHOWN]:
        for sigil, words in _push_lines(found):
            yield Line(f"{sigil} {owner_words(owner)}: {words}", _TONES[sigil], indent=2)
        cases = [Case(t.path, t.code, t.detail, t.person) for t in found.troubles]
        if cases:
            yield Line(
                f"! {owner_words(owner)}:", Tone.BAD if any(case.person for case in cases) else Tone.DIM, indent=2
            )
            yield from trouble_blocks(cases, indent=4)
    if len(part.steps) > _OWNERS_SHOWN:
        yield Line(f"and {len(part.steps) - _OWNERS_SHOWN} more (JSON has all)", Tone.DIM, indent=2)
    yield from trouble_blocks(unplaced_cases(part.unplaced, part.astray), indent=2)
    for error in part.errors:
        yield from error_blocks(error)


def _push_lines(found: Foreseen) -> Iterator[tuple[str, str]]:
    if found.store:
        words = f"{counted(len(found.store), 'file')}, {size(sum(file.size for file in found.store))} to store"
        yield "+", words + (f", when {found.waits} has settled" if found.waits else "")
    if found.compare:
        yield "?", f"{counted(len(found.compare), 'file')} to fetch and compare: the server states no digest"
    if not (found.store or found.compare or found.troubles):
        yield "=", "only looked at: all files are the same"


def _kinds(owners: Iterable[Owner]) -> Counter[str]:
    return Counter(owner.kind.value for owner in owners)


# --- for programs ------------------------------------------------------------------------------------------------


def mirror_plan_fields(part: MirrorPlan) -> dict[str, object]:
    """The plan of a mirror."""
    return {
        "route": part.route.name,
        "folder": str(part.route.folder),
        "policy": part.route.policy,
        "entities": part.owners,
        "over_the_rail": part.over_the_rail,
        "steps": [_step_fields(step) for step in part.steps],
        "errors": [error_fields(error) for error in part.errors],
    }


def _step_fields(step: OwnerPlan) -> dict[str, object]:
    sums = _sums(step)
    return {
        **_owner_fields(step.owner),
        "why": step.why,
        "renamed": step.renamed,
        "metadata": step.metadata,
        "next": [{"sigil": sigil, "text": words} for sigil, words in _lines(step)],
        "fetch": [
            {"path": one.file.path, "bytes": one.file.size, "why": one.why, "copy": one.copy or None}
            for one in step.answer.fetch
        ],
        "fetch_bytes": step.bytes,
        "trash": [{"path": base.path, "bytes": base.size} for base in step.answer.trash],
        "trash_bytes": sums["trash"][1],
        "adopt": [one.file.path for one in step.answer.adopt],
        "probe": [file.path for file in step.answer.probe],
        "troubles": [case_fields(Case(t.path, t.code, t.detail, t.person), None) for t in step.answer.troubles],
    }


def push_plan_fields(part: PushPlan) -> dict[str, object]:
    """The plan of a push."""
    return {
        "route": part.route.name,
        "folder": str(part.route.folder),
        "steps": [
            {
                **_owner_fields(owner),
                "store": [{"path": file.path, "bytes": file.size} for file in found.store],
                "compare": [file.path for file in found.compare],
                "waits": found.waits or None,
                "troubles": [case_fields(Case(t.path, t.code, t.detail, t.person), None) for t in found.troubles],
            }
            for owner, found in part.steps
        ],
        "unplaced": [case_fields(case, None) for case in unplaced_cases(part.unplaced, part.astray)],
        "errors": [error_fields(error) for error in part.errors],
    }


def _owner_fields(owner: Owner) -> dict[str, object]:
    return {
        "kind": owner.kind.value,
        "project": owner.project,
        "server_id": owner.id,
        "subject": owner.subject,
        "session": owner.session,
    }
