"""Manifests and schedules as files: read with the line of whatever is wrong, written so that they can be read."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from xnatsync.app.named_files import write_whole
from xnatsync.core.audit import Expected, Scheduled
from xnatsync.core.cells import cell, uncelled
from xnatsync.core.encoding import SAVE_AS_UTF8, not_utf8, wide_encoding
from xnatsync.core.errors import ListInvalid
from xnatsync.core.nouns import SessionHeld

TEXT_MAX = 64 << 20  # bytes
SCANS_MAX = 1_000_000
_MANIFEST = ("session", "scans", "subject")
_DAYS = ("acquired", "scheduled", "date")  # the first that is there counts
_SCHEDULE = ("session", "subject", *_DAYS)
_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:')


# --- the manifest ------------------------------------------------------------------------------------------------


def read_manifest(path: Path) -> list[Expected]:
    """Read `{"MR001": 12}`, or a CSV with `session,scans[,subject]`; ListInvalid names file, line and remedy."""
    text = _text(path)
    if path.suffix.lower() == ".csv" or (path.suffix.lower() != ".json" and not text.lstrip().startswith(("{", "["))):
        return _once(path, _csv_manifest(path, text))
    return [Expected(label, count) for label, count in _json_manifest(path, text).items()]


def _json_manifest(path: Path, text: str) -> dict[str, int]:
    pairs: list[tuple[str, Any]] = []

    def note(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = found  # the outermost object comes last
        return dict(found)

    try:
        document = json.loads(text, object_pairs_hook=note)
    except json.JSONDecodeError as error:
        _refuse(path, error.lineno, f"it is no JSON: {error.msg}", 'Write {"MR001": 12, "MR002": 12}.')
    except (RecursionError, ValueError):  # lists in lists in lists, numbers of thousands of digits
        _refuse(path, 1, "its lists are too deep, or its numbers too long", 'Write {"MR001": 12, "MR002": 12}.')
    if not isinstance(document, dict):
        _refuse(path, 1, "it is no object", 'Write {"MR001": 12, "MR002": 12}: a session label, and how many scans.')
    seen: set[str] = set()
    for label, count in pairs:
        if label in seen:
            _refuse(
                path, _line(text, label, second=True), f"session {label!r} stands there twice", "Remove one of them."
            )
        seen.add(label)
        if not label:
            _refuse(path, _line(text, label), "a session has no label", "Write its label.")
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= SCANS_MAX:
            words = f"session {label!r}: the number of scans must be a whole number from 0"
            _refuse(path, _line(text, label), words, "Write the number of scans, without quotes.")
    return dict(pairs)


def _line(text: str, label: str, *, second: bool = False) -> int:
    """Return the line on which a label stands as a key; the manifest is flat, so every key is one of its own."""
    at = [found.start() for found in _KEY.finditer(text) if _spelled(found.group(1)) == label]
    place = at[1 if second and len(at) > 1 else 0] if at else 0
    return text.count("\n", 0, place) + 1


def _spelled(raw: str) -> str:
    try:
        return str(json.loads(f'"{raw}"'))
    except ValueError:
        return raw


def _csv_manifest(path: Path, text: str) -> Iterator[tuple[int, Expected]]:
    for line, row in _rows(path, text, _MANIFEST, [("session",), ("scans",)]):
        if not row["session"]:
            _refuse(path, line, "a session has no label", "Write its label into the column session.")
        said = row["scans"]
        if not re.fullmatch(r"[0-9]{1,7}", said) or int(said) > SCANS_MAX:
            words = f"session {row['session']!r}: the number of scans must be a whole number from 0"
            _refuse(path, line, words, "Write the number of scans into the column scans.")
        yield line, Expected(row["session"], int(said), row.get("subject", ""))


def _once(path: Path, listed: Iterable[tuple[int, Expected]]) -> list[Expected]:
    found: dict[str, Expected] = {}
    for line, expected in listed:
        if expected.session in found:
            _refuse(path, line, f"session {expected.session!r} stands there twice", "Remove one of them.")
        found[expected.session] = expected
    return list(found.values())


def write_manifest(path: Path, held: Mapping[SessionHeld, int], *, force: bool) -> None:
    """Write what is on the server now, as CSV if the name ends so, else as JSON; PlaceTaken when the file is there."""
    listed = sorted((session.label, count, session.subject) for session, count in held.items())
    if path.suffix.lower() == ".csv":
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows(
            [_MANIFEST, *((cell(label), count, cell(subject)) for label, count, subject in listed)]
        )
        text = lines.getvalue()
    else:
        text = json.dumps({label: count for label, count, _ in listed}, indent=2) + "\n"
    write_whole(path, text, force=force)


# --- the schedule ------------------------------------------------------------------------------------------------


def read_schedule(path: Path) -> list[Scheduled]:
    """Read a CSV with `session` or `subject` (or both), and a day: `acquired`, `scheduled` or `date`."""
    found: list[Scheduled] = []
    seen: set[str] = set()
    for line, row in _rows(path, _text(path), _SCHEDULE, [("session", "subject"), _DAYS]):
        session, subject = row.get("session", ""), row.get("subject", "")
        if not session and not subject:
            _refuse(path, line, "neither a session nor a subject is named", "Name the session, or the subject.")
        if session and session in seen:
            _refuse(path, line, f"session {session!r} stands there twice", "Remove one of them.")
        seen.add(session)
        said = next((row[name] for name in _DAYS if row.get(name)), "")
        found.append(Scheduled(session, subject, _day(path, line, said)))
    return found


def _day(path: Path, line: int, said: str) -> date:
    try:
        return date.fromisoformat(said[:10] if "T" in said or " " in said else said)
    except ValueError:
        _refuse(path, line, f"{said!r} is no day" if said else "the day is missing", "Write it as 2026-03-02.")


# --- any CSV -----------------------------------------------------------------------------------------------------


def _rows(
    path: Path, text: str, known: tuple[str, ...], needed: Iterable[tuple[str, ...]]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Return each row with its line; every column must be known, and one of each group in `needed` must be there."""
    remedy = f"Write a header with columns of {', '.join(known)}, separated by commas."
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().casefold() for name in next(reader, [])]
        if ";" in ",".join(header):
            _refuse(path, 1, "its columns are separated by semicolons", remedy)
        if strange := [name for name in header if name not in known]:
            _refuse(path, 1, f"the header has a column {strange[0]!r}", remedy)
        if len(set(header)) != len(header):
            _refuse(path, 1, "the header names a column twice", remedy)
        for group in needed:
            if not set(group) & set(header):
                _refuse(path, 1, f"the header lacks the column {' or '.join(group)}", remedy)
        for row in reader:
            if not any(uncelled(text.strip()) for text in row):
                continue
            if len(row) != len(header):
                words = f"there are {len(row)} columns, and the header has {len(header)}"
                _refuse(path, reader.line_num, words, "Complete the line; a text with a comma stands in quotes.")
            yield reader.line_num, dict(zip(header, (uncelled(text.strip()) for text in row), strict=True))
    except csv.Error as error:
        _refuse(path, reader.line_num, f"it is no CSV: {error}", remedy)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(TEXT_MAX + 1)
    except OSError as error:
        raise ListInvalid(
            f"{path} cannot be read: {error.strerror or type(error).__name__}",
            advice="Name a file that is there; `xnatsync audit --init FILE` writes a manifest.",
        ) from error
    if len(raw) > TEXT_MAX:
        _refuse(path, 1, "it is larger than any manifest", "Name another file.")
    if wide_encoding(raw) is not None:
        _refuse(path, 1, not_utf8(raw), SAVE_AS_UTF8)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(path, raw.count(b"\n", 0, error.start) + 1, not_utf8(raw), SAVE_AS_UTF8)


def _refuse(path: Path, line: int, words: str, remedy: str) -> NoReturn:
    raise ListInvalid(f"{path}:{line}: {words}", advice=remedy)
