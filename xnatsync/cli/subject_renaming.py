"""`subject rename`: one, a mapping in a file, or a pattern; and two subjects that become one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xnatsync.cli.changing import ended, goes_on
from xnatsync.cli.options import DryRunOption, OutputOption, ProfileOption, ProjectOption, QuietOption, YesOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage
from xnatsync.views.changes import ALREADY, DONE, FAILED, PLANNED, SKIPPED, Change


def rename(
    ctx: typer.Context,
    labels: Annotated[
        list[str] | None, typer.Argument(metavar="[OLD NEW]", show_default=False, help="One subject and its new label.")
    ] = None,
    project: ProjectOption = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with OLD,NEW on each line, or a JSON object.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Those whose whole label matches, with --to.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="TEMPLATE", help="Their new label; {1} is the first group.")] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Where the label is taken, make one subject of both.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Give subjects other labels; each is seen on the server before the next."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-rename", output, quiet)
    from xnatsync.app.label_mapping import read_mapping
    from xnatsync.services.subjects import SubjectService

    wanted = _one_way(labels or [], mapping, pattern, to)
    table = read_mapping(mapping) if mapping is not None else wanted
    with serving(shell, profile) as client:
        service = SubjectService(client)
        home = service.home(project)

        def do(*, only_plan: bool) -> dict[str, Any]:
            if pattern is not None and to is not None:
                return service.rename_pattern(home, pattern, to, dry_run=only_plan, merge=merge)
            return service.rename_mapping(home, table, dry_run=only_plan, merge=merge)

        plan = _changes(do(only_plan=True), home, PLANNED)
        merges = sum(change.deed == "merge" and change.outcome == PLANNED for change in plan)
        question = f"Merge {merges} subjects into others of project {home}, and delete those that are empty then?"
        if not goes_on(shell, plan, dry_run=dry_run, yes=yes or not merges, question=question):
            return Exit.HELD if any(change.outcome == FAILED for change in plan) else Exit.OK
        done = do(only_plan=False)
    return ended(shell, _changes(done, home, DONE))


def _one_way(labels: list[str], mapping: Path | None, pattern: str | None, to: str | None) -> dict[str, str]:
    """Return the one renaming of the command line, if it is that; Usage unless exactly one way was chosen."""
    ways = [bool(labels), mapping is not None, pattern is not None or to is not None]
    if sum(ways) != 1 or (pattern is None) != (to is None) or (labels and len(labels) != 2):
        raise Usage(
            "which subjects are to be renamed was not said in one way",
            advice="Give OLD NEW, or --mapping FILE, or --pattern REGEX --to TEMPLATE.",
        )
    return {labels[0]: labels[1]} if labels else {}


def _changes(summary: dict[str, Any], home: str, outcome: str) -> list[Change]:
    found = [
        Change("rename", "subject", row["id"], row["from"], home, row["from"], row["to"], outcome)
        for row in summary["renamed"]
    ]
    for row in summary["merged"]:
        reason = f"the first one stays: {row['kept']}" if row["kept"] else f"experiments: {len(row['experiments'])}"
        found.append(Change("merge", "subject", "", row["from"], home, row["from"], row["to"], outcome, reason))
    for row in summary["skipped"]:
        is_so = row["from"] == row["to"]
        reason = "" if is_so else row["reason"]
        how = ALREADY if is_so else SKIPPED
        found.append(Change("rename", "subject", "", row["from"], home, row["from"], row["to"], how, reason))
    for row in summary["errors"]:
        told = row["error"], row["code"]
        found.append(Change("rename", "subject", "", row["from"], home, row["from"], row["to"], FAILED, *told))
    return found
