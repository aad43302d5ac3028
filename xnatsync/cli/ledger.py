"""`ledger list`, `query` and `export`: the ledger as tables.  They only read, and work beside a running instance."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


class FileForm(StrEnum):
    """The form of the files of an export."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The ledger as tables.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="list")(list_tables)
    group.command()(query)
    group.command()(export)
    program.add_typer(group, name="ledger")


def list_tables(ctx: typer.Context, output: OutputOption = None, quiet: QuietOption = False) -> int:
    """List the tables of the ledger, with their columns and numbers of rows."""
    shell = ctx.ensure_object(Shell)
    shell.begin("ledger-list", output, quiet, lists=True)
    from xnatsync.app.ledger_tables import table_sizes

    sizes = table_sizes(shell.known())
    rows = [{"table": size.name, "rows": size.rows, "columns": " ".join(size.columns)} for size in sizes]
    shell.show_rows(rows, {"table": "TABLE", "rows": "ROWS", "columns": "COLUMNS"}, key="table")
    return Exit.OK


def query(
    ctx: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", show_default=False, help="One `select` statement.")],
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show the rows that a question in SQL returns. Nothing can be changed by one."""
    shell = ctx.ensure_object(Shell)
    shell.begin("ledger-query", output, quiet, lists=True)
    from xnatsync.app.ledger_tables import opened
    from xnatsync.ledger.questions import ask

    with opened(shell.known()) as ledger:
        answer = ask(ledger, sql)
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    shell.show_rows(rows, {name: name.upper() for name in answer.columns}, key=answer.columns[0])
    return Exit.OK


def export(
    ctx: typer.Context,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The folder for the files.")],
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]...", show_default=False, help="Tables; all, if none is named."),
    ] = None,
    form: Annotated[FileForm, typer.Option("--format", help="The form of the files; json is an object a line.")] = (
        FileForm.CSV
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files of an earlier export.")] = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Write tables of the ledger to files, all of one state of it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("ledger-export", output, quiet)
    from xnatsync.app.ledger_tables import export as written
    from xnatsync.views.ledger_export import export_blocks, export_fields

    done = written(shell.known(), tables or [], to, form.value, force=force)
    shell.show(export_blocks(done), export_fields(done))
    return Exit.OK
