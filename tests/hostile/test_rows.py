"""One odd row in a listing is refused or quoted by itself: the other rows are there, and no absence is proven by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from unit.xnat_scripted import Answer, Scripted, connected, scripted
from xnatsync.core.errors import ReplyStrange, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.xnat import projects, resources, scans, sessions, subjects
from xnatsync.xnat.server import XnatServer

ODD: list[object] = [
    "a\tb", "a\nb", "\u202egpj.x", "\x1b[2J", "x" * 100_000, "\ud800", "..", "", None, 7, True, ["a"], {"a": 1}, "a/b"
]  # fmt: skip
URI = "/prearchive/projects/P1/20240611_142301123/{}"
E1 = "/data/experiments/E1/scans/4/resources/1/files/{}"
OWNER = Owner(OwnerKind.SESSION, "P1", "E1", subject="S", session="L")
SEEN = {
    "ID": "E1",
    "project": "P1",
    "label": "L1",
    "subject_label": "S1",
    "UID": "1.2.3",
    "xsiType": "xnat:mrSessionData",
}

# path, a good row, another good row, the columns that may be odd, and what of the answer tells the good row
LISTINGS: dict[str, tuple[str, dict[str, Any], Callable[[XnatServer], set[str]]]] = {
    "prearchive": (
        "/data/prearchive/projects/P1",
        {"project": "P1", "name": "L1", "subject": "S1", "tag": "1.2.3", "status": "READY", "url": URI.format("L1"),
         "uploaded": ""},
        lambda server: {row.name for row in server.prearchive("P1")},
    ),
    "sessions": (
        "/data/projects/P1/experiments",
        {**SEEN, "URI": "/data/experiments/E1"},
        lambda server: {seen.label for seen in server.sessions("P1", label="L1")},
    ),
    "sessions of a person": (
        "/data/projects/P1/experiments",
        {**SEEN, "URI": "/data/experiments/E1"},
        lambda server: {held.label for held in sessions.listed(server.client, "P1")},
    ),
    "scans": (
        "/data/experiments/E1/scans",
        {"ID": "L1", "type": "T1", "series_description": "d", "quality": "usable"},
        lambda server: {held.id for held in scans.listed(server.client, "E1")},
    ),
    "subjects": (
        "/data/projects/P1/subjects",
        {"ID": "XNAT_S1", "label": "L1"},
        lambda server: {held.label for held in subjects.listed(server.client, "P1")},
    ),
    "projects": (
        "/data/projects",
        {"ID": "L1", "secondary_ID": "x", "name": "n", "description": "", "pi_lastname": ""},
        lambda server: {held.id for held in projects.listed(server.client)},
    ),
    "resources": (
        "/data/experiments/E1/resources",
        {"label": "L1", "format": "", "content": "", "file_count": "1", "file_size": "5"},
        lambda server: {held.label for held in resources.of_session(server.client, "E1")},
    ),
    "resources of a scan": (
        "/data/experiments/E1/scans/4/resources",
        {"label": "L1", "cat_id": "4", "format": "", "content": "", "file_count": "1", "file_size": "5"},
        lambda server: {held.label for held in resources.of_scan(server.client, "E1", "4")},
    ),
    "files of a session": (
        "/data/experiments/E1/scans/ALL/files",
        {"Name": "L1", "Size": "5", "URI": E1.format("L1"), "collection": "NIFTI", "digest": ""},
        lambda server: {file.name for file in server.session_files("E1").files},
    ),
    "files of an owner": (
        "/data/experiments/E1/files",
        {"Name": "L1", "Size": "5", "URI": E1.format("L1"), "collection": "NIFTI", "digest": ""},
        lambda server: {file.name for file in server.owner_files([OWNER])[OWNER].files},
    ),
}  # fmt: skip


def listed(script: Scripted, path: str, rows: list[object]) -> None:
    """Answers with these rows."""
    body = json.dumps({"ResultSet": {"Result": rows}}).encode("utf-8", "surrogatepass")
    script.on("GET", path, Answer(200, body))
    if path.endswith("/scans/4/resources"):
        script.on("GET", "/data/experiments/E1/scans", Answer(200, b'{"ResultSet": {"Result": [{"ID": "4"}]}}'))


@pytest.mark.parametrize("name", LISTINGS)
def test_a_good_row_is_found_beside_any_odd_one(name: str) -> None:
    """Each column in turn odd, null, missing; a row that is none; before the good one and behind it."""
    path, good, found = LISTINGS[name]
    odd: list[object] = [{**good, column: value} for column in good for value in ODD]
    odd += [{key: value for key, value in good.items() if key != column} for column in good]
    odd += [None, 7, [], {}, "row"]
    other = {key: _renamed(value) for key, value in good.items()}
    with scripted() as script, connected(script) as server:
        for row in odd:
            changed = {**other, **_differences(row, good)} if isinstance(row, dict) else row
            for rows in ([changed, good], [good, changed]):
                listed(script, path, rows)
                assert "L1" in found(server), row


def _renamed(value: object) -> object:
    return value.replace("L1", "L2").replace("E1", "E2").replace("1.2.3", "1.2.4") if isinstance(value, str) else value


def _differences(row: dict[str, Any], good: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in good or good[key] != value}


@examples(60)
@given(st.sampled_from(sorted(LISTINGS)), st.data())
def test_any_other_row_leaves_the_good_one(name: str, data: Any) -> None:
    """Whatever is in it."""
    path, good, found = LISTINGS[name]
    values = st.one_of(st.text(max_size=20), st.none(), st.integers(), st.lists(st.integers(), max_size=2))
    row = {key: data.draw(values) for key in good}
    with scripted() as script, connected(script) as server:
        listed(script, path, [row, good])
        assert "L1" in found(server)


@pytest.mark.parametrize("name", ["files of a session", "files of an owner"])
@pytest.mark.parametrize("name_of_file", ["a\tb", "../x", "\u202ex"])
def test_a_listing_with_a_refused_file_proves_no_absence(name: str, name_of_file: str) -> None:
    """It is incomplete, and says what was refused (S7)."""
    path, good, _ = LISTINGS[name]
    with scripted() as script, connected(script) as server:
        listed(script, path, [good, {**good, "Name": name_of_file, "URI": E1.format(name_of_file)}])
        listing = server.session_files("E1") if "session" in name else server.owner_files([OWNER])[OWNER]
    assert not listing.complete
    assert len(listing.refused) == 1


def test_a_row_that_may_be_the_session_asked_for_is_no_absence() -> None:
    """With our label, or with none, and an address that cannot be read: nothing is concluded (S7)."""
    path, good, _ = LISTINGS["sessions"]
    with scripted() as script, connected(script) as server:
        for label in ("L1", None):
            listed(script, path, [{**good, "label": label, "URI": "/x"}, {**good, "label": "L2"}])
            with pytest.raises(ReplyStrange):
                server.sessions("P1", label="L1")
        listed(script, path, [{**good, "label": "OTHER", "URI": "/x"}, {**good, "label": "L2"}])
        assert server.sessions("P1", label="L1") == ()


def test_a_listing_in_which_no_row_is_right_is_refused_whole() -> None:
    """That is another listing, or another server."""
    for path, good, found in LISTINGS.values():
        with scripted() as script, connected(script) as server:
            listed(script, path, [{"nothing": "here"}] * 2)
            with pytest.raises(XnatsyncError):
                found(server)
            assert good
