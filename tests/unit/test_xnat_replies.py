from __future__ import annotations

import json

import pytest

from xnatsync.core.errors import Bug, ReplyStrange, RequestRefused, Usage
from xnatsync.core.remote import PrearchiveState
from xnatsync.xnat import catalog, names, replies, wire
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call

URI = "/prearchive/projects/P1/20240611_142301123/S1_MR1"
LOST = "/prearchive/projects/Unassigned/20240611_142301123/x"
UID = "1.2.840.113654.2.45.2.108105"
CLIMBING = ["../../etc/passwd", "..", ".", "", "/etc/passwd", "a/../b", "a//b", "a/", "a\\b", "C:evil", "x" * 300]
CONTROLS = ["a\x00b", "a\nb", "a\x1b[2Jb", "a\u202eb", "a\ud800b", "a\u2028b", "a\x9bb", "x" * 5000]
NO_TEXT = [True, ["a"], {"a": 1}]


def reply(body: object, call: Call | None = None, status: int = 200) -> Reply:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(call or Call(Verb.READ, "GET", "/x", "asking"), status, text)


def listing(*rows: dict[str, object]) -> Reply:
    return reply({"ResultSet": {"Result": list(rows), "totalRecords": str(len(rows))}})


def file_row(**changed: object) -> dict[str, object]:
    row: dict[str, object] = {
        "Name": "1.dcm",
        "Size": "527358",
        "URI": "/data/experiments/XNAT_E1/scans/4/resources/123/files/sub/a b.dcm",
        "collection": "DICOM",
        "digest": "0F34567890abcdef0123456789abcdef",
        "cat_ID": "123",
    }
    return row | changed


def prearchive_row(**changed: object) -> dict[str, object]:
    row: dict[str, object] = {
        "project": "P1", "timestamp": "20240611_142301123", "lastmod": "2024-06-11 14:23:05.0", "name": "S1_MR1",
        "uploaded": "2024-06-11 14:23:01.0", "subject": "S1", "folderName": "S1_MR1", "tag": UID, "status": "READY",
        "url": URI,
    }  # fmt: skip
    return row | changed


# --- listings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"null",
        b"[]",
        b"{}",
        b'{"ResultSet":{}}',
        b'{"ResultSet":{"Result":null}}',
        b'{"ResultSet":{"Result":{}}}',
        b'{"ResultSet":{"Result":["x"]}}',
        b'{"items":[]}',
        b'{"ResultSet":{"Result":[{"ID":"1"',
        b"[" * 100_000,
        b"<xml/>",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_no_listing_is_never_an_empty_one(body: bytes) -> None:
    """XNAT answers a failed query with 200 and an empty body (hierarchy.md §3.1): nothing may be concluded from it."""
    with pytest.raises(ReplyStrange):
        replies.scans(reply(body))


def test_an_empty_listing_is_one() -> None:
    """The other side: an empty Result is an answer."""
    assert replies.scans(listing()) == ()


@pytest.mark.parametrize("missing", ["Name", "Size", "URI", "collection", "digest"])
def test_a_row_without_its_columns_is_strange(missing: str) -> None:
    """An unknown column name is dropped silently by XNAT: that must not look like an empty value."""
    row = file_row()
    del row[missing]

    with pytest.raises(ReplyStrange, match=missing):
        replies.files(listing(file_row(), row))


def test_files_are_read_in_both_forms_of_their_address() -> None:
    """With `/data` for one resource, without for several; the path below the resource is kept as stored (§3.2)."""
    one, other = replies.files(
        listing(
            file_row(), file_row(URI="/experiments/XNAT_E1/scans/4-MR1/resources/7/files/1.dcm", Size="", digest="")
        )
    )

    assert (one.scan, one.resource, one.name, one.size) == ("4", "DICOM", "sub/a b.dcm", 527358)
    assert one.digest == "0f34567890abcdef0123456789abcdef"
    assert (other.scan, other.name, other.size, other.digest) == ("4-MR1", "1.dcm", None, "")


def test_only_names_that_are_uids_tell_a_uid() -> None:
    """`{SOPInstanceUID}.dcm` is ours; `1.dcm` and `IM-0001.dcm` are not."""
    rows = [
        file_row(URI=f"/data/experiments/E/scans/4/resources/1/files/{name}")
        for name in (f"{UID}.dcm", "1.dcm", "1.2.dcm", "IM-0001.dcm", UID, f"{UID}.03.dcm", f"sub/{UID}.dcm")
    ]

    assert [file.sop_uid for file in replies.files(listing(*rows))] == [UID, "", "", "", "", "", UID]


