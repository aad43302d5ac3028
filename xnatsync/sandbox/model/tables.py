"""Tables as XNAT writes them: the ResultSet envelope in JSON, CSV, XML and HTML (hierarchy.md §3.1)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain, islice

Row = Mapping[str, object]

CONTENT_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "xml": "text/xml",
    "html": "text/html",
}
_ROWS_PER_PIECE = 200
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class _About:
    """What a listing says besides its rows."""

    names: list[str]
    meta: dict[str, object]
    total: bool  # says how many rows there are
    described: Sequence[Mapping[str, object]]


def render_table(
    rows: Iterable[Row],
    fmt: str,
    *,
    title: str = "",
    total: bool = True,
    columns: Sequence[str] | None = None,
    described: Sequence[Mapping[str, object]] = (),
    extra: Mapping[str, object] | None = None,
) -> tuple[str, Iterator[bytes]]:
    """Return the content type and the streamed text of a listing.

    `title` is left out when empty, `totalRecords` when `total` is false (paged listings and files have none).
    `columns` fixes the header of CSV, XML and HTML, else the first row's keys are it.  `described` becomes the JSON
    key `Columns`, which comes first; `extra` adds further keys beside `Result` (searches: ID, rootElementName).
    Every value is a string; None is "".  An unknown format raises KeyError: XNAT has no representation for it.
    """
    writer = _WRITERS[fmt]
    head, rest = _peek(rows)
    names = list(columns) if columns is not None else list(head[0]) if head else []
    meta: dict[str, object] = dict(extra or {})
    if title:
        meta["title"] = title
    return CONTENT_TYPES[fmt], writer(chain(head, rest), _About(names, meta, total, described))


def text_of(value: object) -> str:
    """Write one value as XNAT does: NULL is empty, everything else its text."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def sorted_rows(rows: Iterable[Row], sort_by: str, descending: bool) -> list[Row]:
    """Sort in memory by a comma list of columns, as text or, where every value is a number, by number (§3.3)."""
    result = list(rows)
    for name in reversed([part for part in sort_by.split(",") if part]):
        values = [text_of(row.get(name)) for row in result]
        numeric = all(value.removeprefix("-").isdigit() for value in values if value)
        result.sort(key=_numeric_key(name) if numeric else _text_key(name), reverse=descending)
    return result


def _text_key(name: str) -> Callable[[Row], str]:
    return lambda row: text_of(row.get(name))


def _numeric_key(name: str) -> Callable[[Row], int]:
    return lambda row: int(text_of(row.get(name)) or 0)


def _peek(rows: Iterable[Row]) -> tuple[list[Row], Iterator[Row]]:
    iterator = iter(rows)
    return list(islice(iterator, 1)), iterator


def _json(rows: Iterator[Row], about: _About) -> Iterator[bytes]:
    lead = f'"Columns":{_ENCODE(list(about.described))},' if about.described else ""
    yield f'{{"ResultSet":{{{lead}"Result":['.encode()
    count = 0
    while piece := list(islice(rows, _ROWS_PER_PIECE)):
        texts = [{key: text_of(value) for key, value in row.items()} for row in piece]
        # one call of the encoder per piece: thousands of rows must not become thousands of writes
        yield ((",\n" if count else "") + _ENCODE(texts)[1:-1]).encode()
        count += len(piece)
    tail = "".join(f', "{key}": {_ENCODE(value)}' for key, value in about.meta.items())
    if about.total:
        tail += f', "totalRecords": "{count}"'
    yield f"]{tail}}}}}".encode()


def _csv(rows: Iterator[Row], about: _About) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(about.names)
    while True:
        piece = list(islice(rows, _ROWS_PER_PIECE))
        writer.writerows([text_of(row.get(name)) for name in about.names] for row in piece)
        yield buffer.getvalue().encode()
        if not piece:
            return
        buffer.seek(0)
        buffer.truncate()


def _xml(rows: Iterator[Row], about: _About) -> Iterator[bytes]:
    everything = list(rows)
    heads = {**({"totalRecords": str(len(everything))} if about.total else {}), **about.meta}
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in heads.items() if isinstance(value, str))
    header = "".join(f"<column>{escape(name)}</column>" for name in about.names)
    yield f"<ResultSet{attributes}><results><columns>{header}</columns><rows>".encode()
    for row in everything:
        yield f"<row>{''.join(f'<cell>{escape(text_of(row.get(name)))}</cell>' for name in about.names)}</row>".encode()
    yield b"</rows></results></ResultSet>"


def _html(rows: Iterator[Row], about: _About) -> Iterator[bytes]:
    header = "".join(f"<th>{escape(name)}</th>" for name in about.names)
    yield f"<html><body><table><tr>{header}</tr>".encode()
    for row in rows:
        yield f"<tr>{''.join(f'<td>{escape(text_of(row.get(name)))}</td>' for name in about.names)}</tr>".encode()
    yield b"</table></body></html>"


_WRITERS = {"json": _json, "csv": _csv, "xml": _xml, "html": _html}
