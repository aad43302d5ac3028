"""Single items as JSON, XML and HTML (hierarchy.md §4.1, §4.2)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from sandbox.archive_example import Caller, example, served
from xnatsync.sandbox.model.items import experiment_item, project_item, scan_item
from xnatsync.sandbox.model.itemxml import item_xml
from xnatsync.sandbox.model.writing import from_xml

NS = {"xnat": "http://nrg.wustl.edu/xnat"}


@pytest.fixture(scope="module")
def get():
    with served(example()) as caller:
        yield caller


def children(item, field):
    return next((each["items"] for each in item["children"] if each["field"] == field), [])


def test_a_session_as_json_holds_scans_resources_variables_and_shares(get):
    item = get("/data/experiments/XNAT_E00001?format=json").item
    assert item["meta"]["xsi:type"] == "xnat:mrSessionData"
    assert item["meta"]["isHistory"] is False
    assert item["data_fields"]["label"] == "SUB01_MR1"
    assert item["data_fields"]["date"] == "2018-07-01"
    assert [each["data_fields"]["ID"] for each in children(item, "scans/scan")] == ["4", "5"]
    assert children(item, "resources/resource")[0]["data_fields"]["label"] == "BIDS"
    assert children(item, "fields/field")[0]["data_fields"] == {"name": "rater", "field": "X"}
    assert children(item, "sharing/share")[0]["data_fields"] == {"project": "P2", "label": "SHARED"}
    assessor = children(item, "assessors/assessor")[0]
    assert assessor["data_fields"]["imageSession_ID"] == "XNAT_E00001"


def test_numbers_are_numbers_and_a_scan_shows_its_keys_and_files(get):
    item = get("/data/experiments/XNAT_E00001/scans/4?format=json").item
    assert item["data_fields"]["frames"] == 176
    assert item["data_fields"]["parameters/tr"] == 2.5
    assert item["data_fields"]["xnat_imagescandata_id"] == 101
    assert item["data_fields"]["image_session_ID"] == "XNAT_E00001"
    file = children(item, "file")[0]
    assert file["data_fields"] == {
        "label": "DICOM",
        "format": "DICOM",
        "content": "RAW",
        "file_count": 176,
        "file_size": 92838912,
        "URI": "/data/xnat/archive/P1/arc001/SUB01_MR1/SCANS/4/DICOM/scan_4_catalog.xml",
        "xnat_abstractresource_id": 11,
        "xnat_imagescandata_xnat_imagescandata_id": 101,
    }
    assert file["children"] == []


def test_null_fields_and_empty_collections_are_absent(get):
    item = get("/data/experiments/XNAT_E00002?format=json").item
    assert "note" not in item["data_fields"]
    assert item["children"] == []


def test_the_start_date_is_javas_not_iso(get):
    start = get("/data/experiments/XNAT_E00001?format=json").item["meta"]["start_date"]
    assert start.startswith("Wed Sep 27 17:31:21 ")
    assert start.endswith(" 2023")


def test_demographics_of_a_subject_are_an_item_of_their_own(get):
    item = get("/data/projects/P1/subjects/SUB01?format=json").item
    demographics = children(item, "demographics")[0]
    assert demographics["meta"]["xsi:type"] == "xnat:demographicData"
    assert demographics["data_fields"] == {"gender": "male", "yob": 1980}
    assert "gender" not in item["data_fields"]
    assert [each["data_fields"]["ID"] for each in children(item, "experiments/experiment")] == ["XNAT_E00001"]


def test_a_project_is_described_without_its_subjects(get):
    item = get("/data/projects/P1?format=json").item
    assert item["data_fields"] == {"ID": "P1", "secondary_ID": "P1", "name": "Project 1", "description": "first"}
    assert {each["field"] for each in item["children"]} == {"PI", "resources/resource"}


def test_without_a_format_an_item_is_a_page_and_json_cannot_be_negotiated(get):
    page = get("/data/experiments/XNAT_E00001", Accept="*/*")
    assert (page.status, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert page.body.startswith(b"<!DOCTYPE html")
    assert get("/data/experiments/XNAT_E00001", Accept="application/json").status == 406
    assert get("/data/experiments/XNAT_E00001?format=json", Accept="application/json").status == 406


def test_an_item_as_xml_has_ids_as_attributes_and_parts_in_schema_order(get):
    reply = get("/data/experiments/XNAT_E00001?format=xml")
    root = ET.fromstring(reply.body)
    assert root.tag == "{http://nrg.wustl.edu/xnat}MRSession"
    assert (root.get("ID"), root.get("project"), root.get("label")) == ("XNAT_E00001", "P1", "SUB01_MR1")
    assert root.findtext("xnat:subject_ID", namespaces=NS) == "XNAT_S00001"
    file = root.find("xnat:scans/xnat:scan/xnat:file", NS)
    assert file.get("label") == "DICOM"
    names = [node.tag.partition("}")[2] for node in root if isinstance(node.tag, str)]
    assert names == ["sharing", "date", "note", "resources", "fields", "subject_ID", "scans", "assessors"]
    assert (root.get("modality"), root.get("UID")) == ("MR", "1.2.3")  # attributes, as in XNAT's schema
    assert get("/data/experiments/XNAT_E00001", Accept="text/xml").body == reply.body


def test_hidden_fields_can_be_concealed(get):
    assert b"hidden_fields" in get("/data/experiments/XNAT_E00001?format=xml").body
    assert b"hidden_fields" not in get("/data/experiments/XNAT_E00001?format=xml&concealHiddenFields=true").body


def test_any_tail_of_an_experiment_is_ignored_but_status_history_and_projects(get):
    whole = get("/data/experiments/XNAT_E00001?format=json").json
    assert get("/data/experiments/XNAT_E00001/anything/at/all?format=json").json == whole
    assert get("/data/experiments/XNAT_E00001/status").body == b"active"
    projects = get("/data/experiments/XNAT_E00001/projects?format=json").rows
    assert projects[1] == {"label": "SHARED", "ID": "P2", "Secondary_ID": "P2", "Name": "Project 2"}
    assert get("/data/experiments/XNAT_E00001/history?format=csv").json == {"events": []}  # no ResultSet


def test_an_unknown_tail_of_a_project_is_refused(get):
    assert get("/data/projects/P1/nonsense?format=json").status == 400


def test_an_accession_id_answers_under_any_project_and_a_label_only_in_its_own(get):
    assert get("/data/projects/P2/experiments/XNAT_E00002?format=json").item["data_fields"]["label"] == "SUB02_CT1"
    assert get("/data/projects/P2/experiments/SUB02_CT1?format=json").status == 404
    assert get("/data/projects/P2/experiments/SHARED?format=json").item["data_fields"]["ID"] == "XNAT_E00001"
    assert get("/data/experiments/SUB01_MR1?format=json").status == 404
    assert b"accession number" in get("/data/subjects/SUB01?format=json").body
    assert b"does not contain a subject identifiable" in get("/data/projects/P1/subjects/NOPE?format=json").body
    assert get("/data/projects/second?format=json").item["data_fields"]["ID"] == "P2"


def test_an_assessor_is_reached_through_its_session_and_by_itself(get):
    inside = get("/data/experiments/XNAT_E00001/assessors/QC1?format=json").json
    assert get("/data/experiments/XNAT_E00009?format=json").json == inside
    assert get("/data/experiments/XNAT_E00001/assessors/NOPE?format=json").status == 404


def test_unreadable_is_not_found(get):
    stranger = Caller(get.server, "stranger")
    for path in ("/data/projects/P1", "/data/subjects/XNAT_S00001", "/data/experiments/XNAT_E00001"):
        assert stranger(f"{path}?format=json").status == 404


def test_an_unknown_handler_is_refused(get):
    reply = get("/data/experiments/XNAT_E00001?format=json&handler=foo")
    assert reply.status == 400
    assert b"<h3>Invalid handler definition: foo</h3>" in reply.body


def test_a_document_that_was_written_is_read_back_to_the_same_values():
    site = example()
    session = site.experiments["XNAT_E00001"]
    values = from_xml(item_xml(experiment_item(session), "http://x"))
    assert values.xsi_type == session.xsi_type
    assert values.variables == session.variables
    assert {key: values.fields[key] for key in session.fields} == session.fields
    read = dict(values.scans)
    for identifier, scan in session.scans.items():
        assert {key: read[identifier].fields[key] for key in scan.fields} == scan.fields
    project = from_xml(item_xml(project_item(site.projects["P2"]), "http://x"))
    assert project.aliases == {"second": ""}
    assert from_xml(item_xml(scan_item(session.scans["4"], session.id), "http://x")).fields["type"] == "T1"