@pytest.mark.parametrize("name", [*CLIMBING, *CONTROLS], ids=lambda name: repr(name)[:20])
def test_hostile_file_names_are_refused(name: str) -> None:
    """Whatever comes from a server becomes a path or a key here: no climbing, no control characters, no end of it."""
    with pytest.raises(ReplyStrange):
        replies.files(listing(file_row(URI=f"/data/experiments/E/scans/4/resources/1/files/{name}")))


@pytest.mark.parametrize("value", [*CONTROLS, *NO_TEXT], ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("column", ["collection", "digest", "Size"])
def test_hostile_values_are_refused(value: object, column: str) -> None:
    """Labels, digests and sizes likewise."""
    with pytest.raises(ReplyStrange):
        replies.files(listing(file_row(**{column: value})))


@pytest.mark.parametrize("label", ["a/b", "..", "a\\b", "x" * 300])
def test_a_label_is_one_part_of_a_path(label: str) -> None:
    """A resource called `..` is none."""
    with pytest.raises(ReplyStrange):
        replies.files(listing(file_row(collection=label)))


@pytest.mark.parametrize("digest", ["", "abc", "z" * 32, "0" * 64, "../x"])
def test_a_digest_that_is_no_md5_is_none(digest: str) -> None:
    """No digest means unverified, never equal."""
    (file,) = replies.files(listing(file_row(digest=digest)))

    assert file.digest == ""


@pytest.mark.parametrize("scan", ["..", "a b\n", "x" * 300])
def test_hostile_scan_ids_are_refused(scan: str) -> None:
    """In listings of files, of scans, in the archive and in the prearchive."""
    with pytest.raises(ReplyStrange):
        replies.files(listing(file_row(URI=f"/data/experiments/E/scans/{scan}/resources/1/files/1.dcm")))
    with pytest.raises(ReplyStrange):
        replies.scans(listing({"ID": scan}))


@pytest.mark.parametrize("size", ["-1", "1.5", "many", "1" * 30, "0x10"])
def test_a_size_is_a_number(size: str) -> None:
    """Or it is strange."""
    with pytest.raises(ReplyStrange):
        replies.files(listing(file_row(Size=size)))


def test_sessions_are_known_by_their_address() -> None:
    """The ID column changes its name with what is asked; the URI is always there (§3.4)."""
    (seen,) = replies.sessions(
        listing(
            {
                "label": "S1_MR1",
                "URI": "/data/experiments/XNAT_E00001",
                "project": "P1",
                "subject_label": "S1",
                "UID": UID,
                "xsiType": "xnat:mrSessionData",
                "session_ID": "other",
            }
        ),
        "P1",
    )

    assert (seen.id, seen.label, seen.subject, seen.study_uid) == ("XNAT_E00001", "S1_MR1", "S1", UID)


def test_a_session_listing_without_study_uids_is_strange() -> None:
    """A dropped column would make every study look new."""
    row = {"label": "L", "URI": "/data/experiments/E", "project": "P1", "subject_label": "S", "xsiType": "x"}

    with pytest.raises(ReplyStrange, match="UID"):
        replies.sessions(listing(row), "P1")


# --- prearchive --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("RECEIVING", PrearchiveState.RECEIVING),
        ("RECEIVING_INTERRUPT", PrearchiveState.RECEIVING),
        ("READY", PrearchiveState.READY),
        ("CONFLICT", PrearchiveState.CONFLICT),
        ("ERROR", PrearchiveState.ERROR),
        ("BUILDING", PrearchiveState.WORKING),
        ("QUEUED_ARCHIVING", PrearchiveState.WORKING),
        ("_RECEIVING", PrearchiveState.WORKING),
        ("_CONFLICT", PrearchiveState.WORKING),
        ("SEPARATING", PrearchiveState.WORKING),
        ("SOMETHING_NEW", PrearchiveState.WORKING),
        ("ready", PrearchiveState.WORKING),
    ],
)
def test_every_status_has_a_state(status: str, state: PrearchiveState) -> None:
    """Locked ones and those of a newer XNAT are left alone (import.md §2.2)."""
    (row,) = replies.prearchive(listing(prearchive_row(status=status)))

    assert (row.uri, row.state, row.status) == (URI, state, status)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/archive/projects/P1/subjects/S/experiments/E",
        "/prearchive/projects/P1",
        "/prearchive/projects/P1/20240611_142301123/../../x",
        "/prearchive/projects/../20240611_142301123/x",
        "/prearchive/projects/P1/2024 0611/x",
        URI + "/scans",
        URI + "\n",
        "http://evil" + URI,
    ],
)
def test_a_prearchive_address_of_another_shape_is_none(url: str) -> None:
    """It would become the target of build, commit and delete; the row is still there, and so are the others."""
    odd, good = replies.prearchive(listing(prearchive_row(url=url), prearchive_row()))

    assert (odd.uri, odd.state) == ("", PrearchiveState.WORKING)
    assert good.uri == URI


