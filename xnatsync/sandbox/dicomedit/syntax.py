"""What a script says: its statements, conditions, values and tag paths, as plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

ANY_ITEM: Final = -1


class ScriptError(ValueError):
    """A script that cannot be understood or cannot be run on an object."""


class RejectedError(Exception):
    """The script refuses this object."""


@dataclass(frozen=True, slots=True)
class Level:
    """A wildcard over nesting levels: `*` any depth, `+` one or deeper, `.` exactly one, `?` none or one."""

    kind: str


@dataclass(frozen=True, slots=True)
class Step:
    """One element of a path; X, @ (even) and # (odd) stand for hexadecimal digits."""

    group: str
    element: str
    creator: str | None = None  # of a private block; `element` then has two digits
    item: int | None = None  # the item of a sequence, ANY_ITEM for each

    @property
    def wild(self) -> bool:
        """Tell whether the step may stand for several tags."""
        return any(digit in "X@#" for digit in self.group + self.element)

    @property
    def tag(self) -> int:
        """Return the tag of a step without wildcard and creator."""
        return int(self.group + self.element, 16)

    @property
    def reach(self) -> int:
        """Return the highest tag that the step may stand for."""
        element = self.element if self.creator is None else f"FF{self.element}"
        return int(re.sub("[X@#]", "F", self.group + element), 16)


@dataclass(frozen=True, slots=True)
class Path:
    """Where elements are: steps through sequences, the last one names the element or the item."""

    steps: tuple[Level | Step, ...]
    simple_tag: int | None = field(init=False, compare=False, repr=False)
    """The tag of a path that is one standard element at the top level, else None: asked for each object."""

    def __post_init__(self) -> None:
        """Find the tag once."""
        object.__setattr__(self, "simple_tag", _simple_tag(self.steps))


def _simple_tag(steps: tuple[Level | Step, ...]) -> int | None:
    step = steps[0]
    plain = len(steps) == 1 and isinstance(step, Step) and step.item is None
    if not plain or not isinstance(step, Step) or step.wild or step.creator is not None:
        return None
    return step.tag if not step.tag >> 16 & 1 else None


@dataclass(frozen=True, slots=True)
class Text:
    """A literal."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """A variable: `project`, `subject`, `session`, or one that the script assigns."""

    value: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A list in braces."""

    items: tuple[Value, ...]


Value = Path | Text | Name | Call | Listed


@dataclass(frozen=True, slots=True)
class Compared:
    """A condition: two values and one of =, !=, ~ and !~; a single function has no operator."""

    left: Value
    operator: str = ""
    right: Value = field(default_factory=lambda: Text(""))


@dataclass(frozen=True, slots=True)
class Assign:
    """`target := value`, or `target ?= value`, which changes only what is there."""

    target: Path | Name
    value: Value
    existing: bool = False


@dataclass(frozen=True, slots=True)
class Remove:
    """`- path`."""

    path: Path


@dataclass(frozen=True, slots=True)
class Run:
    """A function that is called for its effect."""

    call: Call


@dataclass(frozen=True, slots=True)
class Branch:
    """Conditions with their statements, the first that holds; None is the else-part."""

    cases: tuple[tuple[Compared | None, tuple[Statement, ...]], ...]


Statement = Assign | Remove | Run | Branch


@dataclass(frozen=True, slots=True)
class Script:
    """A script that was understood."""

    statements: tuple[Statement, ...]
    legacy: bool  # language 4: the first assignment to a tag wins, and everything is read from the original


def parts(thing: Script | Statement | Compared | Value) -> Iterator[Statement | Compared | Value]:
    """Yield everything below a part of a script, however deep."""
    for child in _children(thing):
        yield child
        yield from parts(child)


def _children(thing: Script | Statement | Compared | Value) -> Iterator[Statement | Compared | Value]:
    match thing:
        case Script(statements=statements):
            yield from statements
        case Assign(target=target, value=value):
            yield target
            yield value
        case Remove(path=path):
            yield path
        case Run(call=call):
            yield call
        case Branch(cases=cases):
            for condition, statements in cases:
                if condition is not None:
                    yield condition
                yield from statements
        case Compared(left=left, right=right):
            yield left
            yield right
        case Call(arguments=values) | Listed(items=values):
            yield from values
        case _:
            return
