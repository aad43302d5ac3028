"""Searches: posted, cached and paged, saved; what can be searched; the schemas (hierarchy.md §3.7)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from sandbox.archive_example import Caller, example, served
from xnatsync.sandbox.model.site import Site


def search(root="xnat:mrSessionData", fields=("LABEL", "PROJECT", "DATE"), where=""):
    listed = "".join(
        f"<xdat:search_field><xdat:element_name>{root}</xdat:element_name><xdat:field_ID>{name}</xdat:field_ID>"
        f"<xdat:sequence>{at}</xdat:sequence><xdat:type>string</xdat:type><xdat:header>{name.title()}</xdat:header>"
        "</xdat:search_field>"
        for at, name in enumerate(fields)
    )
    return (
        '<xdat:stored_search xmlns:xdat="http://nrg.wustl.edu/security" ID="mine" brief-description="Mine">'
        f"<xdat:root_element_name>{root}</xdat:root_element_name>{listed}"
        f'<xdat:search_where method="AND">{where}</xdat:search_where></xdat:stored_search>'
    ).encode()


def criteria(path, comparison, value):
    return (
        f"<xdat:criteria><xdat:schema_field>{path}</xdat:schema_field>"
        f"<xdat:comparison_type>{comparison}</xdat:comparison_type><xdat:value>{value}</xdat:value></xdat:criteria>"
    )


def labels(reply):
    return {row["label"] for row in reply.rows}


@pytest.fixture
def get():
    with served(example()) as caller:
        yield caller


def post(get, document, query="?format=json"):
    return get(f"/data/search{query}", "POST", document, Content_Type="text/xml")


def test_a_posted_search_gives_a_table_with_columns_and_root(get):
    reply = post(get, search())
    assert reply.table["rootElementName"] == "xnat:mrSessionData"
    assert [each["key"] for each in reply.table["Columns"]] == ["label", "project", "date", "quarantine_status"]
    assert reply.table["totalRecords"] == "2"
    status = {"quarantine_status": "active"}
    assert reply.rows[0] == {"label": "SUB01_MR1", "project": "P1", "date": "2018-07-01", **status}
    assert set(reply.table["Columns"][1]) == {"key", "type", "xPATH", "element_name", "header", "id"}


def field(root, name):
    return (
        f"<xdat:search_field><xdat:element_name>{root}</xdat:element_name><xdat:field_ID>{name}</xdat:field_ID>"
        "</xdat:search_field>"
    )


def keys(get, root, *fields):
    document = search(root, ()).replace(
        b"<xdat:search_where", "".join(field(*each) for each in fields).encode() + b"<xdat:search_where", 1
    )
    reply = post(get, document)
    assert reply.status == 200, reply.body
    return [each["key"] for each in reply.table["Columns"]][:-1]


MR, SUBJECT = "xnat:mrSessionData", "xnat:subjectData"
ELSE = "xnat_mrsessiondata"  # before the fields of a session in a search for something else


def _made(name: str) -> str:
    return f"xnat_col_mrsessiondata{name}"


@pytest.mark.parametrize(
    ("root", "fields", "found"),
    [
        (MR, [(MR, "PROJECT"), (MR, f"{MR}/label")], ["project", "xnat_col_mrsessiondatalabel"]),
        (MR, [(SUBJECT, "SUBJECT_LABEL"), (MR, "DATE")], ["xnat_subjectdata_subject_label", "date"]),
        (SUBJECT, [(SUBJECT, "SES"), (MR, "LABEL")], ["ses", "xnat_mrsessiondata_label"]),
        (SUBJECT, [(SUBJECT, "SUB_PROJECT_IDENTIFIER=P2")], ["sub_project_identifier_p2"]),
        (MR, [(MR, "SCAN_COUNT_TYPE=T1")], ["scan_count_type_t1"]),
        (MR, [(MR, f"{MR}/INSERT_DATE")], ["insert_date"]),
        ("xnat:mrScanData", [("xnat:mrScanData", "TYPE")], ["type"]),
        # a path that is a display field as it stands answers under its id (xnatpy's all() is told so by its server)
        (MR, [(MR, f"{MR}/{n}") for n in ("ID", "project", "subject_ID")], ["session_id", "project", "subject_id"]),
        (MR, [(MR, f"{MR}/{n}") for n in ("date", "note")], ["date", _made("note")]),
        (SUBJECT, [(SUBJECT, f"{SUBJECT}/{name}") for name in ("ID", "group")], ["subjectid", "sub_group"]),
        (
            SUBJECT,
            [(MR, f"{MR}/ID"), (MR, f"{MR}/label")],
            ["xnat_mrsessiondata_session_id", f"{ELSE}_{_made('label')}"],
        ),
        ("xnat:projectData", [("xnat:projectData", f"xnat:projectData/{n}") for n in ("ID", "name")], ["id", "name"]),
        ("xnat:mrScanData", [("xnat:mrScanData", "xnat:mrScanData/series_description")], ["series_description"]),
    ],
)
def test_a_column_is_named_by_its_display_field_its_element_or_its_path(get, root, fields, found):
    assert keys(get, root, *fields) == found


@pytest.mark.parametrize("root", ["xnat:projectData", SUBJECT, MR, "xnat:qcManualAssessorData", "xnat:mrScanData"])
def test_every_display_field_of_a_type_can_be_searched_and_its_default_search_posted_back(get, root):
    rows = get(f"/data/search/elements/{root}").rows
    for row in rows:
        name = row["FIELD_ID"] + ("=P1" if row["REQUIRES_VALUE"] == "true" else "")
        assert keys(get, root, (root, name))
    xml = get(f"/data/search/saved/@{root}")
    assert (xml.status, xml.headers["content-type"].partition(";")[0]) == (200, "text/xml")
    posted, listed = post(get, xml.body), get(f"/data/search/saved/@{root}/results?format=json")
    assert posted.rows == listed.rows != []


def test_attributes_and_elements_of_a_search_are_one(get):
    document = search().replace(b"<xdat:root_element_name>xnat:mrSessionData</xdat:root_element_name>", b"")
    document = document.replace(b'ID="mine"', b'ID="mine" root_element_name="xnat:mrSessionData"')
    assert get("/data/search/saved/mine", "PUT", document, Content_Type="text/xml").status == 200
    assert labels(get("/data/search/saved/mine/results?format=json")) == {"SUB01_MR1", "X_MR1"}
    assert get("/data/search/saved/mine?saveAs=true", "PUT", document, Content_Type="text/xml").status == 200
    assert {row["id"] for row in get("/data/search/saved").rows} == {"mine", "mine_1"}


@pytest.mark.parametrize(
    "change",
    [
        (b'ID="mine"', b'ID="mine" nonsense="1"'),
        (b"</xdat:stored_search>", b"<xdat:nonsense/></xdat:stored_search>"),
        (b"</xdat:field_ID>", b"</xdat:field_ID><xdat:nonsense/>"),
        (b"xdat:stored_search", b"xdat:stored_nonsense"),
    ],
)
def test_what_a_search_does_not_say_is_refused(get, change):
    assert post(get, search().replace(*change)).status == 422


def test_unequal_on_a_path_leaves_out_what_is_empty_on_a_display_field_it_does_not(get):
    by_path = post(get, search(where=criteria("xnat:mrSessionData/date", "!=", "07/01/2018")))
    by_field = post(get, search(where=criteria("xnat:mrSessionData.DATE", "!=", "07/01/2018")))
    assert (labels(by_path), labels(by_field)) == (set(), {"X_MR1"})


def test_a_subject_with_joined_sessions_has_one_row_the_latest():
    site = example()
    later = site.experiments["XNAT_E00002"]
    later.subject, later.xsi_type, later.label = "XNAT_S00001", "xnat:mrSessionData", "LATER"
    with served(site) as get:
        document = search(SUBJECT, ("SUBJECT_LABEL",)).replace(
            b"<xdat:search_where", field(MR, "LABEL").encode() + b"<xdat:search_where", 1
        )
        rows = {row["subject_label"]: row["xnat_mrsessiondata_label"] for row in post(get, document).rows}
    assert rows == {"SUB01": "LATER", "SUB02": "", "X": "X_MR1"}


def test_a_kept_table_has_the_key_of_the_root_and_sorts_empty_values_last(get):
    kept = post(get, search(), "?format=json&cache=true").table
    assert kept["Result"][0]["key"] == "XNAT_E00001"
    for order, found in (("ASC", ["SUB01_MR1", "X_MR1"]), ("DESC", ["X_MR1", "SUB01_MR1"])):
        page = get(f"/data/search/{kept['ID']}?format=json&sortBy=date&sortOrder={order}")
        assert [row["label"] for row in page.rows] == found


def test_a_search_within_a_project(get):
    document = get("/data/projects/P2/searches/@xnat:mrSessionData").body
    assert {row["mr_project_identifier_p2"] for row in post(get, document).rows} == {"X_MR1", "SHARED"}
    assert get("/data/projects/P2/searches/@foo:bar").status == 404


def test_the_elements_have_the_names_a_person_reads_and_one_has_no_rights(get):
    rows = {row["ELEMENT_NAME"]: row for row in get("/data/search/elements").rows}
    assert (rows[MR]["SINGULAR"], rows[MR]["PLURAL"]) == ("MR Session", "MR Sessions")
    assert [name for name, row in rows.items() if row["SECURED"] == "false"] == ["xnat:investigatorData"]


def test_assessors_of_a_session_are_joined_by_their_path(get):
    path = "/data/experiments?columns=ID,xnat:mrSessionData/assessors/assessor/id"
    rows = {row["ID"]: row["xnat:mrsessiondata/assessors/assessor/id"] for row in get(path).rows}
    assert rows == {"XNAT_E00001": "XNAT_E00009", "XNAT_E00004": ""}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (criteria("xnat:mrSessionData/project", "=", "P1"), {"SUB01_MR1"}),
        (criteria("xnat:mrSessionData.PROJECT", "=", "P2"), {"X_MR1"}),
        (criteria("xnat:mrSessionData/label", "LIKE", "%mr1"), {"SUB01_MR1", "X_MR1"}),
        (criteria("xnat:mrSessionData/date", "&gt;=", "07/01/2018"), {"SUB01_MR1"}),
        (criteria("xnat:mrSessionData/date", "IS NULL", ""), {"X_MR1"}),
        (
            '<xdat:child_set method="OR">'
            + criteria("xnat:mrSessionData/label", "=", "X_MR1")
            + criteria("xnat:mrSessionData/UID", "=", "1.2.3")
            + "</xdat:child_set>",
            {"SUB01_MR1", "X_MR1"},
        ),
        (criteria("xnat:mrScanData/type", "=", "T1"), {"SUB01_MR1"}),
        (criteria("xnat:mrSessionData/label", "=", "nothing"), set()),
    ],
)
def test_conditions(get, where, found):
    assert labels(post(get, search(where=where))) == found


def test_a_search_finds_only_what_its_user_may_read(get):
    member = Caller(get.server, "member")
    assert labels(post(member, search())) == {"SUB01_MR1"}


def test_a_cached_search_is_a_stable_snapshot_that_is_sorted_as_a_whole(get):
    kept = post(get, search(), "?format=json&cache=true").table["ID"]
    get.server.site.experiments["XNAT_E00004"].label = "CHANGED"
    page = f"/data/search/{kept}?format=json&limit=1&sortBy=label&sortOrder=DESC"
    assert labels(get(f"{page}&offset=0")) == {"X_MR1"}
    second = get(f"{page}&offset=1")
    assert labels(second) == {"SUB01_MR1"}
    assert second.table["totalRecords"] == "2"


def test_a_cached_search_is_gone_for_others_and_when_unknown(get):
    kept = post(get, search(), "?format=json&cache=true").table["ID"]
    assert Caller(get.server, "member")(f"/data/search/{kept}").status == 410
    assert get("/data/search/unknown").status == 410


def test_a_search_cannot_be_got(get):
    assert get("/data/search").status == 405


@pytest.mark.parametrize(
    ("document", "status"),
    [(b"no xml", 422), (search(root="xnat:nothing"), 500), (search(fields=("NO_SUCH_FIELD",)), 500)],
)
def test_a_bad_search_is_an_error(get, document, status):
    assert post(get, document).status == status


def test_saved_searches_are_listed_shown_as_xml_only_run_and_removed(get):
    path = "/data/search/saved/mine"
    assert get(path, "PUT", search(), Content_Type="text/xml").status == 200
    assert get("/data/search/saved?format=json").rows[0]["brief_description"] == "Mine"
    assert ET.fromstring(get(path).body).get("ID") == "mine"
    assert get(f"{path}?format=json").status == 404
    assert labels(get(f"{path}/results?format=json")) == {"SUB01_MR1", "X_MR1"}
    assert get(path, "DELETE").status == 200
    assert get(path, "DELETE").status == 200
    assert get(path).status == 404


def test_another_users_search_is_forbidden(get):
    Caller(get.server, "member")("/data/search/saved/mine", "PUT", search(), Content_Type="text/xml")
    stranger = Caller(get.server, "stranger")
    assert stranger("/data/search/saved/mine").status == 403
    assert stranger("/data/search/saved/mine", "DELETE").status == 403


def test_a_saved_search_is_kept_over_a_restart(tmp_path):
    site = Site.on_disk(tmp_path)
    site.accounts.add("admin", "admin", admin=True)
    site.save_accounts()
    with served(site) as get:
        get("/data/search/saved/mine", "PUT", search(), Content_Type="text/xml")
    site.close()
    again = Site.on_disk(tmp_path)
    with served(again) as get:
        assert get("/data/search/saved?format=json").rows[0]["id"] == "mine"
    again.close()


def test_the_default_listing_of_a_type_is_a_saved_search_of_its_own(get):
    reply = get("/data/search/saved/@xnat:subjectData/results?format=json")
    assert {row["subject_label"] for row in reply.rows} == {"SUB01", "SUB02", "X"}


def test_elements_and_their_fields_are_listed(get):
    names = {row["ELEMENT_NAME"]: row["COUNT"] for row in get("/data/search/elements?format=json").rows}
    assert names["xnat:mrSessionData"] == "2"
    assert "xnat:mrScanData" not in names
    fields = {row["FIELD_ID"] for row in get("/data/search/elements/xnat:mrSessionData?format=json").rows}
    assert {"LABEL", "SESSION_ID", "INSERT_DATE"} <= fields
    assert get("/data/search/elements/xnat:nothing?format=json").status == 404


def test_the_schemas_declare_every_type_the_site_lists(get):
    assert set(get("/xapi/schemas").json) == {"xnat", "xdat", "catalog"}
    schema = get("/xapi/schemas/xnat")
    addresses = (
        "/schemas/xnat/xnat.xsd",
        "/schemas/xnat.xsd",
        "/xapi/xnat.xsd",
    )  # the latter two by TestSchemasOnlyApi
    assert all(get(address).body == schema.body for address in addresses)
    names = {
        node.get("name") for node in ET.fromstring(schema.body).iter("{http://www.w3.org/2001/XMLSchema}complexType")
    }
    for row in get("/data/search/elements?format=json").rows:
        assert row["ELEMENT_NAME"].removeprefix("xnat:") in names
    assert get("/xapi/schemas/nothing").status == 404
    assert get("/schemas/xnat/..%2f..%2fsite.py").status == 404


def test_overviews_tell_scan_types_and_access_levels(get):
    assert {row["type"] for row in get("/data/archive/scan_types").rows} == {"T1", "4"}
    member = Caller(get.server, "member")
    assert member("/xapi/access/projects").json == [{"ID": "P1", "name": "Project 1", "role": "Members"}]


@pytest.mark.parametrize(
    ("gender", "hand", "letters"),
    [("male", "left", "ML"), ("female", "right", "FR"), ("unknown", "ambidextrous", "UA"), ("", "", "U")],
)
def test_letters_stand_for_gender_and_hand_in_a_search(gender, hand, letters):
    """`GENDER_TEXT` is U for everybody of whom it is not known (§15.4, D: subjectData_display.xml)."""
    site = example()
    subject = next(iter(site.subjects.values()))
    subject.fields |= {"gender": gender, "handedness": hand, "yob": "", "dob": "1970-02-03"}
    fields = "".join(field(SUBJECT, name) for name in ("SUBJECTID", "GENDER_TEXT", "HANDEDNESS_TEXT", "DOB"))
    document = search(SUBJECT, ()).replace(b"<xdat:search_where", fields.encode() + b"<xdat:search_where", 1)
    with served(site) as get:
        row = next(each for each in post(get, document).rows if each["subjectid"] == subject.id)
    assert (row["gender_text"] + row["handedness_text"], row["dob"]) == (letters, "1970")


@pytest.mark.parametrize("root", [MR, SUBJECT])
def test_a_custom_variable_is_a_display_field_with_its_name_as_value(root):
    """xnatpy asks for them this way (C `CustomFieldSearchField`; D: the display documents)."""
    site = example()
    items = (*site.experiments.values(), *site.subjects.values())
    for each in items:
        each.variables["rater"] = f"R-{each.id}"
    name = f"{root.upper().replace(':', '_')}_FIELD_MAP=rater"
    document = search(root, ()).replace(
        b"<xdat:search_where", (field(root, f"{root}/ID") + field(root, name)).encode() + b"<xdat:search_where", 1
    )
    with served(site) as get:
        rows = post(get, document).rows
    key = "session_id" if root == MR else "subjectid"
    assert rows
    assert all(row[name.lower().replace("=", "_")] == f"R-{row[key]}" for row in rows)


@pytest.mark.parametrize(
    ("root", "name"),
    [("xnat:projectData", "USER_ROLE"), (SUBJECT, "SUB_PROJECT_IDENTIFIER"), (MR, "SCAN_COUNT_TYPE")],
)
def test_a_field_that_goes_with_a_value_is_empty_without_one(get, root, name):
    """pyxnat asks for all fields of a type at once (V `test_info_project`; src DisplaySearch: the value is NULL)."""
    document = search(root, ()).replace(b"<xdat:search_where", f"{field(root, name)}<xdat:search_where".encode(), 1)
    reply = post(get, document)
    assert (reply.status, {row[name.lower()] for row in reply.rows}) == (200, {""})


def test_the_type_of_a_column_is_that_of_the_field_whatever_the_document_says(get):
    """xnatpy sends xs:string and None and is answered string (V `test_querying`, the whole JSON compared)."""
    document = search(MR, ("PROJECT", f"{MR}/label", "DATE")).replace(b"<xdat:type>string", b"<xdat:type>None")
    columns = post(get, document).table["Columns"]
    assert [each.get("type") for each in columns] == ["string", "string", "date", None]
    assert [each.get("header") for each in columns[:1]] == ["Project"]
