"""`/xapi/schemas/datatypes`: names and fields of types (official TestXapiSchema; src SchemaApi)."""

from __future__ import annotations

import pytest

ROOT = "/xapi/schemas/datatypes"
MR, PET = "xnat:mrSessionData", "xnat:petSessionData"


def asked(admin, kind: str, *, form: bool, **body: object):
    return admin.post(f"{ROOT}/{kind}", data=body) if form else admin.post(f"{ROOT}/{kind}", json=body)


def test_types_are_listed(admin):
    types = admin.get(ROOT).json()
    assert len(types) > 50
    assert {MR, "xnat:imageScanData", "xnat:investigatorData"} <= set(types)
    sessions = admin.get(f"{ROOT}/searchable").json()
    assert {MR, PET} <= set(sessions) < set(types)
    assert "xnat:subjectData" not in sessions


@pytest.mark.parametrize("form", [True, False])
def test_elements_and_names_of_several_types(admin, form):
    elements = asked(admin, "elements", form=form, dataTypes=[MR, PET]).json()
    found = {key: (one["properName"], one["namespacePrefix"]) for key, one in elements.items()}
    assert found == {"xnat_mrSessionData": ("MRSession", "xnat"), "xnat_petSessionData": ("PETSession", "xnat")}
    assert elements["xnat_mrSessionData"]["fields"]["scanner"]["xmlPath"] == f"{MR}/scanner"
    names = asked(admin, "names", form=form, dataTypes=[MR], dataType=PET).json()
    assert set(names) == set(elements)
    assert {MR, "xnat:MRSession", "http://nrg.wustl.edu/xnat:MRSession"} <= set(names["xnat_mrSessionData"])


@pytest.mark.parametrize("name", [MR, "xnat_mrSessionData", "xnat:MRSession", "xnat_MRSession"])
def test_any_name_means_the_type(admin, name):
    for kind in ("names", "elements"):
        assert list(admin.get(f"{ROOT}/{kind}/{name}").json()) == ["xnat_mrSessionData"]


def test_all_are_described_and_the_names_have_a_time(admin):
    names, elements = admin.get(f"{ROOT}/names/all").json(), admin.get(f"{ROOT}/elements/all").json()
    assert set(names) - set(elements) == {"timestamp"}
    assert len(elements) > 50


@pytest.mark.parametrize(
    ("form", "body", "status"),
    [
        (True, {"dataTypes": ["xnat:nothing"]}, 404),
        (False, {"dataTypes": ["xnat:nothing", MR]}, 404),
        (False, {"dataTypes": []}, 400),
        (False, {"dataTypes": [1]}, 500),
        (False, {"dataType": MR}, 500),
        (True, {"dataType": MR}, 500),
        (True, {"nonsense": MR}, 400),
        (False, {"nonsense": MR}, 400),
    ],
)
def test_what_names_no_type_is_refused(admin, form, body, status):
    for kind in ("names", "elements"):
        assert asked(admin, kind, form=form, **body).status_code == status
        assert admin.get(f"{ROOT}/{kind}/xnat:nothing").status_code == 404
