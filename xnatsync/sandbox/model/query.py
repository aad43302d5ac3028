"""A listing's query: columns, filters and paging compiled to a plan, and the rows it gives (hierarchy.md §3.3–3.5).

Which columns a listing answers with follows from four rules (§3.4): the root, raised by what is asked for; its key
column, asked for or not; `project` and `xsiType` of roots without rights of their own; and the names, by shortcut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from xnatsync.sandbox.model.columns import Column, Unjoinable, column
from xnatsync.sandbox.model.filters import Accepts, accepts
from xnatsync.sandbox.model.joins import Joined, Plan, joined_rows
from xnatsync.sandbox.model.schema import element, is_a, type_name
from xnatsync.sandbox.model.shortcuts import ROOT_ELEMENTS, SHORTCUTS

_ROOTS_PER_TURN = 50
_KEYS = {"scan": "xnat_imagescandata_id", "reconstruction": "xnat_reconstructedimagedata_id"}
"""The key of a root element; of all others it is ID."""


@dataclass(slots=True)
class Query:
    """What a request asks of a listing, after its query string was read."""

    root: str  # "project", "subject", "experiment", "scan", "assessor", "derived", "reconstruction"
    xsi_type: str = ""  # of the root; "" = the listing's own default, or what `root_element` finds
    names: Sequence[str] = ()  # of all columns and filters, in the order of the request: they may raise the root
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


def root_element(query: Query, default: str = "") -> str:
    """Find the type a listing is about (§3.4, rule 1).

    `xsiType` says so, or else the listing's default is raised by every name that belongs to a type extending it.
    """
    if query.xsi_type:
        return type_name(query.xsi_type)
    found = default or ROOT_ELEMENTS[query.root]
    for name in query.names:
        path = name if "/" in name else SHORTCUTS[query.root].get(name, "")
        named = type_name(path.partition("/")[0])
        if element(named) is not None and is_a(named, found):
            found = named
    return found


def compiled(query: Query) -> Compiled:
    """Resolve the names; raise `Unjoinable` for a path nothing joins and `BadFilter` for an unreadable value."""
    described = element(query.xsi_type or ROOT_ELEMENTS[query.root])
    if described is None:
        raise Unjoinable(query.xsi_type)
    plan = Plan()
    wanted = [name for name in query.columns or query.defaults if name != "URI"]
    wanted = [f"{described.name}/{_KEYS.get(query.root, 'ID')}", *wanted]
    if described.abstract and query.root in {"experiment", "assessor"}:
        wanted += ["xsiType", "project"]  # by which XNAT filters what may be seen: no type of its own has rights
    columns = [found for name in wanted if (found := column(query.root, name, plan))]
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
    tables = (plan.scans, plan.sessions, plan.assessors, plan.files, plan.part_of)
    return tuple(bool(part) for part in (*tables, plan.resource_of, plan.variable_of, plan.share_of, plan.aliases))


def rows_of(
    query: Compiled,
    roots: Iterable[Joined],
    lock: threading.RLock,
    *,
    paging: Query,
    allowed: Callable[[Joined], bool] = lambda _row: True,
) -> Iterator[dict[str, str]]:
    """Stream the rows.  The lock is held for some items at a time, never while the reader takes its time.

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
    shown = root.shown_label, root.shown_project
    for row in joined_rows(root, query.plan):
        row.shown_label = row.shown_project = ""  # the database knows the owner's; shares are written in afterwards
        if not all(test(item.value(row)) for item, test in query.tests):
            continue
        row.shown_label, row.shown_project = shown
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