@pytest.mark.parametrize(
    ("said", "places"),
    [
        (b"", ()),
        (b"\r\n", ()),
        (f"/data{URI}\r\n".encode(), (URI,)),
        (f"/REST{URI}".encode(), (URI,)),
        (f"/data{URI}\r\n/data{LOST}\r\n".encode(), (URI, LOST)),
        (b"/data/archive/projects/P/subjects/S/experiments/E", ("/archive/projects/P/subjects/S/experiments/E",)),
        (f"/xapi/direct-archive/P1/{UID}/S1_MR1".encode(), (f"/xapi/direct-archive/P1/{UID}/S1_MR1",)),
    ],
)  # fmt: skip
def test_an_import_names_its_places(said: bytes, places: tuple[str, ...]) -> None:
    """One a line, without `/data` (import.md §1.5)."""
    assert replies.destinations(reply(said)) == places


@pytest.mark.parametrize(
    "said",
    [
        b"OK",
        b"<html>",
        b"/data/services/import",
        b"/data/prearchive/projects/P/../../x/y",
        b"Submitted for prearchival",
    ],
)
def test_an_import_that_names_something_else_is_strange(said: bytes) -> None:
    """What is not a place is not believed."""
    with pytest.raises(ReplyStrange):
        replies.destinations(reply(said))


def test_prearchive_scans_know_their_resources() -> None:
    """Session-level resources are not a scan's."""
    rows = [
        {"category": "scans", "cat_id": "4", "label": "DICOM"},
        {"category": "scans", "cat_id": "4", "label": "secondary"},
        {"category": "resources", "cat_id": "", "label": "LOGS"},
    ]

    assert replies.scan_labels(listing(*rows)) == {"4": ["DICOM", "secondary"]}


# --- single answers ----------------------------------------------------------------------------------------------


def test_who_we_are() -> None:
    """Only the sentence XNAT says counts."""
    assert replies.user(reply(b"User 'jdoe' is logged in; XNAT_CSRF=x")) == "jdoe"
    for said in (b"", b"jdoe", b"<html>User 'jdoe' is logged in</html>"):
        with pytest.raises(ReplyStrange):
            replies.user(reply(said))


@pytest.mark.parametrize(
    "body", [b"{}", b'{"items":[]}', b'{"items":[{}]}', b'{"items":[{"data_fields":{}}]}', b"<html>"]
)
def test_what_is_no_item_has_no_field(body: bytes) -> None:
    """And is not mistaken for an absent thing."""
    with pytest.raises(ReplyStrange):
        replies.item_field(reply(body), "ID")


def test_duplicates_are_noticed() -> None:
    """200 with a list of what was left alone is how XNAT refuses to overwrite (§6.1)."""
    assert list(replies.duplicates(reply({"duplicates": ["a.txt"]}))) == ["a.txt"]
    assert list(replies.duplicates(reply(b""))) == []
    with pytest.raises(ReplyStrange):
        replies.duplicates(reply(b"<p>hello"))


def test_a_jvm_without_utf8_is_read_too() -> None:
    """It writes Latin-1 (§1.17)."""
    assert reply("Größe".encode("latin-1")).text == "Größe"


# --- catalogues --------------------------------------------------------------------------------------------------

