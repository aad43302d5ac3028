"""What is verified when not everything can be: a part that a person names, and a sample that covers all in the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from xnatsync.core.selection import Patterns
from xnatsync.core.verification import Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """So many targets, such a share of them, or one part of so many that together are all of them."""

    number: int | None = None
    percent: float | None = None
    parts: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `25`, `10%` or `1/7`; ValueError says how it is written."""
        found = re.fullmatch(r"([0-9]{1,9})|([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%|1\s*/\s*([0-9]{1,6})", text.strip())
        if found is None:
            raise ValueError(f'{text!r} is no sample: write a number, as 25, a share, as "10%", or a part, as 1/7')
        if found[3] is not None:
            if not int(found[3]):
                raise ValueError("there is no part of nothing: write 1/7 for a seventh in each of seven runs")
            return cls(parts=int(found[3]))
        if found[1] is not None:
            if not int(found[1]):
                raise ValueError("a sample of nothing would verify nothing")
            return cls(number=int(found[1]))
        if not 0 < float(found[2]) <= 100:
            raise ValueError("a share is more than 0% and at most 100%")
        return cls(percent=float(found[2]))

    def of(self, total: int) -> int:
        """Say how many of so many are taken: at least one, where there is one."""
        if self.number is not None:
            return min(self.number, total)
        if self.parts is not None:
            return -(-total // self.parts)
        assert self.percent is not None
        return min(total, -int(-total * self.percent // 100))


def pick(targets: Iterable[T], last: Mapping[T, int], sample: Sample | None) -> list[T]:
    """Take those that were verified longest ago, or never: runs that follow each other cover all of them.

    `last` says how late each was verified, as any number that grows.
    """
    waiting = list(targets)
    if sample is None:
        return waiting
    return sorted(waiting, key=lambda target: last.get(target, -1))[: sample.of(len(waiting))]


@dataclass(frozen=True, slots=True)
class Round:
    """How far runs have come that take one part each until all is taken.

    `since` is a number as in `pick`: what was verified later than that belongs to this round.
    """

    since: int = -1
    runs: int = 0


def pick_part(
    targets: Iterable[T], last: Mapping[T, int], parts: int, before: Round, newest: int
) -> tuple[list[T], Round]:
    """Take the next part of a round, or the first of a new one; return the round as it is while that part is verified.

    In so many runs as there are parts each target is taken once: what an earlier one could not look at comes in a
    later one, and what was verified otherwise meanwhile is not taken again.  `newest` is how late it is now.
    """
    everything = list(targets)
    left = [target for target in everything if last.get(target, -1) <= before.since]
    if before.since < 0 or (before.runs >= parts and not left):
        before, left = Round(newest), everything
    size = -(-len(left) // max(1, parts - before.runs))
    return sorted(left, key=lambda target: last.get(target, -1))[:size], before


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a route that is asked for, in the words of every selection."""

    projects: Patterns = field(default_factory=Patterns)
    subjects: Patterns = field(default_factory=Patterns)
    sessions: Patterns = field(default_factory=Patterns)

    @classmethod
    def parse(cls, projects: Sequence[str] = (), subjects: Sequence[str] = (), sessions: Sequence[str] = ()) -> Self:
        """Read patterns; ValueError says which could match nothing."""
        return cls(Patterns.parse(projects), Patterns.parse(subjects), Patterns.parse(sessions))

    def takes(self, target: Target) -> bool:
        """Return whether a target is asked for; a session goes by its label or its accession ID."""
        names = [name for name in (target.session, target.session_id) if name]
        return (
            self.projects.match(target.project)
            and self.subjects.match(target.subject)
            and (not self.sessions or (bool(names) and self.sessions.match(*names)))
        )
