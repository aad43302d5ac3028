"""Which part of a project, or of what was dropped, a route takes: the one filter language (docs/configuration.md).

A pattern is a case-sensitive glob; `!pattern` excludes.  A list takes what one of its patterns matches and no
`!pattern` does; a list of exclusions alone takes everything else, and an absent list everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

from xnatsync.core.inventory import Owner, OwnerKind, ResourceSeen
from xnatsync.core.misread import Misread
from xnatsync.core.modality import check_pattern, modality_of, words_of

Tier = Literal["project", "subject", "session", "scan"]
TIERS: tuple[Tier, ...] = ("project", "subject", "session", "scan")
_RELATIVE = re.compile(r"last\s+(\d{1,5})\s*d")
_CLASS = re.compile(r"\[!?+\]?+[^\]]*+\]")  # as fnmatch reads it
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATES = 'write "2024-01-01..2024-06-30", "2024-01-01..", "..2024-06-30", "2024-05-17" or "last 30d"'


@dataclass(frozen=True, slots=True)
class Patterns:
    """A list of patterns for one-line texts: labels, IDs, types."""

    taken: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Read patterns; ValueError for one that could match nothing that was meant."""
        taken, left = _split(texts)
        for text in (*taken, *left):
            _check_glob(text)
        return cls(taken, left)

    def match(self, *texts: str) -> bool:
        """Return whether something is taken that goes by one or several names."""
        if any(fnmatchcase(text, pattern) for text in texts for pattern in self.left):
            return False
        return not self.taken or any(fnmatchcase(text, pattern) for text in texts for pattern in self.taken)

    def __bool__(self) -> bool:
        return bool(self.taken or self.left)


@dataclass(frozen=True, slots=True)
class PathPatterns:
    """A list of patterns for paths: `*` stays within a folder, `**` stands for any number of folders, also none."""

    taken: tuple[tuple[str, ...], ...] = ()
    left: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Read patterns; ValueError for one that could match no path."""
        taken, left = _split(texts)
        return cls(tuple(map(_segments, taken)), tuple(map(_segments, left)))

    def match(self, path: str) -> bool:
        """Return whether a path is taken."""
        parts = path.split("/")
        if any(_match_path(pattern, parts) for pattern in self.left):
            return False
        return not self.taken or any(_match_path(pattern, parts) for pattern in self.taken)

    def __bool__(self) -> bool:
        return bool(self.taken or self.left)


@dataclass(frozen=True, slots=True)
class Span:
    """Days from first to last, both included.  `days` instead: so many days up to and with the day of the run."""

    first: date = date.min
    last: date = date.max
    days: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range of days; ValueError says how they are written."""
        if (relative := _RELATIVE.fullmatch(text.strip())) is not None:
            if not (days := int(relative[1])):
                raise ValueError(f"{text!r} is no day at all: {_DATES}")
            return cls(days=days)
        first, dots, last = text.strip().partition("..")
        if not first and not last:
            raise ValueError(f"{text!r} is not a range of days: {_DATES}")
        span = cls(
            _day(first, text) if first else date.min,
            (_day(last, text) if last else date.max) if dots else _day(first, text),
        )
        if span.first > span.last:
            raise ValueError(f"{text!r} ends before it begins")
        return span

    def on(self, today: date, *, ahead: bool = False) -> Self:
        """Return the days that a relative range means on some day; `ahead`: also those to come."""
        if self.days is None:
            return self
        since = today.toordinal() - self.days + 1
        return type(self)(date.fromordinal(max(since, 1)), date.max if ahead else today)

    def match(self, day: date) -> bool:
        """Return whether a day lies in it; a relative range must be fixed by `on` before."""
        if self.days is not None:
            raise ValueError("a relative range of days means nothing without the day it is read on")
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Days:
    """A list of ranges of days.  An unknown day is in none of them."""

    taken: tuple[Span, ...] = ()
    left: tuple[Span, ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Read ranges; ValueError says how they are written."""
        taken, left = _split(texts)
        return cls(tuple(map(Span.parse, taken)), tuple(map(Span.parse, left)))

    def match(self, text: str) -> bool:
        """Return whether a day, `2024-05-17`, is taken."""
        try:
            day = date.fromisoformat(text[:10])
        except ValueError:
            return not self.taken
        return not any(span.match(day) for span in self.left) and (
            not self.taken or any(span.match(day) for span in self.taken)
        )

    def on(self, today: date, *, ahead: bool = False) -> Self:
        """Fix relative ranges."""
        taken, left = (tuple(span.on(today, ahead=ahead) for span in spans) for spans in (self.taken, self.left))
        return type(self)(taken, left)

    def __bool__(self) -> bool:
        return bool(self.taken or self.left)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a route takes: everything that every key takes.

    What a key asks about must be there: `scans` is asked of resources of scans alone, `sessions` of sessions alone, so
    that a selection of scans leaves the resources of their session where they are wanted by the other keys.
    """

    subjects: Patterns = Patterns()
    sessions: Patterns = Patterns()
    types: Patterns = Patterns()
    modalities: Patterns = Patterns()
    dates: Days = Days()
    scans: Patterns = Patterns()
    scan_types: Patterns = Patterns()
    qualities: Patterns = Patterns()
    resources: Patterns = Patterns()
    files: PathPatterns = PathPatterns()
    levels: frozenset[Tier] = frozenset(TIERS)
    said: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)  # as it was written

    @classmethod
    def parse(cls, *, levels: Sequence[str] = TIERS, today: date | None = None, **keys: Sequence[str]) -> Selection:
        """Read all keys, each a list of texts; ValueError begins with the key that is wrong.

        Relative days are fixed when `today` is given, else by `on` before the selection is asked.
        """
        parts: dict[str, Any] = {}
        for key, texts in keys.items():
            if key not in KEYS:
                raise Misread(key, "there is no such key")
            try:
                parts[key] = KEYS[key].parse(texts)
                for text in texts if key == "modalities" else ():
                    check_pattern(text.removeprefix("!"))
            except ValueError as error:
                raise Misread(key, str(error)) from None
        if unknown := [level for level in levels if level not in TIERS]:
            raise Misread("levels", f"{unknown[0]!r} is not a level: {', '.join(TIERS)}")
        if not levels:
            raise Misread("levels", "an empty list would take nothing")
        tiers = frozenset(tier for tier in TIERS if tier in levels)
        said = tuple((key, tuple(keys[key])) for key in KEYS if keys.get(key))
        found = cls(**parts, levels=tiers, said=said)
        return found if today is None else found.on(today)

    def on(self, today: date, *, ahead: bool = False) -> Selection:
        """Return the same selection with `last 30d` meaning the days up to this one; `ahead`: and any that follows."""
        return replace(self, dates=self.dates.on(today, ahead=ahead))

    @property
    def kinds(self) -> frozenset[OwnerKind]:
        """Say which owners must be listed; a scan's resources come with its session."""
        tiers = {"session" if tier == "scan" else tier for tier in self.levels}
        return frozenset(OwnerKind(tier) for tier in tiers)

    def wants_owner(self, owner: Owner) -> bool:
        """Return whether an owner is taken at all; of a session, its own resources or those of its scans."""
        return owner.kind in self.kinds and self.key_against_owner(owner) is None

    def key_against_owner(self, owner: Owner) -> str | None:
        """Name the first key that leaves an owner out; None when all of them take it."""
        if owner.kind is OwnerKind.PROJECT:
            return None
        if not self.subjects.match(owner.subject):
            return "subjects"
        if owner.kind is OwnerKind.SUBJECT:
            return None
        verdicts = {
            "sessions": self.sessions.match(owner.session),
            "types": self.types.match(owner.xsi_type, owner.xsi_type.rpartition(":")[2]),
            "modalities": self.modalities.match(*words_of(owner.modality or modality_of(owner.xsi_type))),
            "dates": self.dates.match(owner.date),
        }
        return next((key for key, taken in verdicts.items() if not taken), None)

    def wants_resource(self, owner: Owner, seen: ResourceSeen) -> bool:
        """Return whether a resource of an owner is taken."""
        tier = "scan" if seen.key.scan else owner.kind.value
        if tier not in self.levels or not self.wants_owner(owner) or not self.resources.match(seen.key.label):
            return False
        return not seen.key.scan or (
            self.key_against_scan(seen.key.scan, seen.scan_type, seen.scan_description) is None
            and self.qualities.match(seen.quality)
        )

    def key_against_scan(self, scan: str, *types: str) -> str | None:
        """Name the key that leaves a scan out, by its ID and by what it is called; None when both take it."""
        if not self.scans.match(scan):
            return "scans"
        return None if self.scan_types.match(*filter(None, types)) else "scan_types"

    def wants_file(self, name: str) -> bool:
        """Return whether a file is taken; the name is its path within the resource."""
        return self.files.match(name)

    def describes(self) -> str:
        """Say it in a line: `resources NIFTI, BIDS; dates last 30d; of scans`."""
        parts = [f"{key} {', '.join(texts)}" for key, texts in self.said]
        if len(self.levels) < len(TIERS):
            parts.append("of " + ", ".join(f"{tier}s" for tier in TIERS if tier in self.levels))
        return "; ".join(parts) or "everything"


