"""Which series usually come with those that are there: learned from earlier exams of a route, which only ever delays.

An exam that is like this one is an earlier one that had all of the kinds of series that are here.  What every one of
the newest of them had as well may still be on its way.  Three are needed: fewer show no habit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.wording import counted

DESCRIPTION = "SeriesDescription"
ALIKE_MIN = 3  # exams, before anything is a habit
ALIKE_MAX = 10  # the newest of them count: protocols change
EXAMS_MAX = 60  # that are looked back on


def kinds_of(files: Iterable[ManifestFile]) -> dict[str, frozenset[str]]:
    """Return the descriptions of the series of each study, by its UID; a series without one says nothing."""
    found: dict[str, set[str]] = {}
    for file in files:
        if file.kind is Kind.DICOM and file.identity is not None:
            text = " ".join(file.tags.get(DESCRIPTION, "").split()).casefold()
            found.setdefault(file.identity.study_uid, set()).update({text} - {""})
    return {uid: frozenset(texts) for uid, texts in found.items()}


def absent(here: Collection[bytes], earlier: Sequence[Collection[bytes]]) -> tuple[int, int]:
    """Return how many kinds of series are not here that every exam like this one had, and how many exams are like it.

    `earlier`: the kinds of each, the newest first.
    """
    if not here:
        return 0, 0
    alike = [exam for exam in map(frozenset, earlier) if exam.issuperset(here)][:ALIKE_MAX]
    if len(alike) < ALIKE_MIN:
        return 0, len(alike)
    return len(frozenset.intersection(*alike).difference(here)), len(alike)


def words(missing: int, exams: int) -> str:
    """Say it for people; "" when nothing is missing."""
    if not missing:
        return ""
    return f"{counted(missing, 'series', 'series')} not there yet that the last {exams} exams like it had"
