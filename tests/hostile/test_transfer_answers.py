"""What a transfer is told: an odd row costs itself, a cut answer says nothing, a write without an answer is unknown.

Every method of the port is in the tables here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from hostile.oracle import judged
from unit.xnat_scripted import Answer, Asked, Scripted, connected, scripted
from xnatsync.core.described import Described, Part, ThingKind
from xnatsync.core.errors import LoginLost, NotThere, OutcomeUnknown, PlaceTaken, ReplyStrange, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.ports.transfer import Readable, TransferServer
from xnatsync.xnat import documents, part_files, things
from xnatsync.xnat.server import XnatServer

Row = dict[str, Any]
SUBJECT = Owner(OwnerKind.SUBJECT, "P1", "XS1", subject="S1")
SESSION = Owner(OwnerKind.SESSION, "P1", "E1", subject="S1", session="L1", subject_id="XS1")
PROJECT = Owner(OwnerKind.PROJECT, "P1", "P1")
RECORD, ASSESSOR = Part(ThingKind.RECORD, "R1"), Part(ThingKind.ASSESSOR, "A1")
ODD: list[object] = [
    "a\tb", "\u202egpj.x", "x" * 100_000, "\ud800", "..", "a/b", "a\\b", None, 7, True, ["a"], {"a": 1}
]  # fmt: skip
RECORD_ROW: Row = {
    "URI": "/data/experiments/E5", "label": "R1", "xsiType": "x:visitData", "project": "P1", "subject_ID": "XS1",
    "insert_date": "1", "last_modified": "2",
}  # fmt: skip
ASSESSOR_ROW: Row = {"ID": "A7", "label": "A1", "URI": "/data/experiments/A7", "session_ID": "E1"}
STAMPS = {"XS1", "E1"}


def listing(*rows: object) -> Answer:
    return Answer(200, json.dumps({"ResultSet": {"Result": rows}}).encode("utf-8", "surrogatepass"))


def answering(script: Scripted, **rows: list[Any]) -> None:
    """Answers the listings of one transfer, each with its rows."""
    given = {"records": [RECORD_ROW], "imaging": [], "assessors": [ASSESSOR_ROW]} | rows

    def experiments(asked: Asked) -> Answer:
        words = {"xnat:imageSessionData": "imaging", "xnat:subjectAssessorData": "records"}
        return listing(*given[words.get(asked.query["xsiType"], "assessors")])

    script.on("GET", "/data/experiments", experiments)
    script.on("GET", "/data/experiments/E1/assessors", listing(*given["assessors"]))
    place = "/data/experiments/E1/assessors/A7/resources/1/files/f"
    file = {"Name": "f", "Size": "1", "URI": place, "collection": "QC", "digest": ""}
    script.on("GET", "/data/experiments/E1/files", listing(file))
    script.on("GET", "/data/subjects/XS1/files", listing())
    script.on("GET", "/data/subjects/XS1", Answer(200, b'{"items": [{"data_fields": {"ID": "XS1"}}]}'))
    own = {"Name": "f", "Size": "1", "URI": "/data/experiments/E5/resources/1/files/f", "collection": "D", "digest": ""}
    for records in ("E5", "E5,E6", "E6,E5"):
        script.on("GET", f"/data/experiments/{records}/files", listing(own))
    script.on("PUT", "/data/experiments/E5/resources/N", Answer())
    script.on("PUT", "/xapi/custom-fields/experiments/E1/assessors/A7/fields", Answer(200, b"{}"))


def files_of(server: XnatServer, owner: Owner) -> set[str]:
    found = server.all_files([owner])[owner]
    assert found.complete == (not found.refused)
    return {file.scan for file in found.files}


def wrote(act: object) -> set[str]:
    assert act is None
    return {"done"}


# listing -> its good row, what finds it beside an odd one, and what that is
LISTINGS: dict[str, tuple[str, Row, Callable[[XnatServer], set[str]], set[str]]] = {
    "records.record_ids": ("records", RECORD_ROW, lambda s: set(things.record_ids(s.client, SUBJECT, [])), {"R1"}),
    "records.part_id": (
        "records", RECORD_ROW,
        lambda s: wrote(s.create_resource(SUBJECT, RECORD, "N", format_="", content="")), {"done"},
    ),
    "records.all_files": ("records", RECORD_ROW, lambda s: files_of(s, SUBJECT), {"records/R1"}),
    "records.part_stamps": ("records", RECORD_ROW, lambda s: set(s.part_stamps("P1")), STAMPS),
    "assessors.assessors": (
        "assessors", ASSESSOR_ROW, lambda s: set(part_files.assessors(s.client, "E1", []).values()), {"A1"}
    ),
    "assessors.part_id": (
        "assessors", ASSESSOR_ROW, lambda s: wrote(s.set_custom(SESSION, ASSESSOR, {"a": "1"})), {"done"}
    ),
    "assessors.all_files": ("assessors", ASSESSOR_ROW, lambda s: files_of(s, SESSION), {"assessors/A1/out"}),
    "assessors.part_stamps": ("assessors", ASSESSOR_ROW, lambda s: set(s.part_stamps("P1")), STAMPS),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTINGS)
def test_a_good_row_is_found_beside_any_odd_one(name: str) -> None:
    """Each column odd or missing; a row that is none; before the good one and behind it."""
    place, good, found, wanted = LISTINGS[name]
    other = {key: _renamed(value) for key, value in good.items()}
    odd: list[Any] = [{**other, column: value} for column in good for value in ODD]
    odd += [{key: value for key, value in other.items() if key != column} for column in good]
    odd += [None, 7, [], {}, "row"]
    with scripted() as script, connected(script) as server:
        for row in odd:
            for rows in ([row, good], [good, row]):
                answering(script, **{place: rows})
                assert wanted <= found(server), row


def _renamed(value: str) -> str:
    return {"R1": "R2", "A1": "A2", "A7": "A8"}.get(value, value.replace("/E5", "/E6").replace("/A7", "/A8"))


@examples(40)
@given(st.sampled_from(sorted(LISTINGS)), st.data())
def test_any_other_row_leaves_the_good_one(name: str, data: Any) -> None:
    """Whatever is in it."""
    place, good, found, wanted = LISTINGS[name]
    values = st.one_of(st.text(max_size=20), st.none(), st.integers(), st.lists(st.integers(), max_size=2))
    row = {key: data.draw(values) for key in good}
    with scripted() as script, connected(script) as server:
        answering(script, **{place: [row, good]})
        assert wanted <= found(server)


def test_what_is_not_found_beside_an_odd_row_is_not_gone() -> None:
    """An absence is proven by a listing that is read whole (S7); a description takes none of it by halves."""
    gone = Part(ThingKind.RECORD, "R9")
    with scripted() as script, connected(script) as server:
        for odd in (["x"], "a\tb"):
            answering(script, records=[RECORD_ROW, {**RECORD_ROW, "label": odd}])
            with pytest.raises(ReplyStrange):
                server.create_resource(SUBJECT, gone, "N", format_="", content="")
            with pytest.raises(ReplyStrange):
                things.record_ids(server.client, SUBJECT)
            assert not server.all_files([SUBJECT])[SUBJECT].complete
            answering(script, assessors=[{**ASSESSOR_ROW, "label": odd}])
            with pytest.raises(ReplyStrange):
                server.set_custom(SESSION, ASSESSOR, {"a": "1"})
            unnamed = server.all_files([SESSION])[SESSION]
            assert (unnamed.files, unnamed.complete) == ((), False)
        answering(script)
        with pytest.raises(NotThere):
            server.create_resource(SUBJECT, gone, "N", format_="", content="")


def test_rows_of_other_projects_and_subjects_are_no_records() -> None:
    """A server that takes no notice of the filter answers with everything; nor is a session ever a record."""
    wide = [
        RECORD_ROW, {**RECORD_ROW, "project": "P9", "URI": "/data/experiments/E6", "label": "R2"},
        {**RECORD_ROW, "subject_ID": "XS9", "URI": "/data/experiments/E7", "label": "R3"},
        {**RECORD_ROW, "URI": "/data/experiments/E8", "label": "R4", "xsiType": "xnat:mrSessionData"},
    ]  # fmt: skip
    with scripted() as script, connected(script) as server:
        answering(script, records=wide, imaging=[{"URI": "/data/experiments/E8"}])
        assert things.record_ids(server.client, SUBJECT) == {"R1": ("E5", "x:visitData")}
        for odd in ("/x", None, ["x"]):
            answering(script, records=wide, imaging=[{"URI": odd}, {"URI": "/data/experiments/E9"}])
            with pytest.raises(ReplyStrange):
                things.record_ids(server.client, SUBJECT, [])
        answering(script, records=[RECORD_ROW, {**RECORD_ROW, "URI": "/data/experiments/E6"}])
        with pytest.raises(ReplyStrange, match="two records of one label"):
            things.record_ids(server.client, SUBJECT, [])


# --- documents -----------------------------------------------------------------------------------------------------

DOCUMENT = b'<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" ID="E1" label="L1" project="P1"/>'
ITEM = b'{"items": [{"data_fields": {"ID": "E1", "project": "P1", "subject_ID": "XS1"}}]}'
SCAN = Described(ThingKind.SCAN, "4", xsi_type="xnat:mrScanData", root="xnat:MRScan")
STRANGE = {
    "another item's": DOCUMENT.replace(b"E1", b"E2"),
    "cut": DOCUMENT[:-3],
    "empty": b"",
    "a page": b"<html><body>Welcome</body></html>",
    "a document type": b'<!DOCTYPE x [<!ENTITY a "b">]>' + DOCUMENT,
    "json": ITEM,
    "too deep": b"<a>" * 5000,
    "a part without an ID": DOCUMENT[:-2] + b"><xnat:scans><xnat:scan/></xnat:scans></xnat:MRSession>",
    "a part that climbs": DOCUMENT[:-2] + b'><xnat:scans><xnat:scan ID="../x"/></xnat:scans></xnat:MRSession>',
    "an assessor that climbs": DOCUMENT[:-2]
    + b'><xnat:assessors><xnat:assessor ID="../x"/></xnat:assessors></xnat:MRSession>',
}
READING: dict[str, Callable[[XnatServer], object]] = {
    "describe": lambda server: server.describe(SESSION),
    "overlay of a scan": lambda server: server.overlay(SESSION, Part(ThingKind.SCAN, "4"), SCAN, frozenset()),
    "create_part": lambda server: server.create_part("E1", SCAN),
    "share of a scan": lambda server: server.share(SESSION, Part(ThingKind.SCAN, "4"), "P2", ""),
}
OF_THE_WHOLE = {name for name in STRANGE if not name.startswith(("a part", "an assessor"))}


@pytest.mark.parametrize("method", READING)
def test_a_document_that_is_cut_or_anothers_says_nothing_and_nothing_is_written(method: str) -> None:
    """Whatever was to be done with it."""
    with scripted() as script, connected(script) as server:
        for name in STRANGE if method == "describe" else sorted(OF_THE_WHOLE):

            def say(asked: Asked, body: bytes = STRANGE[name]) -> Answer:
                return Answer(200, body if asked.query.get("format") == "xml" else ITEM)

            script.on("GET", "/data/experiments/E1", say)
            with pytest.raises((ReplyStrange, LoginLost)):
                READING[method](server)
        assert not [asked for asked in script.asked if asked.method == "PUT"]


def test_a_session_that_answers_as_another_takes_no_part() -> None:
    """Its project and subject would be those of the other one; so it is with rules of a project."""
    with scripted() as script, connected(script) as server:
        script.on("GET", "/data/experiments/E1", Answer(200, ITEM.replace(b"E1", b"E2")))
        script.on("GET", "/data/projects/P1", Answer(200, ITEM))
        with pytest.raises(ReplyStrange, match="another item"):
            server.create_part("E1", SCAN)
        with pytest.raises(ReplyStrange, match="another item"):
            server.rules("P1")
        assert not [asked for asked in script.asked if asked.method == "PUT"]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"a": ', b"<html>", b"[" * 100_000])
def test_custom_values_that_are_none_are_not_taken_for_there_being_none(body: bytes) -> None:
    """Else they would be taken for removed."""
    with scripted() as script, connected(script) as server:
        script.on("GET", "/xapi/custom-fields/experiments/E1/fields", Answer(200, body))
        with pytest.raises((ReplyStrange, LoginLost)):
            things.custom(server.client, OwnerKind.SESSION, "E1")


def test_a_long_text_is_read_in_time() -> None:
    """Its pieces are not joined anew for each."""
    ended: Any = judged(lambda: documents.read(b"<a>" + b"x" * (24 << 20) + b"</a>", "reading"), seconds=5)
    assert len(ended.text) == 24 << 20


# --- writes --------------------------------------------------------------------------------------------------------


def thing(kind: ThingKind, xsi_type: str = "") -> Described:
    return Described(kind, "X1", "N1", xsi_type, root="xnat:Subject")


E1, E1_SCANS = "/data/experiments/E1", "/data/projects/P1/subjects/XS1/experiments/E1"
# method -> the write, its address, and whether its answer names what was made
WRITES: dict[str, tuple[Callable[[XnatServer], object], str, bool]] = {
    "create_project": (lambda s: s.create_project(thing(ThingKind.PROJECT), "P2"), "/data/projects/P2", False),
    "create_subject": (
        lambda s: s.create_subject("P1", thing(ThingKind.SUBJECT)), "/data/projects/P1/subjects/N1", True),
    "create_experiment": (
        lambda s: s.create_experiment("P1", "XS1", thing(ThingKind.SESSION)),
        "/data/projects/P1/subjects/XS1/experiments/N1", True),
    "create_part": (lambda s: s.create_part("E1", SCAN), E1_SCANS, False),
    "create_part of an assessor": (
        lambda s: s.create_part("E1", thing(ThingKind.ASSESSOR)), f"{E1}/assessors/N1", True),
    "overlay": (lambda s: s.overlay(SESSION, Part(), thing(ThingKind.SESSION), frozenset()), E1_SCANS, False),
    "overlay of an assessor": (
        lambda s: s.overlay(SESSION, ASSESSOR, thing(ThingKind.ASSESSOR), frozenset()), f"{E1}/assessors/A7", False),
    "overlay of a record": (
        lambda s: s.overlay(SUBJECT, RECORD, thing(ThingKind.RECORD), frozenset()),
        "/data/projects/P1/subjects/XS1/experiments/E5", False),
    "set_custom": (
        lambda s: s.set_custom(SESSION, Part(), {"a": "1"}), "/xapi/custom-fields/experiments/E1/fields", False),
    "share": (lambda s: s.share(SESSION, Part(), "P2", "L2"), f"{E1}/projects/P2", False),
    "share of a scan": (
        lambda s: s.share(SESSION, Part(ThingKind.SCAN, "4"), "P2", ""), f"{E1}/scans/4/projects/P2", False),
    "create_resource": (
        lambda s: s.create_resource(SESSION, Part(), "N", format_="", content=""), f"{E1}/resources/N", False),
    "catalogue": (lambda s: s.catalogue(SESSION, Part(), "N"), "/data/services/refresh/catalog", False),
}  # fmt: skip
LOST: list[Answer] = [
    Answer(silent=True),
    Answer(200, b"E77", cut=1),
    Answer(500, b"no"),
    Answer(502, b"<html>"),
    Answer(504, b""),
]
NAMELESS = [b"", b"<html>x</html>", b"a b", b"/", b"..", b"\xff", b"x" * 5000, b"E1\nE2", b"<a/>", b'{"ID": "E1"}']


def at_rest(script: Scripted) -> None:
    """Answers every read that goes before a write."""
    answering(script)
    scan = DOCUMENT[:-2] + b'><xnat:scans><xnat:scan ID="4"/></xnat:scans></xnat:MRSession>'

    def session(asked: Asked) -> Answer:
        other = any(one.method == "PUT" for one in script.asked)
        assert not other, "a write was sent twice, or looked after by itself"
        if asked.query.get("format") != "xml":
            return Answer(200, ITEM)
        return Answer(200, scan if script.scan_is_there else DOCUMENT)  # type: ignore[attr-defined]

    script.on("GET", E1, session)
    script.on("GET", f"{E1}/projects", listing({"ID": "P1", "label": "L1"}))


@pytest.mark.parametrize("method", WRITES)
def test_a_write_without_an_answer_is_unknown_and_sent_once(method: str) -> None:
    """The reply is lost before it, within it, or is a gateway's; or it is to name what was made and does not."""
    write, path, is_named = WRITES[method]
    verb = "POST" if method == "catalogue" else "PUT"
    lost = [*LOST, *((Answer(201, body) for body in NAMELESS) if is_named else ())]
    for answer in lost:
        with scripted() as script, connected(script) as server:
            script.scan_is_there = method == "share of a scan"  # type: ignore[attr-defined]
            at_rest(script)
            script.on(verb, path, answer)
            ended = judged(lambda write=write, server=server: write(server))
            sent = script.requests(verb, path)
        assert len(sent) == 1, (answer, ended, [(one.method, one.path) for one in script.asked])
        if answer.status != 500:
            assert isinstance(ended, OutcomeUnknown), (answer, ended)
        assert isinstance(ended, XnatsyncError), (answer, ended)