CATALOG = f"""<?xml version="1.0" encoding="UTF-8"?>
<cat:DCMCatalog UID="1.2.3.4" xmlns:cat="http://nrg.wustl.edu/catalog" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <cat:entries>
    <cat:entry URI="1.dcm" ID="one" name="1.dcm" UID="{UID}.1" instanceNumber="1" xsi:type="cat:dcmEntry"/>
    <cat:entry URI="/data/archive/x/sub/2.dcm" ID="sub/2.dcm" UID="{UID}.2" xsi:type="cat:dcmEntry"/>
    <cat:entry URI="plain.dcm" ID="plain.dcm"/>
    <cat:entry URI="odd.dcm" ID="odd.dcm" UID="no uid"/>
  </cat:entries>
</cat:DCMCatalog>""".encode()


def test_a_catalogue_tells_the_uids_of_its_files() -> None:
    """By URI, or by ID where the URI is a path of the server; entries without UID tell none (§5.2)."""
    found = catalog.sop_uids(reply(CATALOG))

    assert found["1.dcm"] == f"{UID}.1"
    assert found["sub/2.dcm"] == f"{UID}.2"
    assert {"plain.dcm", "odd.dcm"}.isdisjoint(found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html/>",
        CATALOG[:-20],
        CATALOG.replace(b"nrg.wustl.edu/catalog", b"example.org/catalog"),
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        CATALOG.replace(b'URI="1.dcm"', b'URI="1&#10;.dcm"'),
    ],
    ids=["empty", "html", "cut", "namespace", "bomb", "external", "control"],
)
def test_what_is_no_catalogue_is_refused(body: bytes) -> None:
    """Also everything by which XML attacks its reader."""
    with pytest.raises(ReplyStrange):
        catalog.sop_uids(reply(body))


# --- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/data" + URI,
        URI + "/",
        "/prearchive/projects/P1",
        "/archive/projects/P/subjects/S/experiments/E",
        "/prearchive/projects/P1/x/..",
    ],
)
def test_actions_take_only_prearchive_addresses(uri: str) -> None:
    """A wrong address in build, commit or delete would act on something else."""
    for make in (wire.build, wire.commit, wire.delete_prearchive):
        with pytest.raises((Bug, ReplyStrange)):
            make(uri)


def test_actions_say_what_they_do() -> None:
    """The very requests of import.md §2.3."""
    assert wire.build(URI).target == f"/data{URI}?action=build"
    assert wire.commit(URI).target == f"/data{URI}?action=commit&AA=true&SOURCE=uploader"
    assert (wire.delete_prearchive(URI).method, wire.delete_prearchive(URI).target) == ("DELETE", f"/data{URI}")


def test_names_are_encoded_and_never_climb() -> None:
    """A label cannot leave its place in an address."""
    assert wire.session("a/b?c#d").path == "/data/experiments/a%2Fb%3Fc%23d"
    for name in ("", ".", ".."):
        with pytest.raises(Usage):
            wire.session(name)
    with pytest.raises(Bug):
        wire.resource_files("XNAT_E1", "123")


def test_labels_that_are_patterns_are_not_given_to_the_server() -> None:
    """`*`, `%` and `,` mean something in a filter (§3.4): then everything is listed and we choose."""
    assert ("label", "S1_MR1") in wire.sessions("P1", label="S1_MR1", study_uid=None).query
    assert "label" not in dict(wire.sessions("P1", label="S1*", study_uid=None).query)


@pytest.mark.parametrize(
    ("name", "path"),
    [("a.txt", "a.txt"), ("sub/a-1_b.txt", "sub/a-1_b.txt"), ("a b#c.txt", "a%20b%23c.txt"), ("a+b.txt", "a%2Bb.txt")],
)
def test_file_names_are_sent_so_that_xnat_stores_them(name: str, path: str) -> None:
    """XNAT decodes a path only when it holds %20 or %2B (§6.4)."""
    assert wire.stored_file("E", "R", name).path == f"/data/experiments/E/resources/R/files/{path}"


def test_file_names_xnat_would_change_are_refused() -> None:
    """`Größe.txt` would be stored as `Gr%C3%B6%C3%9Fe.txt`."""
    with pytest.raises(RequestRefused):
        wire.stored_file("E", "R", "Größe.txt")


def test_archive_addresses() -> None:
    """Both forms, without `/data`."""
    assert names.archive_uri("/data/archive/experiments/XNAT_E1\r".strip(), "x") == "/archive/experiments/XNAT_E1"
    assert names.archive_uri("/archive/projects/P/subjects/S/experiments/E", "x") is not None
    assert names.archive_uri("/archive/projects/P/subjects/S/experiments/E/scans/1", "x") is None
