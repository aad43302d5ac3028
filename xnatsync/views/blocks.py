"""What a report consists of before it is printed: lines and tables, without any idea of terminals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Tone(Enum):
    """How a line is meant; a terminal shows it as a colour, anything else ignores it."""

    PLAIN = ""
    HEAD = "bold"
    GOOD = "green"
    WARN = "yellow"
    BAD = "red"
    DIM = "dim"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; when it is too long it goes on below itself, `hang` columns further in than it began."""

    text: str
    tone: Tone = Tone.PLAIN
    indent: int = 0
    hang: int = 2


@dataclass(frozen=True, slots=True)
class Command:
    """A command to be pasted, on a line of its own that is never broken.  `words` come after the program's name."""

    before: str
    words: tuple[str, ...]
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; the last column takes the room that is left and wraps inside itself."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    tones: Sequence[Tone] = ()  # one for each row, or none at all
    indent: int = 0
    right: frozenset[int] = frozenset()  # columns of numbers
    is_headed: bool = True


Block = Line | Table | Command
