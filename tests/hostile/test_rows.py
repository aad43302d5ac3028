"""One odd row in a listing is refused or quoted by itself: the other rows are there, and no absence is proven by it."""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from unit.xnat_scripted import Answer, Scripted, connected, scripted
from xnatsync.core.errors import ReadFailed, ReplyStrange, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.xnat import (
    administration,
    arrivals,
    asked,
    owner_files,
    prearchive_table,
    projects,
    resources,
    sessions,
    subjects,
    wire,
    workflows,
)
from xnatsync.xnat.server import XnatServer

ODD: list[object] = [
    "a\tb", "a\nb", "\u202egpj.x", "\x1b[2J", "x" * 100_000, "\ud800", "..", "", None, 7, True, ["a"], {"a": 1}, "a/b"
]  # fmt: skip
URI = "/prearchive/projects/P1/20240611_142301123/{}"
E1 = "/data/experiments/E1/scans/4/resources/1/files/{}"
OWNER = Owner(OwnerKind.SESSION, "P1", "E1", subject="S", session="L")
PROJECT = Owner(OwnerKind.PROJECT, "P1", "P1")
GONE = Owner(OwnerKind.SESSION, "P1", "E0", subject="S", session="GONE")
ROW = URI.format("MINE")
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
    "users shown to everybody": (
        "/data/users",
        {"login": "L1", "firstname": "a", "lastname": "b", "email": "c", "xdat_user_id": "4"},
        lambda server: {user.username for user in administration._everybody(server.client)},
    ),
    "members": (
        "/data/projects/P1/users",
        {"login": "L1", "GROUP_ID": "P1_owner", "displayname": "Owners", "firstname": "a", "lastname": "b"},
        lambda server: {user.username for user in administration.members(server.client, "P1")},
    ),
    "subjects with columns": (
        "/data/projects/P1/subjects",
        {"ID": "XNAT_S1", "label": "L1"},
        lambda server: {row["label"] for row in asked.subjects(server.client, "P1", ("ID", "label"))},
    ),
    "scans with columns": (
        "/data/experiments/E1/scans",
        {"ID": "L1", "type": "T1"},
        lambda server: {row["ID"] for row in asked.scans(server.client, "E1", ("ID", "type"))},
    ),
    "resources as texts": (
        "/data/experiments/E1/resources",
        {"label": "L1", "file_count": "1"},
        lambda server: {row["label"] for row in asked.resources(server.client, "E1", everything=False)},
    ),
    "the prearchive of all projects": (
        "/data/prearchive/projects",
        {"project": "P1", "name": "L1", "subject": "S1", "tag": "1.2.3", "status": "READY", "url": URI.format("L1"),
         "uploaded": ""},
        lambda server: {row.name for row in arrivals.rows_of_study(server.client, "1.2.3")},
    ),
    "sessions of a study": (
        "/data/experiments",
        {**SEEN, "URI": "/data/experiments/E1"},
        lambda server: {seen.label for seen in arrivals.sessions_of_study(server.client, "1.2.3")},
    ),
    "files of one resource": (
        "/data/experiments/E1/resources/17/files",
        {"Name": "L1", "Size": "5", "URI": "/data/experiments/E1/resources/17/files/L1", "collection": "R",
         "digest": ""},
        lambda server: {file.name for file in owner_files.resource_files(server.client, OWNER, "", "17").files},
    ),
    "the prearchive for people": (
        "/data/prearchive/projects/P1",
        {"project": "P1", "name": "L1", "subject": "S1", "tag": "1.2.3", "status": "READY", "url": URI.format("L1"),
         "uploaded": "", "timestamp": "20240611_142301123", "folderName": "L1"},
        lambda server: {row.seen.name for row in prearchive_table.rows(server.client, "P1")},
    ),
    "scans of a prearchive row for people": (
        f"/data{ROW}/scans",
        {"ID": "L1", "xsiType": "xnat:mrScanData", "series_description": "d"},
        lambda server: {scan.id for scan in prearchive_table.scans(server.client, ROW)},
    ),
    "what is counted of a row of the prearchive": (
        f"/data{ROW}/resources",
        {"category": "scans", "cat_id": "4", "label": "DICOM", "file_count": "3", "file_size": "5"},
        lambda server: {"L1" for scan in prearchive_table.scans(server.client, ROW) if scan.id == "4" and scan.files},
    ),
    "resources of a project": (
        "/data/projects/P1/resources",
        {"label": "L1", "format": "", "content": "", "file_count": "1", "file_size": "5"},
        lambda server: {held.label for held in resources.of_owner(server.client, PROJECT, "")},
    ),
    "pipelines": (
        "/xapi/pipelines/site",
        {"Name": "L1", "Datatype": "x"},
        lambda server: {row["Name"] for row in workflows.pipelines(server.client, None)},
    ),
    "files of a session": (
        "/data/experiments/E1/scans/ALL/files",
        {"Name": "L1", "Size": "5", "URI": E1.format("L1"), "collection": "NIFTI", "digest": ""},
        lambda server: {file.name for file in server.session_files("E1").files},
    ),
    "files of a prearchive row": (
        f"/data{ROW}/scans/4/resources/DICOM/files",
        {"Name": "L1", "Size": "5"},
        lambda server: {file.name for file in server.prearchive_files(ROW).files},
    ),
    "scans of a prearchive row": (
        f"/data{ROW}/scans",
        {"ID": "4"},
        lambda server: {"L1" for file in server.prearchive_files(ROW).files if file.scan == "4"},
    ),
    "resources of a prearchive row": (
        f"/data{ROW}/resources",
        {"category": "scans", "cat_id": "4", "label": "DICOM"},
        lambda server: {"L1" for file in server.prearchive_files(ROW).files if file.resource == "DICOM"},
    ),
    "resources of a scan of a prearchive row": (
        f"/data{ROW}/scans/5/resources",
        {"label": "DICOM"},
        lambda server: {"L1" for file in server.prearchive_files(ROW).files if file.scan == "5"},
    ),
    "sessions that are there": (
        "/data/experiments",
        {"ID": "E1", "label": "L", "URI": "/data/experiments/E1"},
        lambda server: {f"{owner.session}1" for owner in server.owner_files([OWNER, GONE])},
    ),
    "scans of a session without files": (
        "/data/experiments/E9/scans",
        {"ID": "4"},
        lambda server: {"L1"} if not_listed(server) else set(),
    ),
    "resources of a session, asked whether it is there": (
        "/data/experiments/E9/resources",
        {"label": "R"},
        lambda server: {"L1"} if server.resource_files("E9", "R").files == () else set(),
    ),
    "types of scans": (
        "/data/experiments/E8/scans",
        {"ID": "4-MR1", "type": "T1"},
        lambda server: {"L1" for scan, _, _, _ in server.fetch_scans("E8", ["4", "4-MR1"]) if scan == "4-MR1"},
    ),
    "numbers of resources": (
        "/data/experiments/E1/resources",
        {"xnat_abstractresource_id": "17", "label": "a b", "category": "resources", "cat_id": ""},
        lambda server: {b"".join(server.fetch_file(OWNER, ResourceKey("", "a b"), "x")).decode()},
    ),
    "projects that we may edit": (
        "/data/projects",
        {"ID": "L1"},
        lambda server: {"L1"} if server.may_edit("L1") else set(),
    ),
    "roles in projects": (
        "/data/projects",
        {"ID": "", "id": "L1", "user_role_1": "Collaborators"},
        lambda server: {"L1"} if server.may_edit("L1") is False else set(),
    ),
    "sessions with the number of their scans": (
        "/data/projects/P1/experiments",
        {**SEEN, "URI": "/data/experiments/E1", "xnat:imagescandata/id": "4"},
        lambda server: {held.label for held in sessions.scan_counts(server.client, "P1")},
    ),
    "labels of shared sessions": (
        "/data/experiments",
        {"URI": "/data/experiments/E1", "xnat:imagesessiondata/sharing/share/project": "P1",
         "xnat:imagesessiondata/sharing/share/label": "L1"},
        lambda server: {held.label for held in sessions.listed(server.client, "P1")},
    ),
    "files of a project": (
        "/data/projects/P1/files",
        {"Name": "L1", "Size": "5", "URI": "/data/projects/P1/resources/1/files/L1", "collection": "D", "digest": ""},
        lambda server: {file.name for file in server.owner_files([PROJECT])[PROJECT].files},
    ),
    "files of an owner": (
        "/data/experiments/E1/files",
        {"Name": "L1", "Size": "5", "URI": E1.format("L1"), "collection": "NIFTI", "digest": ""},
        lambda server: {file.name for file in server.owner_files([OWNER])[OWNER].files},
    ),
}  # fmt: skip


