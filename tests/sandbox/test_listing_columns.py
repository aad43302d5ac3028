"""Listings: envelope, default columns, shortcuts and paths, filters, paging (hierarchy.md §3.1–3.4)."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from sandbox.archive_example import Caller, example, served
from xnatsync.sandbox.model.shortcuts import SHORTCUTS


@pytest.fixture(scope="module")
def get():
    with served(example()) as caller:
        yield caller


def test_a_listing_has_the_envelope_of_xnat_and_only_strings(get):
    reply = get("/data/experiments?format=json")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert "content-length" not in reply.headers
    assert reply.table["title"] == "Matching experiments"
    assert reply.table["totalRecords"] == "5"
    assert all(isinstance(value, str) for row in reply.rows for value in row.values())


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/data/projects", "ID secondary_ID name description pi_firstname pi_lastname URI"),
        ("/data/projects/P1/subjects", "ID project label insert_date insert_user URI"),
        ("/data/subjects", "ID project label insert_date insert_user URI"),
        (
            "/data/projects/P1/experiments",
            "ID project date xsiType label insert_date xnat:subjectassessordata/id URI",
        ),
        ("/data/experiments", "ID project date xsiType label insert_date URI"),
        (
            "/data/experiments/XNAT_E00001/scans",
            "xnat_imagescandata_id ID type quality xsiType note series_description URI",
        ),
        (
            "/data/experiments/XNAT_E00001/resources",
            (
                "xnat_abstractresource_id label element_name category cat_id cat_desc "
                "file_count file_size tags content format"
            ),
        ),
        (
            "/data/experiments/XNAT_E00001/assessors",
            "ID project label date xsiType insert_date session_ID session_label xnat:imageassessordata/id URI",
        ),
    ],
)
def test_default_columns_are_those_of_the_page(get, path, keys):
    rows = get(f"{path}?format=json").rows
    assert rows
    assert set(rows[0]) == set(keys.split())


def test_titles_are_only_where_xnat_has_them(get):
    assert "title" not in get("/data/projects?format=json").table
    assert "title" not in get("/data/projects/P1/experiments?format=json").table
    assert get("/data/experiments/XNAT_E00001/resources?format=json").table["title"] == "Resources"


def test_real_shaped_rows(get):
    assert get("/data/projects?format=json").rows[0] == {
        "ID": "P1",
        "secondary_ID": "P1",
        "name": "Project 1",
        "description": "first",
        "pi_firstname": "",
        "pi_lastname": "Doe",
        "URI": "/data/projects/P1",
    }
    assert get("/data/experiments/XNAT_E00001/scans?format=json").rows[0] == {
        "xsiType": "xnat:mrScanData",
        "quality": "usable",
        "xnat_imagescandata_id": "101",
        "note": "",
        "type": "T1",
        "ID": "4",
        "URI": "/data/experiments/XNAT_E00001/scans/4",
        "series_description": "t1_mpr",
    }


def test_json_is_the_default_of_lists_and_archive_is_an_alias(get):
    plain = get("/data/projects")
    assert plain.json == get("/data/archive/projects").json == get("/REST/projects?format=json").json


def test_csv_has_a_header_and_no_meta(get):
    text = get("/data/projects?format=csv").body.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["ID"] for row in rows] == ["P1", "P2"]
    assert "totalRecords" not in text


def test_xml_tables_have_columns_and_cells(get):
    root = ET.fromstring(get("/data/projects?format=xml").body)
    assert root.get("totalRecords") == "2"
    assert next(node.text for node in root.iter("column")) == "ID"
    assert len(list(root.iter("row"))) == 2


def test_an_accept_that_fits_nothing_is_refused_even_with_a_format(get):
    assert get("/data/projects?format=json", Accept="application/zip").status == 406
    assert get("/data/projects?format=json", Accept="text/html;q=0.5, */*;q=0.1").status == 200


def test_a_format_no_table_has_is_not_found(get):
    assert get("/data/projects?format=zip").status == 404


def keys(get, path):
    return set(get(f"/data/{path}").rows[0])


def test_a_path_answers_under_the_shortcut_that_stands_for_it_others_lower_cased_unknown_shortcuts_vanish(get):
    columns = "label,subject_label,nonsense,xnat:mrSessionData/UID,xnat:MRSessionData/fields/field[name=rater]/field"
    row = get(f"/data/experiments?format=json&columns={columns},xnat:imageSessionData/UID&label=SUB01_MR1").rows[0]
    assert row == {
        "xnat:mrsessiondata/id": "XNAT_E00001",
        "label": "SUB01_MR1",
        "subject_label": "SUB01",
        "xnat:mrsessiondata/uid": "1.2.3",
        "xnat:mrsessiondata/fields/field[name=rater]/field": "X",
        "UID": "1.2.3",
        "URI": "/data/experiments/XNAT_E00001",
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("experiments?columns=ID", "ID project xsiType URI"),
        ("experiments?columns=label", "ID label project xsiType URI"),
        ("experiments?columns=date,modality,UID", "session_ID date modality UID project xsiType URI"),
        (
            "experiments?columns=xnat:experimentData/date,xnat:imageSessionData/modality,xnat:imageSessionData/UID",
            "session_ID date modality UID project xsiType URI",
        ),
        (
            "experiments?xsiType=xnat:mrSessionData&columns=date,modality,UID",
            "xnat:mrsessiondata/id date modality UID URI",
        ),
        (
            "experiments?xsiType=xnat:imageSessionData&columns=ID,label",
            "session_ID ID label project xsiType URI",
        ),
        (
            "experiments?columns=label,xnat:subjectAssessorData/subject_id",
            "xnat:subjectassessordata/id label subject_ID project xsiType URI",
        ),
        (
            "experiments?project=P1&subject_ID=XNAT_S00001",
            ("xnat:subjectassessordata/id ID project date xsiType label insert_date subject_ID subject_label URI"),
        ),
        ("experiments?columns=fieldStrength", "xnat:mrsessiondata/id fieldStrength URI"),
        ("experiments?columns=ID,subject_label", "ID subject_label project xsiType URI"),
        (
            "experiments?xsiType=xnat:imageSessionData&columns=xnat:imageAssessorData/id,xnat:imageAssessorData/label",
            ("session_ID xnat:imageassessordata/id xnat:imageassessordata/label project xsiType URI"),
        ),
        ("experiments?xsiType=xnat:mrSessionData,xnat:ctSessionData&columns=ID", "ID project xsiType URI"),
        ("projects/P1/experiments?columns=label", "xnat:subjectassessordata/id label project xsiType URI"),
        ("projects/P1/experiments?columns=label,UID", "session_ID label UID project xsiType URI"),
        ("subjects?columns=last_modified", "ID last_modified URI"),
        ("projects?columns=alias", "ID alias URI"),
        ("projects/P1/subjects?columns=label", "ID label URI"),
        ("experiments/XNAT_E00001/scans?columns=ID", "xnat_imagescandata_id ID URI"),
        (
            "experiments/XNAT_E00001/scans?columns=ID,fieldStrength",
            "xnat:mrscandata/xnat_imagescandata_id ID fieldStrength URI",
        ),
        ("experiments/XNAT_E00001/assessors?columns=label,subject_label", "xnat:imageassessordata/id label URI"),
    ],
)
def test_the_columns_follow_from_root_key_rights_and_shortcuts(get, path, found):
    assert keys(get, path) == set(found.split())


@examples(60)
@given(asked=st.lists(st.sampled_from(sorted(SHORTCUTS["experiment"])), min_size=1, max_size=4), spelled=st.data())
def test_however_columns_are_asked_for_the_key_comes_first_and_names_are_the_shortcuts(get, asked, spelled):
    paths = SHORTCUTS["experiment"]
    written = [spelled.draw(st.sampled_from([name, paths[name], paths[name].lower()])) for name in asked]
    listed = get(f"/data/experiments?format=csv&columns={','.join(written)}")
    header = next(csv.reader(io.StringIO(listed.body.decode())))
    by_name = get(f"/data/experiments?format=csv&columns={','.join(asked)}")
    assert header == next(csv.reader(io.StringIO(by_name.body.decode())))  # the spelling changes nothing
    assert header[0] in {"ID", "session_ID"} or header[0].endswith("/id")
    standing = {paths[name].lower(): name for name in reversed(paths)}
    assert {standing[paths[name].lower()] for name in asked} <= set(header)


def test_default_stands_alone_among_others_it_is_an_unknown_name(get):
    alone = get("/data/experiments?format=json&columns=DEFAULT").rows[0]
    assert {"ID", "project", "date", "xsiType", "label", "insert_date", "URI"} == set(alone)
    assert keys(get, "experiments?columns=DEFAULT,modality") == {"session_ID", "modality", "project", "xsiType", "URI"}


def test_a_type_adds_its_own_key(get):
    concrete = get("/data/experiments?format=json&xsiType=xnat:mrSessionData").rows[0]
    assert concrete["xnat:mrsessiondata/id"] == concrete["ID"]
    assert {"subject_ID", "subject_label"} <= set(concrete)
    session = get("/data/experiments?format=json&xsiType=xnat:imageSessionData&columns=ID,label").rows[0]
    assert session["session_ID"] == session["ID"]
    scan = get("/data/experiments/XNAT_E00001/scans?format=json&xsiType=xnat:mrScanData").rows[0]
    assert scan["xnat:mrscandata/xnat_imagescandata_id"] == scan["xnat_imagescandata_id"] == "101"


def test_what_raises_the_root_also_selects_the_rows(get):
    assert {row["label"] for row in get("/data/experiments?columns=label,subject_ID").rows} == {
        *("SUB01_MR1", "SUB02_CT1", "VARS", "X_MR1")
    }
    assert {row["label"] for row in get("/data/experiments?columns=label,UID").rows} == {
        *("SUB01_MR1", "SUB02_CT1", "X_MR1")
    }


def test_shortcuts_are_listed_with_their_paths(get):
    rows = {row["key"]: row["xpath"] for row in get("/data/projects/P1/subjects?fields=true").rows}
    assert rows["gender"] == "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender"


def test_numbers_of_floating_types_keep_a_decimal_integers_have_none():
    site = example()
    site.subjects["XNAT_S00001"].fields |= {"weight": "190", "height": "70.5", "age": "42"}
    with served(site) as get:
        row = get("/data/projects/P1/subjects?columns=label,weight,height,age&label=SUB01").rows[0]
    assert (row["weight"], row["height"], row["age"]) == ("190.0", "70.5", "42")


def test_the_type_selects_what_is_listed(get):
    def labels(kind):
        return {row["label"] for row in get(f"/data/experiments?format=json&columns=label&xsiType={kind}").rows}

    assert labels("xnat:mrSessionData") == {"SUB01_MR1", "X_MR1"}
    assert labels("xnat:imageSessionData") == {"SUB01_MR1", "SUB02_CT1", "X_MR1"}
    assert labels("xnat:qcManualAssessorData") == {"QC1"}


def test_project_experiments_hold_no_image_assessors_but_other_subject_assessors(get):
    labels = [row["label"] for row in get("/data/projects/P1/experiments?format=json").rows]
    assert set(labels) == {"SUB01_MR1", "SUB02_CT1", "VARS"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("project=P1", {"SUB01_MR1", "SUB02_CT1", "VARS", "QC1"}),
        ("label=SUB01_MR1,VARS", {"SUB01_MR1", "VARS"}),
        ("label=SUB*", {"SUB01_MR1", "SUB02_CT1"}),
        ("label=sub01_mr1", set()),
        ("date=07/01/2018-07/14/2018", {"SUB01_MR1"}),
        ("date=20180701-20180720", {"SUB01_MR1", "SUB02_CT1"}),
        ("subject_label=SUB02", {"SUB02_CT1", "VARS"}),
        ("nonsense=1", {"SUB01_MR1", "SUB02_CT1", "VARS", "QC1", "X_MR1"}),
        ("insert_date=20230927-20230927&project=P2", {"X_MR1"}),
        ("last_modified=20230101-20991231", set()),
    ],
)
def test_filters(get, query, found):
    assert {row["label"] for row in get(f"/data/experiments?format=json&{query}").rows} == found


def test_filter_values_are_compared_as_they_are_stored_xml_escaped(get):
    assert get("/data/experiments?format=json&note=a%3Cb").rows == []


def test_an_iso_date_range_is_split_at_its_first_dash_and_fails(get):
    assert get("/data/experiments?format=json&date=2018-07-01").status == 500


def test_a_filter_on_a_long_is_silently_ignored(get):
    everything = get("/data/experiments?format=json&columns=label,xnat:imageScanData/file/file_size").rows
    filtered = get(
        "/data/experiments?format=json&columns=label,xnat:imageScanData/file/file_size"
        "&xnat:imageScanData/file/file_size=999"
    ).rows
    assert filtered == everything


def test_a_path_nothing_joins_fails_loudly_on_experiments_and_silently_in_a_project(get):
    assert get("/data/experiments?format=json&columns=xnat:noSuchData/id").status == 500
    quiet = get("/data/projects/P1/experiments?format=json&columns=xnat:mrSessionData/no_such_field")
    assert (quiet.status, quiet.body) == (200, b"")


def test_an_unknown_type_fails_as_a_path_nothing_joins_does(get):
    assert get("/data/experiments?format=json&xsiType=xnat:nothing").status == 500
    assert get("/data/projects/P1/experiments?format=json&xsiType=xnat:nothing").body == b""


def test_a_session_has_no_reconstructions_at_first(get):
    assert get("/data/experiments/XNAT_E00001/reconstructions").rows == []


def test_pages_have_no_total_and_start_at_zero_with_a_hundred(get):
    page = get("/data/experiments?format=json&limit=2&offset=1")
    assert len(page.rows) == 2
    assert "totalRecords" not in page.table
    assert len(get("/data/experiments?format=json&limit=*").rows) == 5
    assert get("/data/experiments?format=json&limit=two").status == 500


def test_paging_is_ignored_where_xnat_ignores_it(get):
    assert len(get("/data/projects?format=json&limit=1").rows) == 2
    assert get("/data/experiments/XNAT_E00001/scans?format=json&limit=1").table["totalRecords"] == "2"


def test_a_page_is_cut_before_permissions_so_it_may_be_short(get):
    member = Caller(get.server, "member")
    seen = [len(member(f"/data/experiments?format=json&limit=1&offset={at}").rows) for at in range(5)]
    assert sorted(seen) == [0, 1, 1, 1, 1]


def test_sorting_is_of_the_page_only_and_numeric_where_all_is(get):
    rows = get("/data/experiments?format=json&sortBy=label&sortOrder=DESC").rows
    assert [row["label"] for row in rows] == ["X_MR1", "VARS", "SUB02_CT1", "SUB01_MR1", "QC1"]
    scans = get("/data/experiments/XNAT_E00001/scans?format=json&sortBy=ID&sortOrder=DESC").rows
    assert [row["ID"] for row in scans] == ["5", "4"]


def test_scan_filters_are_ignored_but_for_the_type(get):
    assert len(get("/data/experiments/XNAT_E00001/scans?format=json&type=T1").rows) == 2
    assert get("/data/experiments/XNAT_E00001/scans?format=json&xsiType=xnat:ctScanData").rows == []


def test_other_project_parameters_switch_to_the_lower_case_listing(get):
    reply = get("/data/projects?format=json&accessible=true")
    assert reply.table["title"] == "Projects"
    assert reply.rows[0]["id"] == "P1"


def test_recent_lists_image_sessions_with_columns_of_its_own():
    site = example()
    fresh = site.stamp("admin")
    site.experiments["XNAT_E00002"].stamps = fresh
    with served(site) as get:
        rows = get("/data/experiments?format=json&recent=3").rows
    assert [row["label"] for row in rows] == ["SUB02_CT1"]
    assert rows[0]["action_date"] == fresh.insert_date


def test_a_stranger_sees_nothing_and_a_public_project_everybody_sees():
    site = example()
    site.projects["P2"].accessibility = "public"
    with served(site) as admin:
        stranger = Caller(admin.server, "stranger")
        assert [row["ID"] for row in stranger("/data/projects?format=json").rows] == ["P2"]
        assert stranger("/data/projects/P1/subjects?format=json").status == 404
        # the shared session is readable through P2
        assert {row["label"] for row in stranger("/data/experiments?format=json").rows} == {"SUB01_MR1", "X_MR1"}
