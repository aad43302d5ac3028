"""Names that XNAT accepts: labels of subjects and sessions, templates that make them from header fields, file names.

A label that XNAT would change or refuse later is found here, before anything is sent (import.md §4.4).  No message of
this module contains a header's value: it names the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xnatsync.core.errors import LabelUnusable

MAX_LABEL = 255  # characters: as wide as XNAT's text columns, and as long as the folder of that name may be called
_CLEANED = str.maketrans(dict.fromkeys("`~@#$%^&*()+=[]{}|\\/?:;',.<> ", "_"))
_VALID = re.compile(r"[A-Za-z0-9_-]+")
_SENT = re.compile(r"[A-Za-z0-9._-]+")
_FIELD = re.compile(r"[A-Z][A-Za-z0-9]*|\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)")
_GIVEN = re.compile(r"table\.[^{}|:']+|[a-z][a-z0-9_]*")  # what a rule found: a column of its table, a group


def clean_label(text: str) -> str:
    """Replace what XNAT replaces when it archives: its list of punctuation and the blank become `_` (import.md §4.4).

    Everything else survives, so the result need not be valid: XNAT refuses `!`, `"`, accents and line ends on saving.
    """
    return text.translate(_CLEANED)


def is_valid_label(text: str) -> bool:
    """Return whether XNAT saves a subject or session under this label as it is, and keep all of it."""
    return len(text) <= MAX_LABEL and _VALID.fullmatch(text) is not None


def is_sent_label(text: str) -> bool:
    """Return whether an address holds this label as it is; XNAT would keep any other encoded (hierarchy.md §1.6)."""
    return _SENT.fullmatch(text) is not None


def suffixed(label: str, number: int) -> str:
    """Return the label of the `number`-th study that wants it: `label_2`; shortened where it would grow too long."""
    suffix = f"_{number}"
    return label[: MAX_LABEL - len(suffix)] + suffix


def member_name(sop_uid: str) -> str:
    """Name a DICOM object inside an upload; XNAT keeps the name, so that a plain listing shows what arrived."""
    return f"{stored_name(sop_uid)}.dcm"


PACKED_ENDINGS = (".gz", ".bz2", ".xz")


def unpacked_name(name: str) -> str:
    """Give the name that a file had before it was packed: `IM1.dcm.gz` → `IM1.dcm`."""
    ending = next((ending for ending in PACKED_ENDINGS if name.lower().endswith(ending)), "")
    return name[: -len(ending)] if ending and len(name) > len(ending) else name


def stored_name(name: str) -> str:
    r"""Predict the name under which XNAT stores an uploaded member: its base name, `[^\w.-]` → `_` (import.md §4.6).

    Never a step in a path: what would be empty or dots alone is made of underscores.
    """
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", name.rpartition("/")[2])
    return safe if safe.strip(".") else "_" * max(1, len(safe))


@dataclass(frozen=True, slots=True)
class Pick:
    """One way to fill a place: a literal, or a header field, or what a regular expression finds in it."""

    literal: str = ""
    keyword: str = ""
    pattern: re.Pattern[str] | None = None

    def value(self, tags: Mapping[str, str]) -> str:
        """Return the text, "" when the field is missing, says nothing (`***`), or does not match."""
        if not self.keyword:
            return self.literal
        text = tags.get(self.keyword, "").strip()
        if self.pattern is not None:
            found = self.pattern.search(text)
            text = "" if found is None else (found.group(1) if self.pattern.groups else found.group()) or ""
            text = text.strip()
        return text if any(map(str.isalnum, text)) else ""


@dataclass(frozen=True, slots=True)
class Template:
    """How to make a label from header fields: `{PatientID}_{Modality}_{StudyDate}`.

    A part is fixed text, or alternatives of which the first that yields something counts: `{PatientID|StudyID|'anon'}`.
    A regular expression picks a part of a field, its first group or else the whole match: `{PatientID:^([A-Z]+)-}`;
    in it `|` stands inside a group or class, because outside it begins the next alternative.
    """

    text: str
    parts: tuple[str | tuple[Pick, ...], ...]

    @classmethod
    def parse(cls, text: str, *, given: bool = False) -> Template:
        """Read a template; ValueError names the position (counted from 1) of what is wrong.

        With `given`, places may also name what a rule found: `{number}`, a group of a regular expression, or
        `{table.label}`, a column of its lookup table.
        """
        parts: list[str | tuple[Pick, ...]] = []
        at = 0
        while at < len(text):
            if text[at] == "{":
                picks, at = _read_place(text, at + 1, given=given)
                parts.append(picks)
            elif text[at] == "}":
                raise _wrong(at, "`}` without `{`")
            else:
                end = min(
                    (found for found in (text.find("{", at), text.find("}", at)) if found >= 0), default=len(text)
                )
                _check_literal(text[at:end], at)
                parts.append(text[at:end])
                at = end
        if not parts:
            raise _wrong(0, "the template is empty")
        return cls(text, tuple(parts))

    @property
    def keywords(self) -> frozenset[str]:
        """List the header fields that are read."""
        return frozenset(name for name in self._names if not _GIVEN.fullmatch(name))

    @property
    def given(self) -> frozenset[str]:
        """List what a rule must have found: names of groups, and `table.column`."""
        return frozenset(name for name in self._names if _GIVEN.fullmatch(name))

    @property
    def _names(self) -> Iterator[str]:
        return (pick.keyword for part in self.parts if not isinstance(part, str) for pick in part if pick.keyword)

    def raw(self, tags: Mapping[str, str]) -> str:
        """Fill the places and change nothing: for what is looked up; LabelUnusable when a field yields nothing."""
        return "".join(part if isinstance(part, str) else _fill(part, tags) for part in self.parts)

    def render(self, tags: Mapping[str, str]) -> str:
        """Make the label; LabelUnusable when a field yields nothing or XNAT would not keep the result."""
        label = clean_label("".join(part if isinstance(part, str) else _fill(part, tags) for part in self.parts))
        fields = " or ".join(sorted(self.keywords)) or "the fixed text"
        if len(label) > MAX_LABEL:
            raise LabelUnusable(
                f"{self.text} yields {len(label)} characters, and a label may have {MAX_LABEL}",
                advice=f"Pick a part of {fields} with a regular expression, such as {{PatientID:^(.{{1,16}})}}.",
            )
        if not is_valid_label(label):
            raise LabelUnusable(
                f"{self.text} yields characters that XNAT refuses in a label (it takes A-Z a-z 0-9 _ -)",
                advice=f"Correct {fields} at the scanner and export again, or change the template of the route.",
            )
        if not any(map(str.isalnum, label)):
            raise LabelUnusable(f"{self.text} yields punctuation only")
        return label


def _fill(picks: tuple[Pick, ...], tags: Mapping[str, str]) -> str:
    for pick in picks:
        if value := pick.value(tags):
            return value
    raise LabelUnusable(
        "; ".join(_why_nothing(pick, tags) for pick in picks if pick.keyword),
        advice=(
            "Correct the field at the scanner and export again, or give the template of the route another one to fall "
            f"back on: {{{picks[0].keyword}|StudyID}}."
        ),
    )


def _why_nothing(pick: Pick, tags: Mapping[str, str]) -> str:
    text = tags.get(pick.keyword)
    if _GIVEN.fullmatch(pick.keyword):
        return f"the rule found nothing usable for {pick.keyword}"
    if text is None:
        return f"the header has no {pick.keyword}"
    if not text.strip():
        return f"{pick.keyword} is empty"
    if not any(map(str.isalnum, text)):
        return f"{pick.keyword} is only punctuation"
    pattern = pick.pattern.pattern if pick.pattern is not None else ""
    return f"{pattern} finds nothing in {pick.keyword}"


# --- reading a template ------------------------------------------------------------------------------------------


def _wrong(at: int, what: str) -> ValueError:
    return ValueError(f"at position {at + 1}: {what}")


def _check_literal(text: str, at: int) -> None:
    """Fixed text that XNAT would refuse is a mistake in the configuration, not in the data."""
    for offset, char in enumerate(clean_label(text)):
        if not _VALID.fullmatch(char):
            raise _wrong(at + offset, f"XNAT refuses {char!r} in a label")


def _read_place(text: str, at: int, *, given: bool) -> tuple[tuple[Pick, ...], int]:
    """Read alternatives up to the closing brace; return them and the position behind it."""
    opened = at - 1
    picks: list[Pick] = []
    while True:
        pick, at = _read_pick(text, at, opened, given=given)
        picks.append(pick)
        if at >= len(text):
            raise _wrong(opened, "`{` is not closed")
        if text[at] == "}":
            return tuple(picks), at + 1
        if text[at] != "|":
            raise _wrong(at, "expected `|` or `}`")
        at += 1


def _read_pick(text: str, at: int, opened: int, *, given: bool) -> tuple[Pick, int]:
    if text.startswith("'", at):
        end = text.find("'", at + 1)
        if end < 0:
            raise _wrong(at, "the quote is not closed")
        if end == at + 1:
            raise _wrong(at, "an empty text is never used")
        _check_literal(text[at + 1 : end], at + 1)
        return Pick(literal=text[at + 1 : end]), end + 1
    field = _FIELD.match(text, at) or (_GIVEN.match(text, at) if given else None)
    if field is None:
        if at >= len(text):
            raise _wrong(opened, "`{` is not closed")
        raise _wrong(at, "expected a DICOM keyword such as PatientID, (gggg,eeee), or a 'text'")
    end = field.end()
    if not text.startswith(":", end):
        return Pick(keyword=field.group()), end
    start, end = end + 1, _end_of_pattern(text, end + 1)
    if end >= len(text):
        raise _wrong(opened, "`{` is not closed")
    if start == end:
        raise _wrong(start, "the regular expression is empty")
    try:
        return Pick(keyword=field.group(), pattern=re.compile(text[start:end])), end
    except re.error as error:
        raise _wrong(start + (error.pos or 0), f"not a regular expression: {error.msg}") from None


def _end_of_pattern(text: str, at: int) -> int:
    """Find the `}` or `|` that ends a regular expression: the first outside its classes, groups and escapes."""
    depth, in_class = 0, False
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
            continue
        if in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            at += text.startswith("^", at + 1)
            at += text.startswith("]", at + 1)  # a bracket in first place is meant literally
        elif char in "({":
            depth += 1
        elif depth == 0 and char in "}|":
            return at
        elif char in ")}":
            depth -= 1
        at += 1
    return len(text)