def zipped(*folders: str) -> Answer:
    """Answers with a zip of a file in each folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for folder in folders:
            archive.writestr(f"E8/scans/{folder}/resources/DICOM/files/x", b"x")
    return Answer(200, stream.getvalue())


def result(*rows: dict[str, str]) -> Answer:
    """Answers with a listing."""
    return Answer(200, json.dumps({"ResultSet": {"Result": rows}}).encode())


def not_listed(server: XnatServer) -> bool:
    """Tells whether a session whose files are refused is known to have scans."""
    with pytest.raises(ReadFailed, match="could not be listed"):
        server.session_files("E9")
    return True


# What is asked beside the listing that a test is about.
BESIDE: dict[str, Answer] = {
    "/data/experiments/E1/scans": result({"ID": "4"}),
    f"/data{ROW}/scans": result({"ID": "4"}, {"ID": "5"}),
    f"/data{ROW}/resources": result({"category": "scans", "cat_id": "4", "label": "DICOM"}),
    f"/data{ROW}/scans/5/resources": result({"label": "DICOM"}),
    **{
        f"/data{ROW}/scans/{scan}/resources/{label}/files": result({"Name": "L1", "Size": "5"})
        for scan in (4, 5, 7, 9)
        for label in ("DICOM", "OTHER", "7")
    },
    **{f"/data{ROW}/scans/{scan}/resources": result({"label": "DICOM"}) for scan in (4, 7, 9)},
    "/data/experiments/E1,E0/files": Answer(500, b"no"),
    "/data/experiments/E1/files": result(),
    "/data/experiments/E1": Answer(200, b'{"items": [{"data_fields": {"ID": "E1"}}]}'),
    "/data/experiments/E9": Answer(200, b'{"items": [{"data_fields": {"ID": "E9"}}]}'),
    "/data/experiments/E9/scans/ALL/files": Answer(500, b"no"),
    "/data/experiments/E9/resources/R/files": result(),
    "/data/experiments/E8/scans/ALL/files": result(
        *(
            {
                "Name": "x",
                "Size": "1",
                "URI": f"/data/experiments/E8/scans/{scan}/resources/1/files/x",
                "collection": "DICOM",
                "digest": "",
            }
            for scan in ("4", "4-MR1")
        )
    ),
    "/data/experiments/E8/scans/4,4-MR1/files": zipped("4-MR1-T1"),
    "/data/experiments/E1/resources/17/files/x": Answer(200, b"L1"),
    "/data/projects/P1/experiments": result(
        {**SEEN, "label": "THEIRS", "project": "P9", "URI": "/data/experiments/E1"}
    ),
}


def listed(script: Scripted, path: str, rows: list[object]) -> None:
    """Answers with these rows."""
    body = json.dumps({"ResultSet": {"Result": rows}}).encode("utf-8", "surrogatepass")
    script.on("GET", path, Answer(200, body))
    for other, few in BESIDE.items():
        if other != path:
            script.on("GET", other, few)


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


OTHER = {"4": "9", "4-MR1": "9", "DICOM": "OTHER", "17": "18", "a b": "a c"}


def _renamed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return OTHER.get(value, value.replace("L1", "L2").replace("E1", "E2").replace("1.2.3", "1.2.4"))


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
        if name == "scans of a prearchive row" and isinstance(row["ID"], str):  # a scan that is listed has a listing
            place = f"/data{ROW}/scans/{quote(row['ID'], safe='')}/resources"
            script.on("GET", place, result({"label": "DICOM"}))
            script.on("GET", f"{place}/DICOM/files", result({"Name": "x", "Size": "1"}))
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


@pytest.mark.parametrize("name", [name for name in LISTINGS if name.endswith("prearchive row")])
@pytest.mark.parametrize("odd", ["a\tb", "../x", "\u202ex", None, ["x"]])
def test_a_prearchive_row_with_an_odd_scan_proves_no_absence(name: str, odd: object) -> None:
    """Nor one with an odd resource or file."""
    path, good, _ = LISTINGS[name]
    column = {"files": "Name", "scans": "ID", "resources": "label"}[name.split()[0]]
    with scripted() as script, connected(script) as server:
        listed(script, path, [good, {**good, column: odd}])
        listing = server.prearchive_files(ROW)
    assert not listing.complete
    assert listing.refused
    assert listing.files


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
        for label in (None, ""):  # what the server's filter let through, and nobody can name
            listed(script, path, [{**good, "label": label}])
            with pytest.raises(ReplyStrange):
                server.sessions("P1", label="L1")


def test_a_listing_in_which_no_row_is_right_is_refused_whole() -> None:
    """That is another listing, or another server."""
    for path, good, found in LISTINGS.values():
        with scripted() as script, connected(script) as server:
            listed(script, path, [{"nothing": "here"}] * 2)
            with pytest.raises(XnatsyncError):
                found(server)
            assert good


@pytest.mark.parametrize("odd", [*ODD, {}])
def test_an_odd_count_leaves_the_sum_untold_and_stops_nothing(odd: object) -> None:
    """Of the catalogues that an administrator refreshed."""
    good = {"label": "A", "file_count": "3", "file_size": "5"}
    with scripted() as script, connected(script) as server:
        listed(script, "/data/experiments/E1/resources", [good, {**good, "file_count": odd, "file_size": odd}])
        counts = administration.counted(server.client, "E1")
        listed(script, "/data/experiments/E1/resources", [good, good])
        assert administration.counted(server.client, "E1") == (6, 10)
    assert counts == ((None, None) if odd != 7 else (10, 12))


@pytest.mark.parametrize("odd", [None, 7, "row", [], {}, {"data_fields": None}, {"data_fields": {"ID": "a\tb"}}])
def test_an_item_with_an_odd_child_is_refused_or_read(odd: object) -> None:
    """Never half of it: what acts on an item acts on all that is in it."""
    child = {"field": "scans/scan", "items": [{"data_fields": {"ID": "4"}}, odd]}
    body = json.dumps({"items": [{"data_fields": {"ID": "E1"}, "children": [child]}]}).encode()
    with scripted() as script, connected(script) as server:
        script.on("GET", "/data/experiments/E1", Answer(200, body))
        try:
            found = asked.item(server.client, wire.session("E1"))
        except ReplyStrange:
            return
    assert len(found.children["scans/scan"]) == 2


def _reads() -> set[str]:
    """Names every function of the client that reads a listing."""
    reading = {"rows", "scans", "scan_types", "labels", "scan_labels", "files", "prearchive_files", "prearchive",
               "sessions", "projects", "role", "item_children", "experiments"}  # fmt: skip
    found = set()
    for path in (Path(__file__).parents[2] / "xnatsync" / "xnat").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            inside = [one for one in ast.walk(node) if isinstance(one, ast.Attribute) and one.attr in reading]
            if any(isinstance(one.value, ast.Name) and one.value.id == "replies" for one in inside):
                found.add(f"{path.stem}.{getattr(node, 'name', '?')}")
    return found


def test_every_function_that_reads_a_listing_is_in_a_table() -> None:
    """Those of the inventory are in its own (test_inventory_rows), those of transfers in theirs."""
    transfers = {
        "things.record_ids", "things.part_stamps", "part_files.assessors", "project_rules.rules",
    }  # fmt: skip
    here = {
        "resources.of_session", "resources.of_scan", "sessions.listed", "sessions.scan_counts", "sessions.labels_here",
        "subjects.listed", "listing.may_edit", "listing.sessions", "listing.scan_files", "listing.scans",
        "listing.resource_files", "owner_files._listed", "owner_files._there", "owner_files._alone",
        "projects.listed", "prearchive.rows", "prearchive.files", "prearchive._labels", "download._types",
        "resource_download._number", "resource_download._Folders", "administration._everybody",
        "administration.members",
        "administration.counted", "arrivals.rows_of_study", "arrivals.sessions_of_study", "asked._texts", "asked.item",
        "asked.resources", "asked.scans", "owner_files.resource_files", "prearchive_table._counts",
        "prearchive_table.rows", "prearchive_table.scans", "resources.of_owner", "workflows.pipelines",
    }  # fmt: skip
    assert {name for name in _reads() if not name.startswith("inventory.")} == here | transfers
