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
    """So many targets, or such a share of them."""

    number: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `25` or `10%`; ValueError says how it is written."""
        found = re.fullmatch(r"([0-9]{1,9})|([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%", text.strip())
        if found is None:
            raise ValueError(f'{text!r} is no sample: write a number, as 25, or a share, as "10%"')
        if found[1] is not None:
            if not int(found[1]):
                raise ValueError("a sample of nothing would verify nothing")
            return cls(number=int(found[1]))
        if not 0 < float(found[2]) <= 100:
            raise ValueError("a share is more than 0% and at most 100%")
        return cls(percent=float(found[2]))

    def of(self, total: int) -> int:
        """Tells how many of so many are taken: at least one, where there is one."""
        if self.number is not None:
            return min(self.number, total)
        assert self.percent is not None
        return min(total, -int(-total * self.percent // 100))


def pick(targets: Iterable[T], last: Mapping[T, int], sample: Sample | None) -> list[T]:
    """Takes those that were verified longest ago, or never: runs that follow each other cover all of them.

    `last` says how late each was verified, as any number that grows.
    """
    waiting = list(targets)
    if sample is None:
        return waiting
    return sorted(waiting, key=lambda target: last.get(target, -1))[: sample.of(len(waiting))]


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a route that is asked for, in the words of every selection."""

    projects: Patterns = field(default_factory=Patterns)
    subjects: Patterns = field(default_factory=Patterns)
    sessions: Patterns = field(default_factory=Patterns)

    @classmethod
    def parse(cls, projects: Sequence[str] = (), subjects: Sequence[str] = (), sessions: Sequence[str] = ()) -> Self:
        """Reads patterns; ValueError says which could match nothing."""
        return cls(Patterns.parse(projects), Patterns.parse(subjects), Patterns.parse(sessions))

    def takes(self, target: Target) -> bool:
        """Tells whether a target is asked for; a session goes by its label or its accession ID."""
        names = [name for name in (target.session, target.session_id) if name]
        return (
            self.projects.match(target.project)
            and self.subjects.match(target.subject)
            and (not self.sessions or (bool(names) and self.sessions.match(*names)))
        )
