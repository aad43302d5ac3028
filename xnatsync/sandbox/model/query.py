"""A listing's query: columns, filters and paging compiled to a plan, and the rows it gives (hierarchy.md §3.3–3.5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from xnatsync.sandbox.model.columns import Column, Unjoinable, column
from xnatsync.sandbox.model.filters import Accepts, accepts
from xnatsync.sandbox.model.joins import Joined, Plan, joined_rows
from xnatsync.sandbox.model.schema import element
from xnatsync.sandbox.model.shortcuts import ROOT_ELEMENTS, SHORTCUTS

_ROOTS_PER_TURN = 50


@dataclass(slots=True)
class Query:
    """What a request asks of a listing, after its query string was read."""

    root: str  # "project", "subject", "experiment", "scan", "assessor"
    xsi_type: str = ""  # of the root; "" = the listing's own default
    columns: Sequence[str] = ()  # asked for; empty = defaults
    defaults: Sequence[str] = ()
    filters: Sequence[tuple[str, str]] = ()  # name and (XML-escaped) value; names that mean nothing are skipped
    limit: int | None = None
    offset: int = 0
    paged: bool = False
    uri: bool = True


@dataclass(slots=True)
class Compiled:
    """The query with its names resolved."""

    columns: list[Column]
    tests: list[tuple[Column, Accepts]]
    plan: Plan
    multiplied: bool = False  # filters join more than the columns do
    names: list[str] = field(default_factory=list)


def compiled(query: Query) -> Compiled:
    """Resolves the names; raises `Unjoinable` for a path nothing joins and `BadFilter` for an unreadable value."""
    if query.xsi_type and element(query.xsi_type) is None:
        raise Unjoinable(query.xsi_type)
    plan = Plan()
    asked: list[str] = []
    for name in query.columns:
        asked += query.defaults if name == "DEFAULT" else [name]
    wanted = [name for name in asked or query.defaults if name != "URI"]
    columns = [found for name in wanted if (found := column(query.root, name, plan))]
    columns = _with_root_key(query, columns, wanted, plan)
    before = _joins(plan)
    tests = []
    for name, text in query.filters:
        if "/" not in name and name not in SHORTCUTS[query.root]:
            continue
        found = column(query.root, name, plan)
        test = accepts(found.type, text) if found else None
        if found and test:
            tests.append((found, test))
    unique = {item.key: item for item in columns}
    names = [*unique, *(["URI"] if query.uri else [])]
    return Compiled(list(unique.values()), tests, plan, _joins(plan) != before, names)


def _joins(plan: Plan) -> tuple[bool, ...]:
    tables = (plan.scans, plan.experiments, plan.assessors, plan.files)
    return tuple(bool(part) for part in (*tables, plan.resource_of, plan.variable_of, plan.share_of))


def _with_root_key(query: Query, columns: list[Column], wanted: Sequence[str], plan: Plan) -> list[Column]:
    """Adds the primary key of the root element under its own name; for image sessions it displaces `ID` (§3.4)."""
    root = (query.xsi_type or ROOT_ELEMENTS[query.root]).lower()
    if root == ROOT_ELEMENTS[query.root].lower() and query.root != "assessor":
        session = any(name.lower().startswith("xnat:imagesessiondata/") for name in wanted)
        return [_as_session_id(item) for item in columns] if session and query.root == "experiment" else columns
    if root == "xnat:imagesessiondata":
        return [_as_session_id(item) for item in columns]
    key = "xnat_imagescandata_id" if query.root == "scan" else "ID"
    primary = column(query.root, key, plan)
    return [*columns, *([Column(f"{root}/{key.lower()}", primary.value, primary.type)] if primary else [])]


def _as_session_id(item: Column) -> Column:
    return Column("session_ID", item.value, item.type) if item.key == "ID" else item


def rows_of(
    query: Compiled,
    roots: Iterable[Joined],
    lock: threading.RLock,
    *,
    paging: Query,
    allowed: Callable[[Joined], bool] = lambda _row: True,
) -> Iterator[dict[str, str]]:
    """Streams the rows.  The lock is held for some items at a time, never while the reader takes its time.

    LIMIT and OFFSET are applied to what the database gives, permissions only afterwards: pages may be short (§3.3).
    """
    stream = _product(query, roots, lock, allowed)
    if paging.paged:
        stop = None if paging.limit is None else paging.offset + paging.limit
        stream = islice(stream, paging.offset, stop)
    return (row for row in stream if row is not None)


def _product(
    query: Compiled, roots: Iterable[Joined], lock: threading.RLock, allowed: Callable[[Joined], bool]
) -> Iterator[dict[str, str] | None]:
    iterator = iter(roots)
    while turn := list(islice(iterator, _ROOTS_PER_TURN)):
        with lock:
            found = [row for root in turn for row in _rows_of_root(query, root, allowed)]
        yield from found


def _rows_of_root(query: Compiled, root: Joined, allowed: Callable[[Joined], bool]) -> Iterator[dict[str, str] | None]:
    readable = allowed(root)
    readers = [(item.key, item.value) for item in query.columns]
    seen: set[tuple[str, ...]] = set()
    for row in joined_rows(root, query.plan):
        if not all(test(item.value(row)) for item, test in query.tests):
            continue
        if not readable:
            yield None
            continue
        made = {key: value(row) for key, value in readers}
        if row.uri:
            made["URI"] = row.uri
        if query.multiplied:
            identity = tuple(made.values())
            if identity in seen:
                continue
            seen.add(identity)
        yield made
