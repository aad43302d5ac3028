"""Nothing answers 200 that was not understood: parameters of every write (docs/sandbox.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.dicom_study import mr_object, zipped
from xnatsync.sandbox import http, model
from xnatsync.sandbox.http import parameters
from xnatsync.sandbox.http.app import build_routes
from xnatsync.sandbox.http.parameters import ITEMS, OWN, WITHOUT_EFFECT, understood
from xnatsync.sandbox.http.router import _Node
from xnatsync.sandbox.model.site import Site

HTTP = Path(http.__file__).parent
MODEL = Path(model.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
SHARED = ("loading", "sharing_routes", "header_routes", "upload", "gate", "negotiation", "download", "project_table")
VALUES = {
    "PROJECT_ID": "P1",
    "SUBJECT_ID": "S1",
    "EXPT_ID": "E1",
    "ASSESSED_ID": "E1",
    "SCAN_ID": "4",
    "RESOURCE_ID": "DICOM",
}


def writes(site: Site) -> Iterator[tuple[str, str, str]]:
    """Every method, address and module of a write."""

    def walk(node: _Node, path: str, names: list[str]) -> Iterator[tuple[str, str, str]]:
        if node.leaf is not None:
            for method, handler in node.leaf.handlers.items():
                if method in {"PUT", "POST", "DELETE"}:
                    filled = path
                    for name in node.leaf.names:
                        filled = filled.replace("{}", VALUES.get(name, "x"), 1)
                    yield method, filled, handler.__module__.rpartition(".")[2]
        for segment, child in node.literal.items():
            yield from walk(child, f"{path}/{segment}", names)
        if node.variable is not None:
            yield from walk(node.variable, f"{path}/{{}}", names)

    routes = build_routes(site)
    for root, prefix in ((routes._prefix, "/data"), (routes._exact, "")):
        yield from walk(root, prefix, [])


def test_every_write_of_every_route_refuses_a_parameter_that_it_does_not_know(site, admin, session):
    asked = [(method, path) for method, path, _ in writes(site)]
    assert len(asked) > 150
    answered = {
        (method, path): answer.status_code
        for method, path in asked
        if (answer := admin.request(method, f"{path}?nonsense=1")).status_code < 400
    }
    assert answered == {}
    assert admin.get(f"{session}?format=json").status_code == 200  # and nothing was deleted by it


def test_every_module_that_writes_is_in_the_table(site):
    assert {module for _, _, module in writes(site)} - set(OWN) == set()


def _sources(module: str) -> str:
    names = [module, *SHARED]
    texts = [(HTTP / f"{name}.py").read_text("utf-8") for name in names]
    if module in {"archive_routes", "import_routes", "prearchive_routes", "file_routes", "resource_routes"}:
        texts += [path.read_text("utf-8") for path in MODEL.glob("*.py")]
    if module in ITEMS:
        texts.append((MODEL / "writing.py").read_text("utf-8"))
    return "\n".join(texts)


def ignored(module: str, names: str, source: str) -> set[str]:
    """The names of the table that a module never reads."""
    words = set(re.findall(r"[\w.-]+", " ".join(re.findall(r'"([^"\n]*)"', source))))
    return {name for name in names.split() if name not in words and name not in WITHOUT_EFFECT}


@pytest.mark.parametrize("module", sorted(OWN))
def test_what_the_table_promises_is_read(module):
    assert ignored(module, OWN[module], _sources(module)) == set()


def test_an_endpoint_that_ignores_a_parameter_is_caught():
    source = _sources("search_routes")
    assert ignored("search_routes", OWN["search_routes"], source.replace('request.flag("saveAs")', "False")) == {
        "saveAs"
    }


@pytest.mark.parametrize("module", sorted(OWN))
def test_what_a_module_reads_is_in_the_table(module):
    """Else a client could never send it."""
    source = (HTTP / f"{module}.py").read_text("utf-8")
    read = set(re.findall(r'request\.(?:param|flag|has|flag_unless)\(\s*"([\w-]+)"', source))
    for name in read:
        assert understood(module, "PUT", name) or name in READS, name


READS = frozenset({"meta", "projectIncludedInPath", "subjectIncludedInPath", "accept-not-found"})  # of GET alone


def test_what_is_taken_and_changes_nothing_is_on_the_page():
    text = PAGE.read_text("utf-8")
    assert {name for name in WITHOUT_EFFECT if f"`{name}`" not in text} == set()


def test_a_form_is_held_to_the_same_names(admin, session):
    url = f"{session}/scans/4"
    assert admin.put(url, data={"xnat:mrScanData/note": "n"}).status_code == 200
    assert admin.put(url, data={"nonsense": "n"}).status_code == 400
    assert admin.post("/data/services/archive", data={"src": "/x", "nonsense": "n"}).status_code == 400


@pytest.mark.parametrize("url", ["/data/experiments/{}/projects/P2", "/data/experiments/{}/scans/4/projects/P2"])
def test_sharing_sets_no_fields(admin, session, url):
    admin.put("/data/projects/P2")
    path = url.format(session.rpartition("/")[2])
    assert admin.put(f"{path}?note=x").status_code == 400
    assert admin.put(path).status_code == 200


def test_the_name_of_another_request_is_refused(admin, session):
    assert admin.put(f"{session}/scans/4?xsiType=xnat:mrScanData&accessibility=public").status_code == 400
    assert admin.delete(f"{session}/scans/4?note=x").status_code == 400
    assert parameters.understood("experiment_routes", "PUT", "note")


SUBJECT = "/data/projects/P1/subjects/S1"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "url", "body", "code"),
    [
        ("PUT", "/data/projects/P1/scan_type_mapping/maybe", "", 400),
        ("PUT", "/data/projects/P1?xsiType=xnat:subjectData", "", 422),
        ("PUT", f"{SUBJECT}?xnat:mrSessionData/date=2000-01-01", "", 422),
        ("PUT", f"{SUBJECT}?gender=male", "{}", 415),
        ("PUT", f"{SUBJECT}/experiments/E1/scans/99?xsiType=xnat:subjectData", "", 422),
        ("PUT", f"{SUBJECT}/experiments/E1/scans/99?xsiType=xnat:mrSessionData", "", 422),
        ("POST", "/data/services/refresh/catalog?resource=/archive/projects/P1&options=append,nonsense", "", 400),
        ("POST", "/xapi/archive/catalogs/refresh/nonsense", '["/archive/projects/P1"]', 400),
        ("POST", "/data/services/import?import-handler=DICOM-zip&action=nonsense&project=P1", "PK", 400),
        ("POST", "/xapi/siteConfig", '{"enableSitewideAnonymizationScript": "maybe"}', 400),
        ("POST", "/xapi/siteConfig", '{"sessionXmlRebuilderInterval": "soon"}', 400),
        ("POST", "/xapi/users", '{"username": "new", "password": "p", "nonsense": 1}', 400),
        ("PUT", "/xapi/users/admin", '{"roles": ["Administrator"]}', 400),
        ("PUT", "/xapi/users/admin", '{"enabled": "maybe"}', 400),
        ("PUT", "/xapi/users/admin/verified/maybe", "", 400),
    ],
)
def test_a_value_a_type_or_a_body_that_is_not_understood_is_refused(admin, session, method, url, body, code):
    headers = JSON if body.startswith(("{", "[")) else {"Content-Type": "application/zip"} if body else {}
    answer = admin.request(method, url, content=body, headers=headers)
    assert answer.status_code == code, answer.text
    assert admin.get(f"{session}/scans/99").status_code == 404
    assert admin.get("/xapi/users/new").status_code == 404


@pytest.mark.parametrize(
    "contents", ['{"mode": "zebra", "list": "x"}', '{"mode": "modalityMap", "list": "x"}', "nonsense"]
)
def test_an_import_filter_that_is_not_understood_lets_nothing_in(admin, session, contents):
    place = "/data/projects/P1/config/seriesImportFilter/config?inbody=true"
    admin.put(place, content=contents, headers={"Content-Type": "text/plain"}).raise_for_status()
    files = {"file": ("a.zip", zipped({"a.dcm": mr_object()}))}
    answer = admin.post("/data/services/import", params={"import-handler": "DICOM-zip", "project": "P1"}, files=files)
    assert answer.status_code >= 400
    assert "not understood" in answer.text or "Unknown mode" in answer.text


def test_a_flag_of_a_user_may_come_as_text(admin):
    given = {"username": "new", "password": "p", "enabled": "false", "firstName": 3}
    made = admin.post("/xapi/users", json=given).json()
    assert (made["enabled"], made["firstName"]) == (False, "3")
