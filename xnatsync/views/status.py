"""`status` and `history`, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from xnatsync.app.waits import left_alone
from xnatsync.core.given import given_route
from xnatsync.core.moment import clock_words
from xnatsync.core.wording import counted, left_out_words, size
from xnatsync.ledger.rows import PauseRow, RunRow
from xnatsync.views.agent import agent_blocks, agent_fields
from xnatsync.views.blocks import Block, Line, Table, Tone
from xnatsync.views.notify import failing_blocks, failing_fields
from xnatsync.views.sync import (
    held_fields,
    hold_blocks,
    item_fields,
    left_out_blocks,
    state_of,
    unit_fields,
    waits_blocks,
)
from xnatsync.views.tree_run import done_words, standing_fields, standing_words, trouble_cases, trouble_fields
from xnatsync.views.troubles import case_fields, held_blocks, owner_fields, trouble_blocks, unplaced_case

if TYPE_CHECKING:
    from xnatsync.app.status import Diary, DiaryLine, Overview, RouteStanding, TreeStanding

_LEVELS = {"info": Tone.PLAIN, "warning": Tone.WARN, "error": Tone.BAD}


def status_blocks(seen: Overview) -> Iterator[Block]:
    """Tell a person how things stand."""
    if seen.agent is not None:
        yield from agent_blocks(seen.agent)
    if not seen.routes:
        yield Line("no route is configured and the ledger is empty")
    for route in seen.routes:
        yield from _route(route)
    yield from pause_blocks(seen.pauses, alive=seen.alive)
    yield from failing_blocks(seen.failing)
    if seen.last_run is not None:
        yield _run_line(seen.last_run, alive=seen.alive)
    if seen.last_verify is not None:
        yield _verify_line(seen.last_verify)


def pause_blocks(pauses: Iterable[PauseRow], *, alive: bool) -> Iterator[Block]:
    """Say what is left alone: since when, why, and when it is tried again."""
    for row in pauses:
        yield Line(f"! {left_alone(row.what)} since {clock_words(row.since)}: {row.detail}  [{row.code}]", Tone.BAD)
        when = clock_words(row.until) if alive and row.until else ""
        again = f"tried again at {when}" if when else "the next sync tries again"
        yield Line(f"{again} ({counted(row.failures, 'failure')} in a row)", Tone.DIM, indent=2)
        yield Line(f"what to do: {row.advice}", Tone.DIM, indent=2, hang=12)


def _run_line(run: RunRow, *, alive: bool) -> Line:
    """How the last run ended, or that it is at work, or was killed."""
    if run.ended_at is None:
        if alive:
            return Line(f"running since {clock_words(run.started_at)} as process {run.pid}", Tone.GOOD)
        return Line(
            f"last run: began {clock_words(run.started_at)}, was killed (process {run.pid}): the next sync "
            "looks at everything again",
            Tone.WARN,
        )
    code = f" (exit code {run.exit_code})" if run.exit_code is not None else ""
    why = f": {run.detail}  [{run.code}]" if run.code else ""
    tone = Tone.DIM if run.outcome == "ok" else Tone.WARN
    when = f"began {clock_words(run.started_at)}, ended {clock_words(run.ended_at)}"
    return Line(f"last run: {when}, {run.outcome}{code}{why}", tone)


def _verify_line(run: RunRow) -> Line:
    counts = json.loads(run.counts)
    bad = [f"{many} {what}" for what, many in counts.items() if many and what not in {"targets", "same"}]
    found = ", ".join(bad) or "everything is the same"
    code = f" (exit code {run.exit_code})" if run.exit_code is not None else ""
    tone = Tone.DIM if run.outcome == "ok" else Tone.WARN
    return Line(f"last verify: {clock_words(run.started_at)}, {run.outcome}{code}: {found}", tone)


def _route(route: RouteStanding) -> Iterator[Block]:
    is_given = given_route(route.name) is not None
    where = route.folder or ("" if is_given or route.is_configured else "(no longer configured)")
    yield Line(f"{route.name}  {where}".rstrip(), Tone.HEAD)
    for note in route.notes:
        yield Line(note, Tone.WARN, indent=2)
    if route.kind != "drop":
        yield from _tree(route)
        return
    if not route.counts and not route.custody:
        yield Line("nothing was dropped yet", indent=2)
    if route.custody:
        yield Line(
            f"{counted(route.custody, 'thing')} in custody unknown to the ledger: the next sync takes them up",
            Tone.WARN,
            indent=2,
        )
    if route.rivals:
        yield Line(
            f"{counted(route.rivals, 'thing')} in custody of another ledger: `xnatsync doctor` says of which",
            Tone.WARN,
            indent=2,
        )
    for part in route.counts:
        yield Line(f"{part.phase}: {counted(part.items, 'item')}, {size(part.bytes)}", indent=2)
    for standing in route.standing:
        word, tone = state_of(standing.item, standing.units)
        yield Line(f"{standing.item.path} (item {standing.item.id}): {word}", tone, indent=2)
        yield from left_out_blocks(standing.left_out, indent=4)
        yield from hold_blocks(standing.item, str(standing.item.id), indent=4)
        for unit in standing.units:
            yield from hold_blocks(unit, f"u{unit.id}", indent=4)
        yield from waits_blocks(standing.waits, indent=4)
    if route.more:
        yield Line(f"and {route.more} more under way", Tone.DIM, indent=2)
    if route.left_out:
        yield Line(f"{left_out_words(route.left_out)} of the route's selection, and never sent", Tone.WARN, indent=2)


def _tree(route: RouteStanding) -> Iterator[Block]:
    if route.tree is None:
        yield Line(f"nothing was {'mirrored' if route.kind == 'mirror' else 'pushed'} yet", indent=2)
        return
    yield Line(f"{route.kind}: {standing_words(route.tree.counts)}", indent=2)
    yield from trouble_blocks(trouble_cases(route.tree.troubles), indent=2)
    yield from trouble_blocks(map(unplaced_case, route.tree.unplaced), indent=2)
    yield from held_blocks(route.tree.held, {row.owner_id for row in route.tree.troubles if row.person}, indent=2)


def _tree_fields(tree: TreeStanding) -> dict[str, object]:
    return {
        "counts": standing_fields(tree.counts),
        "troubles": trouble_fields(tree.troubles),
        "held": [owner_fields(row) for row in tree.held],
        "unplaced": [case_fields(unplaced_case(row), row.at) for row in tree.unplaced],
    }


def status_fields(seen: Overview) -> dict[str, object]:
    """The same for programs."""
    return {
        "routes": [
            {
                "name": route.name,
                "kind": route.kind,
                "folder": route.folder,
                "phases": {part.phase: {"items": part.items, "bytes": part.bytes} for part in route.counts},
                "held": sum(standing.is_held for standing in route.standing),
                "items": [
                    {
                        **item_fields(standing.item),
                        **held_fields(standing.item, standing.units),
                        "units": [unit_fields(unit) for unit in standing.units],
                        "left_out": dict(standing.left_out),
                        "waits": list(standing.waits),
                    }
                    for standing in route.standing
                ],
                "more": route.more,
                "left_out": dict(route.left_out),
                "custody": {"unknown": route.custody, "of_others": route.rivals},
                "notes": list(route.notes),
                "tree": _tree_fields(route.tree) if route.tree is not None else None,
            }
            for route in seen.routes
        ],
        "agent": agent_fields(seen.agent) if seen.agent is not None else None,
        "notify": failing_fields(seen.failing),
        "last_run": _run_fields(seen.last_run, alive=seen.alive) if seen.last_run is not None else None,
        "last_verify": _run_fields(seen.last_verify, alive=False) if seen.last_verify is not None else None,
        "pauses": [
            {
                "what": row.what,
                "since": row.since,
                "until": row.until,
                "failures": row.failures,
                "code": row.code,
                "detail": row.detail,
                "advice": row.advice,
                "run": row.run_id,
            }
            for row in seen.pauses
        ],
    }


def _run_fields(run: RunRow, *, alive: bool) -> dict[str, object]:
    return {
        "id": run.id,
        "cause": run.cause,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "outcome": run.outcome,
        "exit_code": run.exit_code,
        "code": run.code,
        "detail": run.detail,
        "counts": json.loads(run.counts),
        "pid": run.pid,
        "alive": alive,
    }


def history_blocks(seen: Diary) -> Iterator[Block]:
    """Tell a person what happened, the oldest first: events, and what each run did as a whole."""
    told = [(line.event.at, *_event_cells(line)) for line in seen.lines]
    told += [(run.ended_at or "", *_run_cells(run, words)) for run in seen.runs if (words := run_words(run))]
    if not told:
        yield Line("nothing has happened yet")
        return
    told.sort(key=lambda row: row[0])
    yield Table(
        ("when", "item", "code", "what"),
        [(at[:19].replace("T", " "), item, code, what) for at, item, code, what, _ in told],
        [tone for *_, tone in told],
    )


def _event_cells(line: DiaryLine) -> tuple[str, str, str, Tone]:
    event = line.event
    about = str(event.item_id) if event.item_id is not None else f"o{event.owner}" if event.owner is not None else ""
    return about, event.code, f"{event.text} ({line.path})" if line.path else event.text, _LEVELS[event.level]


def _run_cells(run: RunRow, words: str) -> tuple[str, str, str, Tone]:
    return "", "run.ended", f"run {run.id}: {words}", Tone.PLAIN if run.outcome == "ok" else Tone.WARN


def run_words(run: RunRow) -> str:
    """Say what a run did with trees, or found, and how it ended; "" when neither is worth a line."""
    counts: dict[str, int] = json.loads(run.counts)
    parts = []
    for route in dict.fromkeys(key.rpartition(".")[0] for key in counts):
        own = {key.rpartition(".")[2]: many for key, many in counts.items() if key.rpartition(".")[0] == route}
        if route and (done := done_words(own)):
            parts.append(f"{route}: {done}")
    if "targets" in counts:
        found = ", ".join(f"{many} {what}" for what, many in counts.items() if many and what != "targets")
        parts.append(f"verified {counted(counts['targets'], 'target')}: {found or 'nothing to compare'}")
    if run.code or run.outcome not in {"ok", "partial"}:
        parts.append(f"{run.outcome} [{run.code}]" if run.code else str(run.outcome))
    return "; ".join(parts)


def history_fields(seen: Diary) -> dict[str, object]:
    """The same for programs."""
    return {
        "runs": [_run_fields(run, alive=False) for run in seen.runs],
        "events": [
            {
                "id": line.event.id,
                "at": line.event.at,
                "level": line.event.level,
                "code": line.event.code,
                "text": line.event.text,
                "route": line.event.route,
                "run": line.event.run_id,
                "item": line.event.item_id,
                "unit": line.event.unit_id,
                "entity": line.event.owner,
                "path": line.path,
                "data": json.loads(line.event.data) if line.event.data is not None else None,
            }
            for line in seen.lines
        ],
    }
