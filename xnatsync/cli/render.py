"""The only module that prints.  Results go to stdout, talk and errors to stderr.

Colours and live displays only on a terminal (`NO_COLOR` and `--no-color` are honoured); everything else gets plain,
aligned text of a fixed width, so that output in a file, a mail or a test is the same everywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator

from xnatsync.core.pasting import Calling
from xnatsync.report import streams
from xnatsync.report.streams import Loss, LossyStream
from xnatsync.views.blocks import Block, Command, Line, Table, Tone
from xnatsync.views.printable import printable

PLAIN_WIDTH = 100  # columns where there is no terminal


_NARROWEST = 40


# Control, format, surrogate and private characters, and two odd line ends: escaped, so that they are seen.
_QUOTED = re.compile(r"`[^`]+`")


_SIGIL = re.compile(r"^([+~=!>?-]) (?=\S)")  # it stands before what it is about, and never on a line alone


_BLANK = "\ue000"  # stands for a blank where no line may end: what is printed has no private characters left


class Screen:
    """Where a command speaks: stdout for what was asked, stderr for everything else."""

    def __init__(
        self, *, colour: bool = True, quiet: bool = False, loss: Loss | None = None, calling: Calling | None = None
    ) -> None:
        """`calling` belongs into every command that is printed to be pasted: without it it would mean another one."""
        self.quiet = quiet
        self.calling = calling or Calling()
        self._loss = loss or Loss()  # what of stdout could not be written
        self._colour = colour and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def result(self, blocks: Iterable[Block]) -> None:
        """Print what was asked for."""
        self._write(streams.stdout(self._loss), blocks)

    def document(self, text: str) -> None:
        """Print a machine-readable document, exactly as it is."""
        stream = streams.stdout(self._loss)
        stream.write(text + "\n")
        stream.flush()

    def exact(self, text: str) -> None:
        """Print text for programs as UTF-8 with plain line ends: the same bytes everywhere."""
        streams.stdout(self._loss).write_bytes(text.encode("utf-8", "surrogatepass"))

    def raw(self, pieces: Iterable[bytes]) -> None:
        """Print bytes as they are."""
        out = streams.stdout(self._loss)
        for piece in pieces:
            out.write_bytes(piece)

    def say(self, *blocks: Block | str) -> None:
        """Print talk; nothing under `--quiet`."""
        if not self.quiet:
            self._write(streams.stderr(), (Line(block) if isinstance(block, str) else block for block in blocks))

    def complain(self, blocks: Iterable[Block]) -> None:
        """Print an error; also under `--quiet`."""
        self._write(streams.stderr(), blocks)

    def ask(self, question: str) -> bool:
        """Ask on the terminal; only `y` and `yes` mean yes."""
        stream = streams.stderr()
        stream.write(f"{printable(question)} [y/N] ")
        stream.flush()
        return sys.stdin.readline().strip().casefold() in {"y", "yes"}

    def ask_for(self, what: str) -> str:
        """Ask for a line on the terminal."""
        stream = streams.stderr()
        stream.write(f"{printable(what)}: ")
        stream.flush()
        return sys.stdin.readline().strip()

    @property
    def can_ask(self) -> bool:
        """Return whether a person sits at the other end."""
        return sys.stdin is not None and sys.stdin.isatty() and streams.stderr().isatty()

    @property
    def is_live(self) -> bool:
        """Return whether stderr can show something that moves."""
        return not self.quiet and streams.stderr().isatty() and os.environ.get("TERM") != "dumb"

    @property
    def has_colour(self) -> bool:
        """Return whether colours are wanted."""
        return self._colour

    def _write(self, stream: LossyStream, blocks: Iterable[Block]) -> None:
        terminal = stream.isatty()
        width = max(_NARROWEST, shutil.get_terminal_size().columns if terminal else PLAIN_WIDTH)
        colour = terminal and self._colour
        text = "".join(_painted(line, tone, colour) + "\n" for line, tone in _layout(blocks, width, self.calling))
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
        stream.flush()


def _layout(blocks: Iterable[Block], width: int, calling: Calling) -> Iterator[tuple[str, Tone]]:
    for block in blocks:
        if isinstance(block, Command):
            yield " " * block.indent + printable(f"{block.before}{calling.line(block.words)}"), Tone.PLAIN
        elif isinstance(block, Line):
            yield from _line(block, width, calling)
        else:
            yield from _table(block, width, calling)


def _line(line: Line, width: int, calling: Calling) -> Iterator[tuple[str, Tone]]:
    first, later = " " * line.indent, " " * (line.indent + line.hang)
    for part in _wrap(printable(calling.in_text(line.text)), width, first, later) or [""]:
        yield part, line.tone


def _table(table: Table, width: int, calling: Calling) -> Iterator[tuple[str, Tone]]:
    rows = [tuple(printable(calling.in_text(cell)) for cell in row) for row in table.rows]
    shown = [table.headings, *rows] if table.is_headed else rows
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    before = table.indent + sum(widths[:-1]) + 2 * (len(widths) - 1)
    last = max(width - before, 20)
    tones = [*([Tone.HEAD] if table.is_headed else []), *(table.tones or [Tone.PLAIN] * len(rows))]
    for row, tone in zip(shown, tones, strict=True):
        cells = [
            cell.rjust(widths[number]) if number in table.right else cell.ljust(widths[number])
            for number, cell in enumerate(row[:-1])
        ]
        ends = _wrap(row[-1], last, "", "") or [""]
        if len(row) - 1 in table.right:
            ends = [end.rjust(widths[-1]) for end in ends]
        yield (" " * table.indent + "  ".join([*cells, ends[0]])).rstrip(), tone
        for end in ends[1:]:
            yield " " * before + end, tone


def _wrap(text: str, width: int, first: str, later: str) -> list[str]:
    """Break at blanks only: a path, a UID or a command in backticks is never torn, so that it can be copied."""
    whole = _SIGIL.sub(rf"\1{_BLANK}", _QUOTED.sub(lambda found: found[0].replace(" ", _BLANK), text))
    lines = textwrap.wrap(
        whole,
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
        expand_tabs=False,
    )
    return [line.replace(_BLANK, " ") for line in lines]


def _painted(text: str, tone: Tone, colour: bool) -> str:
    if not colour or tone is Tone.PLAIN or not text.strip():
        return text
    from rich.style import Style

    return Style.parse(tone.value).render(text)