def test_what_is_there_already_is_not_made_again() -> None:
    """Whatever the lookup answers with 200, the place is taken."""
    with scripted() as script, connected(script) as server:
        for path in ("/data/projects/P2", "/data/projects/P1/subjects/N1"):
            script.on("GET", path, Answer(200, ITEM))
        for method in ("create_project", "create_subject"):
            with pytest.raises(PlaceTaken):
                WRITES[method][0](server)
        assert not [asked for asked in script.asked if asked.method == "PUT"]


CATALOGUE = (
    b'<cat:DCMCatalog xmlns:cat="http://nrg.wustl.edu/catalog" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    b"<cat:entries>"
    b'<cat:entry URI="1.dcm" ID="1.dcm" UID="1.2.3" xsi:type="cat:dcmEntry"/>'
    b'<cat:entry URI="2.dcm" ID="2.dcm" UID="no UID" xsi:type="cat:dcmEntry"/>'
    b"</cat:entries></cat:DCMCatalog>"
)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (CATALOGUE, {"1.dcm": "1.2.3"}),
        (CATALOGUE[:-30], {}),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + CATALOGUE, {}),
        (b"<cat:Other xmlns:cat='http://nrg.wustl.edu/catalog'/>", {}),
        (b"{}", {}),
        (b"", {}),
    ],
)
def test_uids_are_read_of_a_catalogue_alone(body: bytes, found: dict[str, str]) -> None:
    """Where it is no catalogue, or is cut, none is known: the objects themselves say it then."""
    with scripted() as script, connected(script) as server:
        script.on(
            "GET", "/data/experiments/E1/scans/4/resources/DICOM", Answer(200, body, {"Content-Type": "text/xml"})
        )
        assert dict(server.object_uids(SESSION, ResourceKey("4", "DICOM"))) == found


def test_the_tables_have_every_method_of_a_transfer() -> None:
    """What mirrors and pushes read as well is in the tables of theirs."""
    mine = {name for kind in (TransferServer, Readable) for name in vars(kind) if not name.startswith("_")}
    here = {name.split()[0] for name in (*READING, *WRITES)} | {name.partition(".")[2] for name in LISTINGS}
    here |= {"rules", "object_uids"}  # with tests of their own
    theirs = {"inventory", "fetch_resources", "fetch_file", "metadata"}
    assert mine - theirs == (here & vars(XnatServer).keys())
