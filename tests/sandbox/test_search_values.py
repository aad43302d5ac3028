"""What searches compare, how they sort, which rows they show, and the searches that XNAT makes of itself.

The expectations are those of XNAT's own tests of searches (TestSearchFilter*, TestSearchGeneration, TestSearchJoins,
TestAdvancedSearch, TestSearchPaginationAndCaching), asked with data of ours.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.archive_example import served
from xnatsync.sandbox.model.comparisons import comparison, ordered, sorted_by
from xnatsync.sandbox.model.displayfields import display_fields
from xnatsync.sandbox.model.schema import document_types, is_a
from xnatsync.sandbox.model.searchdocument import BadSearch
from xnatsync.sandbox.model.site import Site

XDAT = "{http://nrg.wustl.edu/security}"
MR, PET, SUBJECT, SCAN, QC = (
    f"xnat:{name}Data" for name in ("mrSession", "petSession", "subject", "mrScan", "qcManualAssessor")
)
VALUES = {
    MR: {
        "A": {"dcmPatientWeight": "130.5", "delay": "10000", "date": "03/20/2020"},
        "B": {"dcmPatientWeight": "150", "delay": "5000", "date": "07/07/2018"},
        "C": {"dcmPatientWeight": "200.0", "delay": "1234", "date": "02/02/2021"},
        "D": {},
    },
    PET: {
        "E": {"tracer/startTime": "2011-01-01 03:00:00.0"},
        "F": {"tracer/startTime": "2011-01-01 03:00:01"},
        "G": {"tracer/startTime": "2012-02-02T13:00:01"},
        "H": {},
    },
}
SCANS = {"1": ("T1", "08:08:08"), "2": ("T1", "09:09:09"), "3": ("T2", "10:10:10"), "4": ("T2", "")}
GROUPS = {"S1": "Symmetric", "S2": "Special linear", "S3": "Cyclic", "S4": ""}


@pytest.fixture(scope="module")
def get():
    site = Site.in_memory()
    site.accounts.add("admin", "admin", admin=True)
    with served(site) as caller:
        assert caller("/data/projects/P1", "PUT").status == 200
        for label, group in GROUPS.items():
            assert caller(f"/data/projects/P1/subjects/{label}?group={group.replace(' ', '+')}", "PUT").status == 201
        for kind, sessions in VALUES.items():
            for label, fields in sessions.items():
                query = "&".join(f"{kind}/{name}={value.replace(' ', '+')}" for name, value in fields.items())
                path = f"/data/projects/P1/subjects/S1/experiments/{label}?xsiType={kind}&{query}"
                assert caller(path, "PUT").status == 201
        for scan, (kind, time) in SCANS.items():
            path = f"/data/projects/P1/subjects/S1/experiments/A/scans/{scan}?xsiType={SCAN}&type={kind}"
            assert caller(path + (f"&{SCAN}/startTime={time}" if time else ""), "PUT").status == 200
        yield caller


def document(get, path, where="", fields=""):
    found = get(path)
    assert found.status == 200, found.body
    text = found.body.decode()
    tail = f'<xdat:search_where method="AND">{where}</xdat:search_where></xdat:bundle>' if where else "</xdat:bundle>"
    start = text.index("<xdat:search_where") if "<xdat:search_where" in text else text.index("</xdat:bundle>")
    return (text[:start] + fields + text[start:]).replace("</xdat:bundle>", tail).encode()


def criterion(path, name, value=None):
    stated = f"<xdat:value>{value}</xdat:value>" if value is not None else ""
    name = name.replace("<", "&lt;").replace(">", "&gt;")
    return (
        f"<xdat:criteria><xdat:schema_field>{path}</xdat:schema_field>"
        f"<xdat:comparison_type>{name}</xdat:comparison_type>{stated}</xdat:criteria>"
    )


def field(owner, name, header="", kind="string"):
    return (
        f"<xdat:search_field><xdat:element_name>{owner}</xdat:element_name><xdat:field_ID>{name}</xdat:field_ID>"
        f"<xdat:sequence>99</xdat:sequence><xdat:type>{kind}</xdat:type><xdat:header>{header}</xdat:header>"
        "</xdat:search_field>"
    )


def post(get, body, query="refresh=true"):
    found = get(f"/data/search?format=json&{query}", "POST", body, Content_Type="text/xml")
    assert found.status == 200, found.body
    return found


def found_in(get, root, where, fields=""):
    body = document(get, f"/data/projects/P1/searches/@{root}", where, fields)
    rows = post(get, body).rows
    key = {MR: "mr_project_identifier_p1", PET: "xnat_petsessiondata_project_identifier_p1", SCAN: "id"}
    return "".join(sorted(row[key.get(root, "sub_project_identifier_p1")] for row in rows))


MOMENT = "2011-01-01 03:00:01.0"


@pytest.mark.parametrize(
    ("root", "path", "name", "value", "found"),
    [
        (MR, f"{MR}/dcmPatientWeight", "=", "150", "B"),
        (MR, f"{MR}/dcmPatientWeight", "!=", "130.5", "BC"),
        (MR, f"{MR}/dcmPatientWeight", "BETWEEN", "130.5 AND 200", "ABC"),
        (MR, f"{MR}/dcmPatientWeight", "IS NULL", None, "D"),
        (MR, f"{MR}/delay", ">", "5000", "A"),
        (MR, f"{MR}/delay", "BETWEEN", "1234 AND 5000", "BC"),
        (MR, f"{MR}.SCAN_COUNT_TYPE=T1", "=", "2", "A"),
        (MR, f"{MR}.SCAN_COUNT_TYPE=T1", "!=", "2", "BCD"),  # of a display field NULL is unequal, of a path it is not
        (MR, f"{MR}.DATE", ">=", "2020-03-20", "AC"),
        (MR, f"{MR}/date", "<", "03/20/2020", "B"),
        (MR, f"{MR}.DATE", "!=", "03/20/2020", "BCD"),
        (MR, f"{MR}/date", "!=", "03/20/2020", "BC"),
        (MR, f"{MR}.DATE", "BETWEEN", "07/08/2018 AND 02/01/2021", "A"),
        (PET, f"{PET}.TRACER_STARTTIME", "=", MOMENT, "F"),
        (PET, f"{PET}/tracer/startTime", ">=", MOMENT, "FG"),
        (PET, f"{PET}.TRACER_STARTTIME", "BETWEEN", f"{MOMENT} AND 2012-02-02 13:00:01.0", "FG"),
        (PET, f"{PET}/tracer/startTime", "!=", MOMENT, "EG"),
        (SCAN, f"{SCAN}.STARTTIME", ">", "08:08:07.999", "123"),
        (SCAN, f"{SCAN}/startTime", "<", "09:09:09.5", "12"),
        (SCAN, f"{SCAN}.STARTTIME", "IS NULL", None, "4"),
        (SUBJECT, f"{SUBJECT}.SUB_GROUP", "BETWEEN", "B AND D", "S3"),
        (SUBJECT, f"{SUBJECT}/group", "!=", "Cyclic", "S1S2"),
        (SUBJECT, f"{SUBJECT}.SUB_GROUP", "!=", "Cyclic", "S1S2S4"),
    ],
)
def test_a_condition_compares_by_the_type_of_its_field(get, root, path, name, value, found):
    assert found_in(get, root, criterion(path, name, value)) == found


@pytest.mark.parametrize(
    ("root", "name", "found"),
    [
        (MR, "DATE", ["07", "20", "02", ""]),
        (SCAN, "STARTTIME", ["08:08:08.000", "09:09:09.000", "10:10:10.000", ""]),
        (PET, "TRACER_STARTTIME", ["2011-01-01 03:00:00.0", MOMENT, "2012-02-02 13:00:01.0", ""]),
    ],
)
def test_a_posted_search_sorts_by_a_display_field_and_null_is_the_largest(get, root, name, found):
    body = document(get, f"/data/projects/P1/searches/@{root}")
    for order, expected in (("ASC", found), ("DESC", found[::-1])):
        rows = post(get, body, f"refresh=true&sortBy={name}&sortOrder={order}").rows
        shown = [row[name.lower()] for row in rows]
        assert [value[-2:] for value in shown] == expected if root == MR else shown == expected


WORDS = st.text("0123456789-:. T/ANDxyz", max_size=24)


@given(WORDS, WORDS, st.sampled_from(["xs:integer", "xs:float", "xs:date", "xs:dateTime", "xs:time", "xs:string"]))
def test_any_value_has_an_order_and_between_is_both_ends(value, wanted, kind):
    assert comparison("=", wanted, kind)(wanted)
    inside = ordered(wanted, kind) <= ordered(value, kind) <= ordered(wanted, kind)
    if " AND " not in wanted and wanted == wanted.strip():
        assert comparison("BETWEEN", f"{wanted} AND {wanted}", kind)(value) == (value != "" and inside)
    both = [{"a": value}, {"a": wanted}, {}]
    empty = sum(not row.get("a") for row in both)
    up, down = (sorted_by(both, "a", kind, descending=each) for each in (False, True))
    assert not any(row.get("a") for row in (*up[-empty:], *down[:empty]))  # NULL is the largest of all


def test_between_takes_two_values():
    with pytest.raises(BadSearch):
        comparison("BETWEEN", "5", "xs:integer")


DEFAULTS = {  # the fields of the searches that XNAT makes (TestSearchGeneration)
    "@xnat:projectData": "ID NAME DESCRIPTION SECONDARY_ID KEYWORDS PROJ_MR_COUNT PROJ_PET_COUNT PROJ_CT_COUNT "
    "USER_ROLE PROJECT_ACCESS",
    f"@{SUBJECT}": "SUBJECT_LABEL GENDER HANDEDNESS DOB EDUC SES MR_COUNT",
    f"P1 @{SUBJECT}": "SUB_PROJECT_IDENTIFIER=P1 GENDER_TEXT HANDEDNESS_TEXT DOB CNT_XNAT_MRSESSIONDATA=P1 "
    "CNT_XNAT_PETSESSIONDATA=P1",
    f"@{MR}": "LABEL PROJECT DATE SUBJECT_LABEL GENDER_TEXT AGE TYPE SCANNER MR_SCAN_COUNT_AGG",
    f"P1 @{MR}": "MR_PROJECT_IDENTIFIER=P1 DATE SUB_PROJECT_IDENTIFIER=P1 AGE SCANNER MR_SCAN_COUNT_AGG",
    f"P1 @{QC}": "XNAT_QCMANUALASSESSORDATA_PROJECT_IDENTIFIER=P1 DATE RATER STEREOTACTICMARKER INCIDENTALFINDINGS "
    "COMMENTS PASS PAYABLE RESCAN RESOLVABLE RETRAIN",
    f"@{QC}": "RPT PROJECT LABEL DATE RATER STEREOTACTICMARKER INCIDENTALFINDINGS COMMENTS PASS PAYABLE RESCAN "
    "RESOLVABLE RETRAIN",
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_searches_that_xnat_makes_have_its_fields_and_can_be_posted(get, name):
    project, _, identifier = name.rpartition(" ")
    path = f"/data/projects/{project}/searches/{identifier}" if project else f"/data/search/saved/{identifier}"
    body = get(path).body
    root = ET.fromstring(body)
    assert [node.text for node in root.iter(f"{XDAT}field_ID")] == DEFAULTS[name].split()
    assert all(node.text for node in root.iter(f"{XDAT}header"))
    if project:
        assert (root.get("tag"), root.get("ID")) == ("P1", f"P1_{identifier[1:]}")
    columns = [each["key"] for each in post(get, body).table["Columns"]]
    assert len(columns) == len(DEFAULTS[name].split()) + 1
    if identifier == "@xnat:projectData":
        assert "user_role_3" in columns or any(re.fullmatch(r"user_role_\d+", each) for each in columns)


@pytest.mark.parametrize("name", sorted(each.name for each in document_types() if not each.abstract))
def test_every_type_that_can_be_searched_has_a_default_search_that_can_be_posted(get, name):
    """Total over the types of the schema: each field of the schema is a display field, each listing can be run."""
    searchable = any(
        is_a(name, each) for each in ("xnat:projectData", SUBJECT, "xnat:experimentData", "xnat:imageScanData")
    )
    found = get(f"/data/search/saved/@{name}")
    assert found.status == (200 if searchable else 404)
    if searchable:
        post(get, found.body)
        post(get, get(f"/data/projects/P1/searches/@{name}").body)
        shown = get(f"/data/search/elements/{name}?format=json").table["versions"]["DisplayVersions"]["versions"]
        every = {each["id"] for version in shown if version["name"] == "all" for each in version["fields"]}
        assert every == {each for each, display in display_fields(name).items() if not display.valued}


def test_the_detailed_version_of_an_mr_session_is_that_of_xnat(get):
    shown = get(f"/data/search/elements/{MR}?format=json").table["versions"]["DisplayVersions"]["versions"]
    detailed = next(each for each in shown if each["name"] == "detailed")
    assert {each["id"] for each in detailed["fields"]} == {
        *("MR_NOTES", "LABEL", "OPERATOR", "SCANNER", "MARKER", "STABILIZATION")
    }


def test_a_subject_shows_its_session_without_a_date_and_its_last_scan_while_any_session_meets_a_condition(get):
    fields = field(MR, "LABEL") + field(SCAN, "ID") + field(MR, f"{MR}/delay", "Delay", "integer")
    for where in ("", criterion(f"{MR}/delay", "=", "1234")):
        body = document(get, f"/data/projects/P1/searches/@{SUBJECT}", where, fields)
        rows = {row["sub_project_identifier_p1"]: row for row in post(get, body).rows}
        assert set(rows) == ({"S1"} if where else set(GROUPS))
        shown = rows["S1"]
        assert (shown["xnat_mrsessiondata_label"], shown["xnat_mrscandata_id"]) == ("D", "4")
        assert shown["xnat_mrsessiondata_xnat_col_mrsessiondatadelay"] == ""


def test_a_column_tells_the_header_and_type_of_its_field_and_where_its_cells_lead(get):
    body = document(get, f"/data/projects/P1/searches/@{SUBJECT}", "", field(MR, "LABEL", "Label"))
    columns = {each["key"]: each for each in post(get, body).table["Columns"]}
    linked = columns["xnat_mrsessiondata_label"]
    assert linked["clickable"] == "true"
    assert linked["linkProps"][0]["inserts"] == [{"name": "Field1", "value": "xnat_mrsessiondata_session_id"}]
    counted = document(get, f"/data/projects/P1/searches/@{MR}", "", field(MR, "SCAN_COUNT_TYPE=T1", "T1", "integer"))
    shown = {each["key"]: each for each in post(get, counted).table["Columns"]}["scan_count_type_t1"]
    assert (shown["id"], shown["xPATH"]) == ("SCAN_COUNT_TYPE=T1", f"{MR}.SCAN_COUNT_TYPE")
    assert (shown["type"], shown["header"]) == ("integer", "T1")


def test_results_of_a_stored_search_are_those_that_were_kept_until_they_are_refreshed(get):
    body = document(get, f"/data/projects/P1/searches/@{SUBJECT}").replace(b"P1_xnat:subjectData", b"mine")
    assert get("/data/search/saved/mine", "PUT", body, Content_Type="text/xml").status == 200
    where = criterion(f"{SUBJECT}.SUB_PROJECT_IDENTIFIER=P1", "=", "S2")
    narrow = document(get, f"/data/projects/P1/searches/@{SUBJECT}", where).replace(b"P1_xnat:subjectData", b"mine")
    post(get, narrow, "cache=true&refresh=true")
    path = "/data/search/saved/mine/results?format=json"
    assert [row["sub_project_identifier_p1"] for row in get(path).rows] == ["S2"]
    assert len(get(f"{path}&refresh=true&cache=true").rows) == len(GROUPS)


def test_times_and_moments_in_tables_are_written_as_java_writes_them(get):
    scans = get("/data/projects/P1/subjects/S1/experiments/A/scans?columns=ID,scanTime").rows
    assert {row["ID"]: row["scanTime"] for row in scans}["1"] == "08:08:08.000"
    path = "/data/experiments?xsiType=xnat:petSessionData&columns=label,tracer_startTime"
    assert {row["label"]: row["tracer_startTime"] for row in get(path).rows}["F"] == MOMENT
