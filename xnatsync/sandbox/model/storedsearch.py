"""Runs a stored search: its columns, its conditions, and one row for each thing that it finds (hierarchy.md §15.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.columns import Column, Unjoinable, Value, column
from xnatsync.sandbox.model.comparisons import comparison, sorted_by
from xnatsync.sandbox.model.display import Display, Scope
from xnatsync.sandbox.model.displayfields import display_fields, kind_of, stands_for
from xnatsync.sandbox.model.joins import Joined, Plan, joined_rows
from xnatsync.sandbox.model.listing import search_roots
from xnatsync.sandbox.model.objects import Experiment, Scan
from xnatsync.sandbox.model.schema import element, field_of, type_name
from xnatsync.sandbox.model.searchdocument import BadSearch, Criterion, SearchField, StoredSearch
from xnatsync.sandbox.model.shortcuts import SHORTCUTS
from xnatsync.sandbox.model.site import Site

Test = Callable[[Joined], bool]
_USER_ID = "{XDAT_USER_ID}"
_KINDS = {
    **{name: f"xs:{name}" for name in ("integer", "float", "double", "date", "dateTime", "time", "boolean")},
    "string": "xs:string",
    "UNKNOWN": "xs:string",
}


@dataclass(slots=True)
class Found:
    """The table a search gave."""

    rows: list[dict[str, str]]
    columns: list[dict[str, object]]
    kinds: dict[str, str]  # the xs: type of each column, by its key

    def sorted(self, name: str, *, descending: bool) -> list[dict[str, str]]:
        """Return the rows in the order of a column, which may be named by its key or by the id of its field."""
        wanted = name.lower()
        keys = [str(each["key"]) for each in self.columns]
        keys += [str(each["key"]) for each in self.columns if str(each.get("id", "")).lower() == wanted]
        key = next((each for each in keys if each == wanted), keys[-1] if len(keys) > len(self.columns) else name)
        return sorted_by(self.rows, key, self.kinds.get(key, "xs:string"), descending=descending)


@dataclass(frozen=True, slots=True)
class _Searched:
    """A field of a search: its column, and the display field that it is, if it is one."""

    column: Column
    name: str  # the display field's, or that of a generated column
    value: str = ""
    shown: Display | None = None


def run(site: Site, user: User, search: StoredSearch, *, keyed: bool = False) -> Found:
    """Run a search for a user: only what the user may read is found; `keyed` adds the key of the root.

    A root has one row, whatever is joined to it: of each joined type the latest is shown, while a condition is met by
    any of them (T TestSearchJoins, TestAdvancedSearch).
    """
    kind, plan = kind_of(search.root), Plan()
    with site.lock:
        scope = Scope(site, user)
        fields = [replace(each, id=each.id.replace(_USER_ID, str(user.id))) for each in search.fields]
        columns = [_searched(scope, kind, search.root, each.element, each.id, plan) for each in fields]
        test = _test(scope, kind, search.root, search.where, plan)
        primary = column(kind, "ID", plan)
        readers = [(each.column.key, each.column.value) for each in columns]
        readers.append(("quarantine_status", _status))
        if keyed and primary is not None:
            readers.append(("key", primary.value))
        rows = [
            {key: value(row) for key, value in readers}
            for root in search_roots(site, user, search.root, plan)
            for row in _shown(root, plan, test)
        ]
    described = [_described(search.root, each, field) for each, field in zip(columns, fields, strict=True)]
    status: dict[str, object] = {"key": "quarantine_status"}
    unique = {str(each["key"]): each for each in (*described, status)}
    return Found(_distinct(rows), list(unique.values()), {each.column.key: each.column.type for each in columns})


def _shown(root: Joined, plan: Plan, test: Test) -> Iterator[Joined]:
    """Return the row of a root, or none; its own collections (shares, custom variables) multiply it."""
    own = (root.experiment, root.scan)
    latest = _Latest()
    passed: dict[tuple[object, ...], Joined] = {}
    for row in joined_rows(root, plan):
        latest.see(row)
        if test(row):
            details = (row.resource and row.resource.id, row.variable, row.share, row.alias)
            passed.setdefault(details, replace(row))
    for row in passed.values():
        if own[0] is None:
            row.experiment = latest.experiment
        if own[1] is None:
            row.scan, row.file = latest.scan, row.file if row.scan is latest.scan else None
        row.assessor = latest.assessor
        yield row


@dataclass(slots=True)
class _Latest:
    """Of each joined type the one that a row shows: no date comes before all dates, scans by the order of creation."""

    experiment: Experiment | None = None
    scan: Scan | None = None
    assessor: Experiment | None = None

    def see(self, row: Joined) -> None:
        """Take the parts of a row that are later than those seen before."""
        if row.experiment is not None and _when(row.experiment) > _when(self.experiment):
            self.experiment = row.experiment
        if row.scan is not None and (self.scan is None or row.scan.key > self.scan.key):
            self.scan = row.scan
        if row.assessor is not None and _when(row.assessor) > _when(self.assessor):
            self.assessor = row.assessor


def _when(item: Experiment | None) -> tuple[bool, bool, str]:
    if item is None:
        return (False, False, "")
    date = item.fields.get("date", "")
    return (True, date == "", date)


def _described(root: str, found: _Searched, field: SearchField) -> dict[str, object]:
    shown = found.shown
    kinds = {xs: name for name, xs in _KINDS.items() if name != "UNKNOWN"}
    described: dict[str, object] = {
        "key": found.column.key,
        "type": shown.type if shown is not None else kinds.get(found.column.type, "string"),
        "xPATH": f"{field.element}.{found.name}",
        "element_name": field.element,
        "header": field.header or (shown.header if shown is not None else "") or found.name,
        "id": f"{found.name}={found.value}" if found.value else found.name,
    }
    if not field.visible:
        described["visible"] = "false"
    if shown is not None and shown.link:
        described["clickable"] = "true"
        described["linkProps"] = [_link(root, field.element, *each) for each in shown.link]
    return described


def _link(root: str, owner: str, name: str, text: str, inserts: str) -> dict[str, object]:
    prefix = "" if type_name(owner) == type_name(root) else f"{owner.replace(':', '_').lower()}_"
    values = list(enumerate(inserts.split(), 1))
    return {
        "name": name,
        "value": text,
        "inserts": [{"name": f"Field{at}", "value": prefix + each.lower()} for at, each in reversed(values)],
    }


def _status(row: Joined) -> str:
    return row.experiment.status if row.experiment is not None else "active"


def _distinct(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({tuple(row.items()): row for row in rows}.values())


def _joined(path: str) -> str:
    """Write a path as XNAT names the column that it makes of it (`XftStringUtils.cleanColumnName`, §15.3)."""
    whole = re.sub(r"[/@\[\]]", "", path).replace(":", "_col_").replace(",", "_com_")
    return re.sub(r"[^A-Za-z0-9_]", "_", whole)


def _searched(scope: Scope, kind: str, root: str, owner: str, identifier: str, plan: Plan) -> _Searched:
    """Find the column of a search field: a display field by its id, also behind a slash, or a path (§15.3)."""
    head, slash, rest = identifier.partition("/")
    if slash and rest.upper() in display_fields(head) and field_of(head, rest) is None:
        return _searched(scope, kind, root, head, rest, plan)
    try:
        if slash and not (known := stands_for(identifier)):
            found = _required(column(kind, identifier, plan), identifier)
            name = _joined(identifier).upper()
            return _Searched(Column(_key(root, owner, name.lower()), *found), name)
        if slash:
            owner, identifier = head, known
        return _display(scope, kind, root, owner, identifier, plan)
    except (Unjoinable, KeyError) as error:
        raise BadSearch(f"Unknown field {identifier}") from error


def _display(scope: Scope, kind: str, root: str, owner: str, identifier: str, plan: Plan) -> _Searched:
    name, _, value = identifier.partition("=")
    name = name.upper()
    shown = display_fields(owner).get(name)
    if shown is None and (path := _generated_path(owner, name)):
        found = _required(column(kind, path, plan), identifier)
        return _Searched(Column(_key(root, owner, name.lower()), *found), name)
    if shown is None:
        raise BadSearch(f"Unknown field {identifier}")
    key = re.sub(r"[^a-z0-9_]", "_", f"{name}_{value}".lower()) if value else name.lower()
    key = _key(root, owner, key)
    if isinstance(shown.source, str):
        found = _required(column(kind, _path(kind, owner, shown, shown.source), plan), identifier)
        return _Searched(Column(key, *found), name, value, shown)
    column(kind, f"{owner}/ID", plan)  # joins its table
    read = shown.source
    kind_of_value = _KINDS.get(shown.type, "xs:string")
    if shown.valued and not value:  # XNAT asks for the value NULL, which nothing has
        return _Searched(Column(key, lambda _row: "", kind_of_value), name, value, shown)
    return _Searched(Column(key, lambda row: read(scope, row, value), kind_of_value), name, value, shown)


def _key(root: str, owner: str, name: str) -> str:
    return name if type_name(owner) == type_name(root) else f"{owner.replace(':', '_').lower()}_{name}"


def _path(kind: str, owner: str, shown: Display, source: str) -> str:
    if shown.path:
        return f"{owner}/{shown.path}"
    if kind_of(owner) == kind:
        return source
    path = SHORTCUTS[kind_of(owner)][source]
    return f"{owner}/{path.partition('/')[2]}" if "/ID" in path or "experimentData" in path else path


def _generated_path(owner: str, name: str) -> str:
    """Find the path of a type that a generated column (`XNAT_COL_MRSCANDATANOTE`) stands for."""
    found = element(owner)
    if found is None or not name.startswith("XNAT_COL_"):
        return ""
    paths = (*found.fields, "sharing/share/project", "sharing/share/label")
    return next((f"{owner}/{each}" for each in paths if _joined(f"{owner}/{each}").upper() == name), "")


def _required(found: Column | None, identifier: str) -> tuple[Value, str]:
    if found is None:
        raise BadSearch(f"Unknown field {identifier}")
    return found.value, found.type


def _test(scope: Scope, kind: str, root: str, criterion: Criterion, plan: Plan) -> Test:
    if criterion.method:
        tests = [_test(scope, kind, root, each, plan) for each in criterion.below]
        combine: Callable[[Iterator[bool]], bool] = any if criterion.method == "OR" and tests else all
        return lambda row: combine(test(row) for test in tests)
    owner, dot, identifier = criterion.path.partition(".")
    if dot and "/" not in owner:
        found = _searched(scope, kind, root, owner, identifier, plan)
    else:
        found = _searched(scope, kind, root, root, criterion.path, plan)
    compare = comparison(criterion.comparison, criterion.value, found.column.type)
    value = found.column.value
    is_path = "/" in criterion.path and (found.shown is None or bool(stands_for(criterion.path)))
    if criterion.comparison == "!=" and is_path:  # SQL: NULL is unequal to nothing
        return lambda row: (text := value(row)) != "" and compare(text)
    return lambda row: compare(value(row))
