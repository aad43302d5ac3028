"""A table of old and new labels that a person wrote: all of it is text, so that no zero of an ID is lost."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from xnatsync.core.errors import Usage
from xnatsync.disk.failures import our_disk

_HEADINGS = ({"old", "from", "old_label", "source", "current"}, {"new", "to", "new_label", "target"})
_SEPARATORS = "\t;,"  # the first of them that the first line holds parts the lines


def read_mapping(path: Path) -> dict[str, str]:
    """Read a JSON object, or lines of two labels with a comma, a semicolon or a tab between; Usage names the line.

    A first line of headings is passed over, and so are empty lines and a byte order mark.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage(f"{path} is not UTF-8 text", advice="Save it as UTF-8.") from None
    except OSError as error:
        raise our_disk(error, f"reading {path}") from error
    return _from_json(path, text) if text.lstrip().startswith("{") else _from_lines(path, text)


def _from_json(path: Path, text: str) -> dict[str, str]:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Usage(f"{path}: an old label is there twice", advice="Keep one of the two.")
        return found

    try:
        table = json.loads(text, object_pairs_hook=once)
    except ValueError as error:
        raise Usage(f"{path} is no JSON: {error}", advice='Write {"OLD": "NEW"}.') from None
    if not all(isinstance(label, str) for label in table.values()):
        raise Usage(f"{path}: a new label is no text", advice="Put it in quotation marks: 007 is not 7.")
    return _checked(path, {str(old): str(new) for old, new in table.items()})


def _from_lines(path: Path, text: str) -> dict[str, str]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = next((sign for sign in _SEPARATORS if sign in first), ",")
    table = dict[str, str]()
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells) or (not table and _are_headings(cells)):
            continue
        if len(cells) != 2 or not all(cells):
            raise Usage(f"{path}:{reader.line_num}: not two labels", advice="Write OLD,NEW on each line.")
        if table.get(cells[0], cells[1]) != cells[1]:
            raise Usage(f"{path}:{reader.line_num}: {cells[0]} has two new labels", advice="Keep one of the two.")
        table[cells[0]] = cells[1]
    return _checked(path, table)


def _are_headings(cells: list[str]) -> bool:
    return len(cells) == 2 and all(cell.lower() in known for cell, known in zip(cells, _HEADINGS, strict=True))


def _checked(path: Path, table: dict[str, str]) -> dict[str, str]:
    if not table:
        raise Usage(f"{path} names no subject", advice="Write OLD,NEW on each line.")
    return table
