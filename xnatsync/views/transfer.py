"""Transfers, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from xnatsync.app.transfer_legs import folder_fields
from xnatsync.app.transfer_plan import due, step_digest
from xnatsync.core.moment import clock_words
from xnatsync.core.wording import counted
from xnatsync.routes.transfer.wanted import CarryFiles, Change, Create, Effect, ImportFiles
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.certificate import row_fields, side_fields
from xnatsync.views.jsonout import error_fields

if TYPE_CHECKING:
    from xnatsync.app.transfer import TransferReport, Transfers
    from xnatsync.ledger.certificates import CertificateRow
    from xnatsync.ledger.counterparts import TransferRunRow
    from xnatsync.routes.transfer.run import TransferPlan, TransferRun

_SHOWN_MAX: Final = 20
_MOVED: Final = ("files", "bytes", "created", "changed", "lost")
_WORDS: Final = {"subjects": "subject", "experiments": "session"}


def counts_fields(done: TransferRun) -> dict[str, dict[str, int]]:
    """Count subjects and experiments as programs for xnatctl want it."""
    fates = {"synced": done.synced, "failed": done.failed, "skipped": done.skipped}
    return {name: {fate: kinds.get(kind, 0) for fate, kinds in fates.items()} for name, kind in _WORDS.items()}


def transfer_fields(report: TransferReport, code: int) -> dict[str, object]:
    """A run, for programs."""
    done = report.done
    return {
        "dry_run": False,
        "route": report.route,
        "outcome": report.ended,
        "exit_code": code,
        "source": side_fields(report.source),
        "destination": side_fields(report.destination),
        **counts_fields(done),
        "entities": done.owners,
        "looked_at": done.due,
        "counts": dict(done.counts),
        "held": [
            {"entity": row.server_id, "kind": row.kind, "label": _name(row), "code": row.code, "text": row.detail}
            for row in report.held
        ],
        "troubles": [
            {
                "entity": report.names[one.owner_id].server_id if one.owner_id in report.names else None,
                "label": _name(report.names[one.owner_id]) if one.owner_id in report.names else "",
                "path": one.path, "code": one.code, "text": one.detail, "asks": one.person, "count": one.many,
            }
            for one in report.troubles
        ],
        "not_done": [{"label": label, "why": why} for label, why in report.not_done],
        "errors": [error_fields(error) for error in report.all_errors],
        "certificate": (
            {"outcome": report.outcome, "path": report.certificate, "new": report.signed is not None}
            if report.certificate is not None
            else None
        ),
        "folder": folder_fields(report.folder) if report.folder is not None else None,
        "elapsed_s": round(report.elapsed_s, 3),
    }  # fmt: skip


def transfer_blocks(report: TransferReport) -> Iterator[Block]:
    """A run, for a person."""
    done = report.done
    there = f"{report.destination.project} of {report.destination.server}"
    yield Line(f"project {report.source.project} of {report.source.server} to {there}: {report.ended}", _tone(report))
    for name, counts in counts_fields(done).items():
        told = ", ".join(f"{many} {fate}" for fate, many in counts.items())
        yield Line(f"{name}: {told}", indent=2)
    if moved := [f"{done.counts[name]} {name}" for name in _MOVED if name in done.counts]:
        yield Line(", ".join(moved), indent=2)
    told_of = [(_name(row), row.code or "", row.detail or "") for row in report.held]
    told_of += [
        (f"{_name(report.names[one.owner_id])} {one.path}".strip(), one.code, one.detail)
        for one in report.troubles
        if one.owner_id in report.names
    ]
    for what, code, text in told_of[:_SHOWN_MAX]:
        yield Line(f"{what}: {text} [{code}]", Tone.WARN, indent=2, hang=4)
    if len(told_of) > _SHOWN_MAX:
        yield Line(f"and {len(told_of) - _SHOWN_MAX} more: `-o json` shows all", Tone.DIM, indent=2)
    for label, why in report.not_done:
        yield Line(f"not done: {label}: {why}", Tone.WARN, indent=2, hang=4)
    for error in report.all_errors:
        yield Line(f"{error} [{error.code}]", Tone.BAD, indent=2, hang=4)
        yield Line(f"what to do: {error.remedy}", indent=4, hang=4)
    if report.certificate is not None:
        when = "" if report.signed is not None else ", of an earlier run: nothing changed since"
        tone = Tone.GOOD if report.outcome == "complete" else Tone.BAD
        yield Line(f"certificate: {report.outcome}, {report.certificate}{when}", tone, hang=4)
    if report.folder is not None and report.folder.manifest.is_sealed:
        yield Line(f"folder sealed at {report.folder.manifest.sealed_at}: {report.folder.manifest.digest}", hang=4)
    elif report.folder is not None:
        yield Line("the folder is not finished: the same command goes on with it", Tone.BAD)


def _tone(report: TransferReport) -> Tone:
    return Tone.GOOD if report.exit_code == 0 else Tone.BAD


def _name(row: Any) -> str:
    return str(row.session or row.subject or row.server_id)


# --- plans -------------------------------------------------------------------------------------------------------


def plan_fields(transfers: Transfers, plan: TransferPlan, code: int) -> dict[str, object]:
    """A plan, for programs, and for `--plan`."""
    return {
        "dry_run": True,
        "route": transfers.route,
        "exit_code": code,
        "source": side_fields(transfers.ends.source.side()),
        "destination": side_fields(transfers.ends.destination.side()),
        "settings": transfers.settings(),
        "files": plan.files,
        "bytes": plan.bytes,
        "agreed": plan.agreed,
        "left_out": plan.unselected,
        "steps": [
            {
                "kind": owner.kind.value,
                "source_id": owner.id,
                "label": owner.session or owner.subject or owner.id,
                "digest": step_digest(wanted),
                "effects": [_effect(effect) for effect in wanted.effects],
            }
            for _, owner, wanted in due(plan)
        ],
        "troubles": [
            {"label": label, "path": one.path, "code": one.code, "text": one.detail, "asks": one.person}
            for label, one in _troubles(plan)
        ],
        "errors": [error_fields(error) for error in plan.errors],
    }  # fmt: skip


def _troubles(plan: TransferPlan) -> Iterator[tuple[str, Any]]:
    for one in plan.troubles:
        yield plan.route.project, one
    for owner, wanted in plan.steps:
        for one in wanted.troubles:
            yield owner.session or owner.subject or owner.id, one


def _effect(effect: Effect) -> dict[str, object]:
    """What is done, with the names of fields and never their values (S8)."""
    key = getattr(effect, "key", None)
    return {
        "do": _DO.get(type(effect).__name__, type(effect).__name__),
        "part": key.scan if key is not None else getattr(effect, "part", ""),
        "resource": key.label if key is not None else "",
        "fields": sorted(effect.pending) if isinstance(effect, Create | Change) else [],
        "files": len(effect.files) if isinstance(effect, CarryFiles | ImportFiles) else 0,
        "bytes": effect.bytes if isinstance(effect, CarryFiles | ImportFiles) else 0,
    }


_DO: Final = {
    "Create": "create",
    "Change": "set",
    "CreateResource": "create resource",
    "CarryFiles": "send files",
    "ImportFiles": "import DICOM",
}


def plan_blocks(plan: TransferPlan) -> Iterator[Block]:
    """A plan, for a person."""
    yield from foreseen_blocks(plan)
    yield Line("nothing was changed", Tone.DIM)


def foreseen_blocks(plan: TransferPlan) -> Iterator[Block]:
    """What would be done, for a person."""
    steps = list(due(plan))
    for _, owner, wanted in steps[:_SHOWN_MAX]:
        made = sum(isinstance(effect, Create) for effect in wanted.effects)
        files = sum(len(effect.files) for effect in wanted.effects if isinstance(effect, CarryFiles | ImportFiles))
        size = sum(effect.bytes for effect in wanted.effects if isinstance(effect, CarryFiles | ImportFiles))
        fields = sum(len(effect.paths) for effect in wanted.effects if isinstance(effect, Change))
        told = [counted(made, "thing") + " created"] if made else []
        told += [f"{counted(fields, 'field')} set"] if fields else []
        told += [f"{counted(files, 'file')} sent, {size} bytes"] if files else []
        name = owner.session or owner.subject or owner.id
        yield Line(f"{owner.kind.value} {name}: {'; '.join(told) or 'resources created'}", hang=4)
    if len(steps) > _SHOWN_MAX:
        yield Line(f"and {len(steps) - _SHOWN_MAX} more: `-o json` shows all", Tone.DIM)
    for label, one in _troubles(plan):
        yield Line(f"{label} {one.path}: {one.detail} [{one.code}]", Tone.WARN, hang=4)
    for error in plan.errors:
        yield Line(f"{error} [{error.code}]", Tone.BAD, hang=4)
    whole = f"{counted(plan.files, 'file')}, {plan.bytes} bytes, in {counted(len(steps), 'entity', 'entities')}"
    yield Line(f"to be sent: {whole}; {plan.agreed} agree already", Tone.HEAD)


# --- what was done before ----------------------------------------------------------------------------------------


def run_row(run: TransferRunRow) -> dict[str, object]:
    """Return a run as a row of the history."""
    counts = run.counts
    rows = {
        f"{name}_{fate}": counts.get(f"{fate} {kind}s", 0)
        for name, kind in _WORDS.items()
        for fate in ("synced", "failed", "skipped")
    }
    return {
        "id": run.run_id, "status": run.outcome or "running", "started_at": run.started_at, "ended_at": run.ended_at,
        "source_server": run.server, "source_project": run.project, "dest_server": run.to_server,
        "dest_project": run.to_project, **rows, "files": counts.get("files", 0), "bytes": counts.get("bytes", 0),
        "route": run.route,
    }  # fmt: skip


def status_fields(found: tuple[TransferRunRow, CertificateRow | None]) -> dict[str, object]:
    """The last run, for programs."""
    run, signed = found
    return {**run_row(run), "certificate": row_fields(signed) if signed is not None else None}


def status_blocks(found: tuple[TransferRunRow, CertificateRow | None]) -> Iterator[Block]:
    """The last run, for a person."""
    run, signed = found
    row = run_row(run)
    yield Line(f"transfer {run.run_id}: {row['status']}", Tone.GOOD if run.outcome == "complete" else Tone.WARN)
    yield Line(f"from project {run.project} of {run.server} to {run.to_project} of {run.to_server}", indent=2)
    yield Line(f"started {run.started_at}, ended {run.ended_at or 'not yet'}", indent=2)
    for name in _WORDS:
        told = ", ".join(f"{row[f'{name}_{fate}']} {fate}" for fate in ("synced", "failed", "skipped"))
        yield Line(f"{name}: {told}", indent=2)
    if signed is not None:
        of = "" if signed.run_id == run.run_id else f" of transfer {signed.run_id}, made {clock_words(signed.made_at)}"
        yield Line(f"certificate{of}: {signed.outcome}, {signed.path}", indent=2)