KEYS: dict[str, type[Patterns | PathPatterns | Days]] = {
    part.name: {"dates": Days, "files": PathPatterns}.get(part.name, Patterns)
    for part in fields(Selection)
    if part.name not in {"levels", "said"}
}


# --- reading and matching ----------------------------------------------------------------------------------------


def _split(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    for text in texts:
        if not text.removeprefix("!"):
            raise ValueError(f'{text!r} matches nothing: leave it out, or write "*"')
    return (
        tuple(text for text in texts if not text.startswith("!")),
        tuple(text[1:] for text in texts if text.startswith("!")),
    )


def _check_glob(text: str) -> None:
    """An open bracket would be taken literally, and never match what was meant."""
    if "[" in _CLASS.sub("", text):
        raise ValueError(f"{text!r}: `[` is not closed; write `[[]` for the character itself")
    if any(not char.isprintable() for char in text):
        raise ValueError(f"{text!r} holds a control character")


def _segments(text: str) -> tuple[str, ...]:
    parts = tuple(text.split("/"))
    _check_glob(text)
    for part in parts:
        _check_glob(part)
        if part in {"", ".", ".."}:
            raise ValueError(f"{text!r} matches nothing: a path in a resource has no empty folder, `.` or `..`")
        if "**" in part and part != "**":
            raise ValueError(f"{text!r}: `**` stands between slashes, as in `**/*.nii.gz`")
    return parts


def _match_path(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Match folder by folder; `reached` are the places in the path up to which the pattern so far may have gone."""
    reached = {0}
    for number, piece in enumerate(pattern, 1):
        if piece == "**":  # at the end it means what lies in a folder, not a file of the folder's name
            reached = set(range(min(reached) + (number == len(pattern)), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], piece)}
        if not reached:
            return False
    return len(parts) in reached


def _day(text: str, whole: str) -> date:
    if not _DAY.fullmatch(text.strip()):
        raise ValueError(f"{whole!r} is not a range of days: {_DATES}")
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{whole!r}: there is no such day") from None
