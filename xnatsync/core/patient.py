"""Is it the same patient?  What the objects of a study say of whom they show, made comparable.

A name, a birth date or a sex never leaves this module's callers but as a salted digest.  What is empty says nothing;
a name is compared by family and given name alone, in whatever case and order they are written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from xnatsync.core.manifest import ManifestFile

NAME, BIRTH, SEX = "PatientName", "PatientBirthDate", "PatientSex"
KEYWORDS = frozenset({NAME, BIRTH, SEX})
WORDS = {NAME: "name", BIRTH: "birth date", SEX: "sex"}
_SEXES = frozenset({"M", "F"})  # `O` and what sites write for "not known" contradict nothing


def traits(files: Iterable[ManifestFile]) -> dict[str, frozenset[str]]:
    """Return what the objects say of their patient, by field: only what can be compared."""
    found: dict[str, set[str]] = {}
    for file in files:
        for keyword in KEYWORDS & file.tags.keys():
            if text := _comparable(keyword, file.tags[keyword]):
                found.setdefault(keyword, set()).add(text)
    return {keyword: frozenset(texts) for keyword, texts in found.items()}


def contradicting(one: Mapping[str, Collection[object]], other: Mapping[str, Collection[object]]) -> tuple[str, ...]:
    """Name the fields in which two patients cannot be the same: both say something, and nothing of it is equal."""
    return tuple(key for key in sorted(one.keys() & other.keys()) if not set(one[key]) & set(other[key]))


def _comparable(keyword: str, text: str) -> str:
    text = text.strip()
    if keyword == NAME:
        family, _, rest = text.partition("=")[0].partition("^")
        parts = re.split(r"[\s,]+", f"{family} {rest.partition('^')[0]}".casefold())
        return " ".join(sorted(part for part in parts if any(map(str.isalnum, part))))
    if keyword == SEX:
        return text.upper() if text.upper() in _SEXES else ""
    digits = re.sub(r"[.\-]", "", text)
    return digits if len(digits) == 8 and digits.isascii() and digits.isdigit() and digits.strip("0") else ""
