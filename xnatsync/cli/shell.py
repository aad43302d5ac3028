"""What every command shares: the global options, the screen, and the way in which a result leaves the program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xnatsync.cli.render import Screen
from xnatsync.config.asking import PERSON, Asking
from xnatsync.core.errors import Usage
from xnatsync.core.pasting import Calling
from xnatsync.report.streams import Loss
from xnatsync.views.blocks import Block, Line, Table, Tone
from xnatsync.views.cells import OF_ITS_OWN, TABLES, cells_text, columns_of, flat, is_listing, rows_of
from xnatsync.views.jsonout import array, document
from xnatsync.views.picking import Picking
from xnatsync.views.printable import printable

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.report.log import Log


class Output(StrEnum):
    """The form of a result."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    TSV = "tsv"


@dataclass(slots=True)
class Shell:
    """The settings of one call.  `command` is the name under which its document is described."""

    config_file: Path | None = None  # None: the one in its usual place
    profile: str = ""  # the server that was named: commands that are printed name it too
    output: Output = Output.TABLE
    quiet: bool = False
    colour: bool = True
    verbose: bool = False
    log_file: Path | None = None
    command: str = "error"
    asked: dict[str, Any] = field(default_factory=dict)  # the options of listings, as they were given
    picking: Picking = field(default_factory=Picking)
    is_limited: bool = False  # in the bytes of a second
    lists: bool = False  # the result is a bare array of rows: then stdout holds nothing when the command fails
    loss: Loss = field(default_factory=Loss)  # what of the result could not be written
    screen: Screen = field(default_factory=Screen)

    def begin(self, command: str, output: Output | None, quiet: bool = False, *, lists: bool = False) -> None:
        """Take note of what is running; options given after the command win over those before it."""
        self.command, self.lists = command, lists
        self.output = output or self.output
        self.quiet = self.quiet or quiet
        self.refresh()
        if self.is_cells and command not in TABLES and command != OF_ITS_OWN:
            raise Usage(
                f"`{command.replace('-', ' ')}` prints no table, which {self.output} is",
                advice="Use `-o table` or `-o json`.",
            )
        self.picking = Picking.parse(**self.asked)
        if is_listing(command) and command != OF_ITS_OWN:  # before anything is asked of a server
            self.picking.check(columns_of(command))
        PERSON.set(_person() if self.screen.can_ask else None)
        self.to_log(lambda log: log.began(command))

    def limit(self, bandwidth: str | None) -> None:
        """Let data go no faster than a rate for the time of this call; Usage for what is none."""
        if bandwidth is None:
            return
        from xnatsync.app.connecting import METERS
        from xnatsync.config.bandwidth import read_rate

        try:
            METERS.at_most(read_rate(bandwidth))
        except ValueError as error:
            raise Usage(f"--bandwidth: {error}", advice="Write --bandwidth 20MiB/s.") from None
        self.is_limited = True

    def unlimit(self) -> None:
        """Forget the limit of this call."""
        if self.is_limited:
            from xnatsync.app.connecting import METERS

            METERS.at_most(None)

    def refresh(self) -> None:
        """Make the screen follow the options."""
        self.screen = Screen(colour=self.colour, quiet=self.quiet, loss=self.loss, calling=self.calling)

    @property
    def calling(self) -> Calling:
        """How the program was called, for commands that are printed: they may be pasted in another folder."""
        return Calling(str(self.config_file.absolute()) if self.config_file is not None else "", self.profile)

    @property
    def is_json(self) -> bool:
        """Return whether a program reads the result."""
        return self.output is Output.JSON

    @property
    def is_cells(self) -> bool:
        """Return whether the result is a table for a spreadsheet or for tools that read lines."""
        return self.output in {Output.CSV, Output.TSV}

    def show(self, blocks: Iterable[Block], fields: Mapping[str, object]) -> None:
        """Print the result in the form that was asked for."""
        if self.picking.is_asked and is_listing(self.command):
            self._show_picked(fields)
        elif self.is_json:
            self.screen.document(document(self.command, fields, self.calling))
        elif self.is_cells:
            told = {key: self.calling.in_fields(value, key) for key, value in fields.items()}
            rows = [flat(self.command, row) for row in rows_of(self.command, told)]
            self._cells(rows, columns_of(self.command))
        else:
            headed = self.picking.has_headings
            self.screen.result(
                replace(block, is_headed=headed) if isinstance(block, Table) else block for block in blocks
            )

    def show_rows(self, rows: Sequence[Mapping[str, object]], columns: Mapping[str, str], key: str = "id") -> None:
        """Print a listing: an array of objects, a table of the columns (key -> heading), or the keys alone (`-q`).

        Every row has the fields that `views.cells.TABLES` names for the command: the listing's options choose of them.
        """
        fields = tuple(columns) if self.command == OF_ITS_OWN else columns_of(self.command)
        self.picking.check(fields)
        rows = self.picking.rows(rows)
        if self.is_json:
            self.screen.document(array([self.picking.narrowed(row) for row in rows]))
        elif self.is_cells:
            self._cells(rows, self.picking.columns or fields)
        elif self.quiet:
            for row in rows:
                self.screen.document(printable(str(row[key])))
        else:
            shown = {name: columns.get(name, name.replace("_", " ")) for name in self.picking.columns or columns}
            table = _table(rows, shown, is_headed=self.picking.has_headings)
            self.screen.result([table] if rows else [Line("nothing found", Tone.DIM)])

    def _show_picked(self, fields: Mapping[str, object]) -> None:
        """Print the rows of a document that were chosen: the document with them alone, or a plain table of them."""
        place, names = TABLES[self.command][0], columns_of(self.command)
        rows = self.picking.rows({**row, **flat(self.command, row)} for row in rows_of(self.command, fields))
        if self.is_json:
            own = {name.replace(".", "_") for name in TABLES[self.command][1] if "." in name}
            kept = [row if self.picking.columns else {k: v for k, v in row.items() if k not in own} for row in rows]
            told = {**fields, place: [self.picking.narrowed(row) for row in kept]}
            self.screen.document(document(self.command, told, self.calling))
        else:
            self.show_rows(rows, {name: name.replace("_", " ") for name in names}, key=names[0])

    def _cells(self, rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
        text = cells_text(self.output.value, rows, columns, has_headings=self.picking.has_headings)
        self.screen.exact(text)

    def to_log(self, write: Callable[[Log], None]) -> None:
        """Write to the log file, where one is wanted; a log that cannot be written stops nothing."""
        if self.log_file is not None:
            from xnatsync.report.log import open_log

            with open_log(self.log_file) as log:
                write(log)

    def no_log(self, error: OSError) -> None:
        """Say that the log cannot be written; whatever is to be done is done without it."""
        words = error.strerror or type(error).__name__
        self.screen.complain([Line(f"the log {self.log_file} cannot be written: {words}", Tone.WARN)])

    @property
    def place_of_config(self) -> Path:
        """Return where the configuration is, or will be."""
        from xnatsync.config.load import default_path

        return self.config_file if self.config_file is not None else default_path()

    def config(self) -> Config:
        """Read the configuration; ConfigError names every problem in it."""
        from xnatsync.config.load import load

        return load(self.place_of_config)

    def known(self) -> Config:
        """Read the configuration; where there is none, the ledger in its usual place stands for itself."""
        from xnatsync.config.load import default_path
        from xnatsync.config.model import Config

        alone = Config()
        if self.config_file is None and not default_path().exists() and alone.ledger.path.exists():
            return alone
        return self.config()


def _person() -> Asking:
    from xnatsync.cli.passwords import person

    return person()


def _table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str], *, is_headed: bool) -> Table:
    cells = [["" if row[key] is None else str(row[key]) for key in columns] for row in rows]
    numbers = {n for n, key in enumerate(columns) if all(isinstance(row[key], int | None) for row in rows)}
    return Table(list(columns.values()), cells, right=frozenset(numbers), is_headed=is_headed)
