"""The ledger as tables, for people and their tools: what it holds, an answer to a question, and files of all of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from xnatsync.app.named_files import refuse_taken, streamed
from xnatsync.core.cells import cell
from xnatsync.core.errors import Usage
from xnatsync.ledger.open import open_ledger
from xnatsync.ledger.questions import Answer, TableSize, questions, rows_of, tables

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger

SEPARATORS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Exported:
    """A table that was written to a file."""

    table: str
    path: Path
    rows: int
    bytes: int


@contextmanager
def opened(config: Config) -> Iterator[Ledger]:
    """Open the ledger as it is now, only to read; NothingFound when there is none yet."""
    ledger = open_ledger(config.ledger.path, read_only=True)
    try:
        with questions(ledger) as asked:
            yield asked
    finally:
        ledger.close()


def table_sizes(config: Config) -> list[TableSize]:
    """Return the tables of the ledger."""
    with opened(config) as ledger:
        return tables(ledger)


def export(config: Config, names: Sequence[str], folder: Path, form: str, *, force: bool) -> list[Exported]:
    """Write tables, or all, each to a file of its name in a folder; all of one state of the ledger.

    Each file is whole or absent, and only for its account (0600).  PlaceTaken before anything is written when one
    exists and is not to be replaced; Usage for a table that does not exist; DiskFull, DiskUnwell.
    """
    with opened(config) as ledger:
        known = [size.name for size in tables(ledger)]
        if unknown := [name for name in names if name not in known]:
            raise Usage(f"the ledger has no table `{unknown[0]}`", advice="`xnatsync ledger list` shows the tables.")
        places = {name: folder / f"{name}.{form}" for name in names or known}
        refuse_taken(list(places.values()), force=force)
        return [_written(ledger, name, place, form, force=force) for name, place in places.items()]


def _written(ledger: Ledger, name: str, place: Path, form: str, *, force: bool) -> Exported:
    answer = rows_of(ledger, name)
    with streamed(place, force=force) as text:
        rows = _write_json(text, answer) if form == "json" else _write_cells(text, answer, SEPARATORS[form])
    return Exported(name, place, rows, place.stat().st_size)


def _write_cells(text: TextIO, answer: Answer, separator: str) -> int:
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(answer.columns)
    written = 0
    for row in answer.rows:
        writer.writerow([cell(value) for value in row])
        written += 1
    return written


def _write_json(text: TextIO, answer: Answer) -> int:
    """Write JSON lines: one object a row."""
    written = 0
    for row in answer.rows:
        text.write(json.dumps(dict(zip(answer.columns, row, strict=True))) + "\n")
        written += 1
    return written
