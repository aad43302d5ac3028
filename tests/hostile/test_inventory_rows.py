"""One odd row in any listing that an inventory is made of costs that row alone, and makes the inventory incomplete."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from unit.xnat_scripted import Answer, Asked, Scripted, connected, scripted
from xnatsync.core.inventory import Inventory, OwnerKind
from xnatsync.xnat.addresses import RESOURCE_FIELDS, SCAN_FILE, SESSION_FILE, SHARE, SUBJECT_FILE
from xnatsync.xnat.server import XnatServer

Row = dict[str, Any]
ODD: list[object] = [
    "a\tb",
    "\u202egpj",
    "\x1b[2J",
    "x" * 100_000,
    "\ud800",
    "..",
    ["a"],
    {"a": 1},
    True,
    "a/b",
    "a\\b",
]
SCAN = {f"xnat:imagescandata/{name}": value for name, value in
        {"id": "4", "type": "T1", "series_description": "d", "quality": "usable"}.items()}  # fmt: skip


def resource(prefix: str, label: str, number: int) -> Row:
    return dict(zip((prefix + name for name in RESOURCE_FIELDS), (label, "1", "5", str(number)), strict=True))


def session(number: int, *, project: str = "P1", scan: str = "4") -> Row:
    return {
        "URI": f"/data/experiments/E{number}", "label": f"L{number}", "xsiType": "xnat:mrSessionData",
        "subject_label": "S1", "subject_ID": "XS1", "project": project, "date": "2026-03-01",
        **SCAN, "xnat:imagescandata/id": scan, **resource(SCAN_FILE, "NIFTI", 10 * number),
    }  # fmt: skip


def shared(number: int) -> Row:
    own = resource(SESSION_FILE, "BIDS", number)
    return {**session(number, project="P9"), SHARE + "project": "P1", SHARE + "label": f"H{number}", **own}


def subject(number: int) -> Row:
    return {
        "URI": f"/data/subjects/XS{number}", "label": f"S{number}", "project": "P1",
        **resource(SUBJECT_FILE, "FORMS", number),
    }  # fmt: skip


# listing -> the good rows, and the one that becomes odd
LISTINGS: dict[str, tuple[list[Row], Row]] = {
    "sessions": ([session(1), session(1, scan="5")], session(2)),
    "session resources": (
        [{"URI": "/data/experiments/E1", **resource(SESSION_FILE, "BIDS", 1)}],
        {"URI": "/data/experiments/E3", **resource(SESSION_FILE, "BIDS", 3)},
    ),
    "shared": ([shared(7)], shared(8)),
    "subjects": ([subject(1)], subject(2)),
    "project": ([resource("", "DOCS", 1)], resource("", "MORE", 2)),
}  # fmt: skip
GOOD = {
    ("S1", ""): {("", "FORMS")},
    ("S1", "L1"): {("4", "NIFTI"), ("5", "NIFTI"), ("", "BIDS")},
    ("S1", "H7"): {("4", "NIFTI"), ("", "BIDS")},
    ("", ""): {("", "DOCS")},
}


def held(server: XnatServer, script: Scripted, rows: dict[str, list[Any]]) -> tuple[Inventory, dict[Any, set[Any]]]:
    """Gives the inventory that a server with these rows shows."""

    def experiments(asked: Asked) -> Answer:
        if SHARE + "project" in asked.query:
            return listing(rows["shared"])
        joined = SESSION_FILE + "label" in asked.query["columns"]
        return listing(rows["session resources" if joined else "sessions"])

    resources = {"field": "resources/resource", "items": rows["project"]}
    item = {"items": [{"data_fields": {"ID": "P1"}, "children": [resources]}]}
    script.on("GET", "/data/projects/P1", Answer(200, json.dumps(item).encode("utf-8", "surrogatepass")))
    script.on("GET", "/data/projects/P1/subjects", listing(rows["subjects"]))
    script.on("GET", "/data/experiments", experiments)
    found = server.inventory("P1", frozenset(OwnerKind))
    return found, {
        (owner.subject, owner.session): {(seen.key.scan, seen.key.label) for seen in resources}
        for owner, resources in found.owners.items()
    }


def listing(rows: list[Any]) -> Answer:
    return Answer(200, json.dumps({"ResultSet": {"Result": rows}}).encode("utf-8", "surrogatepass"))


def as_listed(name: str, row: Any) -> Any:
    return {"data_fields": row} if name == "project" and isinstance(row, dict) else row


def all_rows(name: str, changed: Any, *, first: bool) -> dict[str, list[Any]]:
    rows = {other: [as_listed(other, row) for row in good] for other, (good, _) in LISTINGS.items()}
    rows["sessions"] = [*rows["sessions"], session(3)] if name == "session resources" else rows["sessions"]
    rows[name] = [changed, *rows[name]] if first else [*rows[name], changed]
    return rows


def check(found: dict[Any, set[Any]]) -> None:
    for owner, resources in GOOD.items():
        assert resources <= found.get(owner, set()), owner


@pytest.mark.parametrize("name", LISTINGS)
def test_one_odd_row_costs_itself_alone(name: str) -> None:
    """Each column odd or missing, before the good rows and behind them: what is lost by it is no absence (S7)."""
    _, spoilt = LISTINGS[name]
    with scripted() as script, connected(script) as server:
        whole, before = held(server, script, all_rows(name, as_listed(name, spoilt), first=False))
        assert whole.complete
        for column in spoilt:
            less = {key: value for key, value in spoilt.items() if key != column}
            for changed in (*({**spoilt, column: odd} for odd in ODD), less):
                for first in (True, False):
                    found, seen = held(server, script, all_rows(name, as_listed(name, changed), first=first))
                    check(seen)
                    another_project = column in {"project", SHARE + "project"} and isinstance(changed.get(column), str)
                    lost = {key for key, parts in before.items() if key not in seen or parts - seen[key]}
                    assert not lost or not found.complete or another_project, (changed, lost)
                    assert found.complete or found.refused


@pytest.mark.parametrize("name", LISTINGS)
def test_what_is_no_row_costs_no_other(name: str) -> None:
    """And the inventory is not complete."""
    with scripted() as script, connected(script) as server:
        for changed in (None, 7, [], {}, "row"):
            found, seen = held(server, script, all_rows(name, changed, first=True))
            check(seen)
            assert not found.complete


@examples(60)
@given(st.sampled_from(sorted(LISTINGS)), st.data())
def test_any_other_row_leaves_the_good_ones(name: str, data: Any) -> None:
    """Whatever is in it, but for a row that says of a good resource something else."""
    values = st.one_of(st.text(max_size=20), st.none(), st.integers(), st.lists(st.integers(), max_size=2))
    row = {key: data.draw(values) for key in LISTINGS[name][1]}
    with scripted() as script, connected(script) as server:
        _, seen = held(server, script, all_rows(name, as_listed(name, row), first=data.draw(st.booleans())))
    check(seen)


@pytest.mark.parametrize("with_subjects", [True, False])
@pytest.mark.parametrize("label", ["a\tb", None, "..", ["x"]])
def test_a_shared_session_whose_subject_is_odd_is_not_put_elsewhere(label: object, with_subjects: bool) -> None:
    """Under the label that its owner uses it would be taken for a renamed one: it is left out, and told."""
    rows = all_rows("subjects", {**subject(9), "label": label}, first=True)
    rows["shared"].append({**shared(8), "subject_ID": "XS9", "subject_label": "THEIRS"})
    kinds = frozenset(OwnerKind) if with_subjects else frozenset({OwnerKind.SESSION})
    with scripted() as script, connected(script) as server:
        held(server, script, rows)
        found = server.inventory("P1", kinds)
    assert {owner.session for owner in found.owners if owner.kind is OwnerKind.SESSION} == {"L1", "H7"}
    assert not found.complete
    assert "E8" in {number for number, _ in found.refused}
