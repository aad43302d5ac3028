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
    assert [each["key"] for each in reply.table["Columns"]] == ["session_id", "label", "project", "date"]
    assert reply.table["totalRecords"] == "2"
    assert reply.rows[0] == {"session_id": "XNAT_E00001", "label": "SUB01_MR1", "project": "P1", "date": "2018-07-01"}


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


@pytest.mark.parametrize("document", [b"no xml", search(root="xnat:nothing"), search(fields=("NO_SUCH_FIELD",))])
def test_a_bad_search_is_an_error(get, document):
    assert post(get, document).status == 500


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
    assert schema.body == get("/schemas/xnat/xnat.xsd").body
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
