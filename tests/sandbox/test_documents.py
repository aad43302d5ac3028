"""Documents and parameters of items: what the schema declares comes back, all else is refused (hierarchy.md §4.3)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import httpx
import pytest

from xnatsync.sandbox.http.exchange import escaped
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.documents import read_document
from xnatsync.sandbox.model.items import Item, experiment_item, project_item, scan_item, subject_item
from xnatsync.sandbox.model.itemxml import item_xml
from xnatsync.sandbox.model.objects import Experiment, Part, Project, Resource, Scan, Stamps, Subject
from xnatsync.sandbox.model.schema import Element, Field, document_types, element, field_of, is_a
from xnatsync.sandbox.model.shortcuts import READ_ONLY, ROOT_ELEMENTS, SHORTCUTS
from xnatsync.sandbox.model.writing import Values, apply, from_params, from_xml

NAMESPACES = (
    'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:prov="http://www.nbirn.net/prov" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
OWN = ("ID", "project", "label", "subject_ID", "imageSession_ID", "image_session_ID", "secondary_ID", "name")
ACTUAL = {"xnat:abstractProtocol": "xnat:datatypeProtocol", "xnat:qcScanData": "xnat:mrQcScanData"}
ELSEWHERE = ("sharing/share", "resources/resource", "out/file", "file", "experiments/experiment", "assessors/assessor")
SAMPLES = {
    "xs:date": "2001-02-03",
    "xs:time": "01:02:03",
    "xs:dateTime": "2020-01-01T01:02:03",
    "xs:integer": "7",
    "xs:long": "7",
    "xs:float": "7.5",
    "xs:double": "7.5",
    "xs:boolean": "true",
    "xs:duration": "P1D",
}
_ALL = sorted(
    {found.name for found in document_types() if not found.abstract} - {"xnat:resourceCatalog"}
    | {"xnat:mrAssessorData", "xnat:petAssessorData", "xnat:ctAssessorData"}
)
# one of each kind: most imaging sessions and scans differ by name only
TYPES = list({(*element(name).fields, *element(name).members): name for name in _ALL}.values())


def sample(found: Field) -> str:
    return found.choices[0] if found.choices else SAMPLES.get(found.type, f"a value of {found.path}"[:200])


def everything(described: Element, depth: int = 0) -> Part:
    """A document's content with a value in every field, and two members in every collection that has no requests."""
    part = Part(described.name, {path: sample(found) for path, found in described.fields.items()})
    for path, member in described.members.items():
        if path in ELSEWHERE or (depth and path.endswith("tags/tag")):
            continue
        inner = element(ACTUAL.get(member.name, member.name)) or member
        made = [everything(inner, depth + 1) for _ in range(2)]
        for at, one in enumerate(made):
            for key in ("ID", "name", "imageScan_ID", "alias", "label", "user"):
                if key in one.values:
                    one.values[key] = f"N{at}"
        part.parts[path] = made
    return part


def build(parent: ET.Element, part: Part, described: Element) -> None:
    for path, value in part.values.items():
        node, (*above, last) = parent, path.split("/")
        if path == described.text:
            parent.text = value
            continue
        for name in above:
            node = next((child for child in node if child.tag == f"xnat:{name}"), None) or ET.SubElement(
                node, f"xnat:{name}"
            )
        if described.fields[path].attribute:
            node.set(last, value)
        else:
            child = next((each for each in node if each.tag == f"xnat:{last}"), None)
            (child if child is not None else ET.SubElement(node, f"xnat:{last}")).text = value
    for path, members in part.parts.items():
        *above, last = path.split("/")
        node = parent
        for name in above:
            found = next((child for child in node if child.tag == f"xnat:{name}"), None)
            node = found if found is not None else ET.SubElement(node, f"xnat:{name}")
        for member in members:
            child = ET.SubElement(node, f"xnat:{last}")
            inner = element(member.xsi_type) or described.members[path]
            if element(member.xsi_type):
                child.set("xsi:type", member.xsi_type)
            build(child, member, inner)


def document(part: Part, described: Element) -> bytes:
    root = ET.Element(f"xnat:{described.root or described.name.partition(':')[2]}")
    build(root, part, described)
    text = ET.tostring(root, encoding="unicode")
    head, tail = text.split(">", 1) if not text.split(">", 1)[0].endswith("/") else (text[:-2], "")
    return f"{head} {NAMESPACES}>{tail}".encode()


def made(kind: str) -> Project | Subject | Experiment | Scan:
    stamps = Stamps("2023-09-27 17:31:21.352", "admin")
    if kind == "xnat:projectData":
        return Project("P", stamps)
    if kind == "xnat:subjectData":
        return Subject("S", "P", "L", stamps)
    if is_a(kind, "xnat:imageScanData"):
        return Scan(1, "1", kind, stamps)
    return Experiment("E", "P", "S", "L", kind, stamps)


def shown(item: Project | Subject | Experiment | Scan) -> Item:
    if isinstance(item, Project):
        return project_item(item)
    if isinstance(item, Subject):
        return subject_item(item)
    if isinstance(item, Scan):
        return scan_item(item, "E")
    return experiment_item(item, "SESSION" if is_a(item.xsi_type, "xnat:imageAssessorData") else "")


def flat(part: Part, prefix: str = "") -> Iterator[tuple[str, str]]:
    yield from ((f"{prefix}{path}", value) for path, value in part.values.items() if prefix or path not in OWN)
    for path, members in part.parts.items():
        for at, member in enumerate(members):
            yield from flat(member, f"{prefix}{path}[{at}]/")


@pytest.mark.parametrize("kind", TYPES)
def test_every_field_and_member_that_the_schema_declares_comes_back_from_a_document(kind):
    described = element(kind)
    given = everything(described)
    if is_a(kind, "xnat:imageSessionData"):  # these are made, not kept: tested below
        del given.parts["scans/scan"], given.parts["reconstructions/reconstructedImage"]
    item = made(kind)
    apply(from_xml(document(given, described)), item)
    got = dict(flat(read_document(item_xml(shown(item), "http://x"))))
    missing = {path: value for path, value in flat(given) if got.get(path) != value and "/units" not in path}
    assert not {path for path in missing if not path.startswith(("prearchivePath", "demographics"))}


@pytest.mark.parametrize("kind", TYPES)
def test_an_element_an_attribute_or_a_type_that_the_schema_does_not_have_is_refused_at_any_depth(kind):
    described = element(kind)
    whole = ET.fromstring(document(everything(described), described))
    from_xml(ET.tostring(whole))
    for at in range(len(list(whole.iter()))):
        for spoil in (
            lambda node: node.set("nonsense", "1"),
            lambda node: ET.SubElement(node, "{http://nrg.wustl.edu/xnat}nonsense"),
        ):
            tree = ET.fromstring(ET.tostring(whole))
            spoil(list(tree.iter())[at])
            with pytest.raises(ModelError) as refused:
                from_xml(ET.tostring(tree))
            assert refused.value.status == 422


@pytest.mark.parametrize("kind", TYPES)
def test_every_field_can_be_set_by_its_path_and_an_unknown_one_is_refused(kind):
    described = element(kind)
    item = made(kind)
    wanted = {path: sample(found) for path, found in described.fields.items() if path not in OWN}
    apply(from_params([(f"{kind}/{path}", value) for path, value in wanted.items()], Values()), item)
    got = dict(flat(read_document(item_xml(shown(item), "http://x"))))
    assert {path for path in wanted if got.get(path) != wanted[path]} <= {"prearchivePath"}
    for path in ("nonsense", "date/nonsense", "fields/nonsense[name=x]/field", "scans/scan[0]/type"):
        with pytest.raises(ModelError) as refused:
            from_params([(f"{kind}/{path}", "1")], Values())
        assert refused.value.status == 400


@pytest.mark.parametrize("kind", ["project", "subject", "experiment", "scan"])
def test_a_short_name_is_known_or_refused(kind):
    root = {"experiment": "xnat:petSessionData", "scan": "xnat:petScanData"}.get(kind, ROOT_ELEMENTS[kind])
    with pytest.raises(ModelError):
        from_params([("nonsense", "1")], Values(root), root)
    for name, path in SHORTCUTS[kind].items():
        found = field_of(root, path.partition("/")[2])
        if found is not None and name not in READ_ONLY:
            from_params([(name, sample(found))], Values(root), root)


@pytest.mark.parametrize(
    ("name", "text"), [("xs:integer", "12.5"), ("xs:integer", "x"), ("xs:date", "soon"), ("xs:float", "1,5")]
)
def test_a_value_that_a_type_does_not_take_is_refused(name, text):
    for described in map(element, TYPES):
        for path, found in described.fields.items():
            if found.type == name:
                with pytest.raises(ModelError) as refused:
                    from_params([(f"{described.name}/{path}", text)], Values())
                assert refused.value.status == 400


PROJECT = f"""<xnat:Project ID="" secondary_ID="" {NAMESPACES}>
  <xnat:name>Old and new</xnat:name><xnat:description>words</xnat:description>
  <xnat:aliases><xnat:alias source="here">ON</xnat:alias></xnat:aliases>
  <xnat:studyProtocol ID="P_mr" name="MRs" data-type="xnat:mrSessionData" xsi:type="xnat:datatypeProtocol">
    <xnat:definitions><xnat:definition ID="d" data-type="xnat:mrSessionData" project-specific="1"><xnat:fields>
      <xnat:field name="dose" datatype="string" required="false" xmlPath="xnat:mrSessionData/fields/field">
        <xnat:possibleValues><xnat:possibleValue display="low">1</xnat:possibleValue></xnat:possibleValues>
      </xnat:field></xnat:fields></xnat:definition></xnat:definitions>
  </xnat:studyProtocol>
  <xnat:PI ID="2"><xnat:title>Dr.</xnat:title><xnat:firstname>A</xnat:firstname><xnat:lastname>B</xnat:lastname>
    <xnat:email>a@example.org</xnat:email></xnat:PI>
  <xnat:fields><xnat:field name="grant">G1</xnat:field></xnat:fields>
</xnat:Project>"""


def put_xml(admin: httpx.Client, url: str, text: str) -> httpx.Response:
    return admin.put(url, content=text.encode(), headers={"Content-Type": "text/xml"})


def test_a_project_document_keeps_protocols_fields_and_the_mail_of_the_investigator(admin):
    """`ID=""` of a new one is as good as none (official testProjectXmlCRUD; xnatpy's live tests)."""
    assert put_xml(admin, "/data/projects/P", PROJECT).status_code == 200
    xml = admin.get("/data/projects/P?format=xml").text
    for piece in ('source="here"', 'project-specific="1"', 'display="low"', "a@example.org", 'name="grant"', "P_mr"):
        assert piece in xml
    item = admin.get("/data/projects/P?format=json").json()["items"][0]
    assert "pi_email" not in item["data_fields"]
    children = {child["field"]: child["items"] for child in item["children"]}
    assert children["studyProtocol"][0]["meta"]["xsi:type"] == "xnat:datatypeProtocol"
    assert children["PI"][0]["data_fields"]["email"] == "a@example.org"
    assert put_xml(admin, "/data/projects/P", xml).status_code == 200  # what was fetched can be put back
    assert admin.get("/data/projects/P?format=xml").text == xml


def test_a_kept_project_survives_a_restart(site, admin, tmp_path):
    put_xml(admin, "/data/projects/P", PROJECT)
    xml = admin.get("/data/projects/P?format=xml").text
    site.documents.flush()
    assert "possibleValue" in (tmp_path / "sandbox/state/projects/P.json").read_text("utf-8")
    assert xml


SESSION = f"""<xnat:MRSession ID="" project="" label="E" modality="MRI" {NAMESPACES}>
  <xnat:date>2001-01-01</xnat:date><xnat:subject_ID/>
  <xnat:scans>
    <xnat:scan ID="1" type="T1" xsi:type="xnat:mrScanData"><xnat:quality>usable</xnat:quality></xnat:scan>
  </xnat:scans>
  <xnat:coil>test</xnat:coil>
</xnat:MRSession>"""


def test_a_session_document_with_empty_identities_is_taken_twice_and_modality_comes_back(admin):
    admin.put("/data/projects/P")
    url = "/data/projects/P/subjects/S/experiments/E"
    assert put_xml(admin, url, SESSION).status_code == 201
    assert put_xml(admin, url, SESSION.replace("test", "test2")).status_code == 200
    root = ET.fromstring(admin.get(f"{url}?format=xml").content)
    assert root.get("modality") == "MRI"
    assert root.findtext("{*}coil") == "test2"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (("<xnat:coil>", "<xnat:delay>12.5</xnat:delay><xnat:coil>"), 400),
        (("<xnat:coil>test", f"<xnat:coil>{'x' * 256}"), 400),
        (("2001-01-01", "yesterday"), 400),
        (("modality", "modaIity"), 422),
        (("<xnat:coil>test</xnat:coil>", "<xnat:coi1>test</xnat:coi1>"), 422),
        (("xnat:mrScanData", "foo:barScanData"), 422),
        (("<xnat:subject_ID/>", '<xnat:resources><xnat:resource label="R"/></xnat:resources>'), 422),
        (("<xnat:subject_ID/>", '<xnat:sharing><xnat:share project="P2"/></xnat:sharing>'), 422),
    ],
)
def test_what_a_document_must_not_say_is_refused_and_nothing_is_made(admin, change, status):
    admin.put("/data/projects/P")
    assert put_xml(admin, "/data/projects/P/subjects/S/experiments/E", SESSION.replace(*change)).status_code == status


def test_a_document_posted_below_an_unknown_subject_is_not_found(admin):
    admin.put("/data/projects/P")
    url = "/data/projects/P/subjects/NOBODY/experiments"
    assert admin.post(url, content=SESSION, headers={"Content-Type": "text/xml"}).status_code == 404
    assert admin.get("/data/projects/P/subjects?format=json").json()["ResultSet"]["Result"] == []


def test_scans_of_a_manual_qc_and_the_steps_of_provenance_come_back(admin, session):
    quality = f"""<xnat:QCManualAssessment ID="" project="" label="Q" {NAMESPACES}><xnat:imageSession_ID/>
      <xnat:rater>R</xnat:rater><xnat:scans>
      <xnat:scan xsi:type="xnat:mrQcScanData">
        <xnat:imageScan_ID>4</xnat:imageScan_ID><xnat:wrap>w</xnat:wrap></xnat:scan>
      <xnat:scan xsi:type="xnat:mrQcScanData"><xnat:imageScan_ID>5</xnat:imageScan_ID></xnat:scan>
      </xnat:scans><xnat:payable>1</xnat:payable></xnat:QCManualAssessment>"""
    url = f"{session}/assessors/Q"
    assert put_xml(admin, url, quality).status_code == 201
    root = ET.fromstring(admin.get(f"{url}?format=xml").content)
    assert [node.findtext("{*}imageScan_ID") for node in root.iterfind("{*}scans/{*}scan")] == ["4", "5"]
    assert (root.findtext("{*}payable"), root.findtext("{*}scans/{*}scan/{*}wrap")) == ("1", "w")


@pytest.mark.parametrize("stamp", ["2020-01-01 01:02:03", "2020-01-01T01:02:03", "2020-01-01T01:02:03Z"])
def test_a_timestamp_of_provenance_is_written_with_a_t(admin, session, stamp):
    text = f"""<xnat:QCAssessment ID="" label="Q" {NAMESPACES}><xnat:provenance><prov:processStep>
      <prov:program arguments="-s -all" version="">recon-all</prov:program><prov:timestamp>{stamp}</prov:timestamp>
      <prov:cvs/><prov:user>1</prov:user></prov:processStep></xnat:provenance></xnat:QCAssessment>"""
    assert put_xml(admin, f"{session}/assessors/Q", text).status_code == 201
    xml = admin.get(f"{session}/assessors/Q?format=xml").text
    assert "<prov:timestamp>2020-01-01T01:02:03</prov:timestamp>" in xml
    assert '<prov:program arguments="-s -all">recon-all</prov:program>' in xml
    assert put_xml(admin, f"{session}/assessors/Q", xml).status_code == 200


def test_a_document_that_was_fetched_can_be_put_back_with_its_resources_and_shares(site, admin, session):
    admin.put("/data/projects/P2")
    admin.put(f"{session}/projects/P2").raise_for_status()
    held = site.experiments[session.rpartition("/")[2]]
    held.scans["4"].resources["DICOM"] = Resource(9, "DICOM", "f")
    xml = admin.get(f"{session}?format=xml").text
    answer = put_xml(admin, "/data/projects/P1/subjects/S1/experiments/E1", xml)
    assert (answer.status_code, admin.get(f"{session}?format=xml").text) == (200, xml)


@pytest.mark.parametrize("where", ["experiments/A", "experiments/E1/scans/9", "experiments/E1/assessors/A"])
def test_a_type_the_site_does_not_have_makes_nothing(admin, session, where):
    url = f"/data/projects/P1/subjects/S1/{where}"
    assert admin.put(f"{url}?xsiType=foo:barData").status_code == 400
    assert put_xml(admin, url, f'<foo:Bar xmlns:foo="urn:foo" {NAMESPACES}/>').status_code == 422
    assert admin.get(f"{url}?format=json").status_code == 404


def test_a_type_without_a_root_of_its_own_is_written_and_read_under_its_name(admin, session):
    url = f"{session}/assessors/M"
    assert admin.put(f"{url}?xsiType=xnat:mrAssessorData").status_code == 201
    xml = admin.get(f"{url}?format=xml").text
    assert "<xnat:mrAssessorData " in xml
    assert put_xml(admin, url, xml).status_code == 200


def test_the_id_of_a_scan_in_the_parameters_beats_that_of_the_url(admin, session):
    """So xnatpy makes every scan; its later address is its type (hierarchy.md §4.3)."""
    query = "xsiType=xnat:mrScanData&xnat:mrScanData/type=T1w&xnat:mrScanData/id=1"
    assert admin.put(f"{session}/scans/T1w?{query}").status_code == 200
    listed = admin.get(f"{session}/scans?format=json").json()["ResultSet"]["Result"]
    assert {(row["ID"], row["type"]) for row in listed} == {("4", "T1 mpr"), ("1", "T1w")}
    assert admin.put(f"{session}/scans/T1w/resources/R").status_code == 200


def test_a_given_id_is_kept_and_one_in_use_is_refused(admin):
    admin.put("/data/projects/P")
    url = "/data/projects/P/subjects/S/experiments"
    made = admin.put(f"{url}/A?xsiType=xnat:mrSessionData&xnat:mrSessionData/ID=XNAT_E00002")
    assert (made.status_code, made.text) == (201, "XNAT_E00002")
    assert admin.put(f"{url}/B?xsiType=xnat:mrSessionData&ID=XNAT_E00002").status_code == 409
    assert [admin.put(f"{url}/{label}?xsiType=xnat:mrSessionData").text for label in "CD"] == [
        "XNAT_E00001",
        "XNAT_E00003",
    ]
    assert put_xml(admin, f"{url}/F", SESSION.replace('ID=""', 'ID="OWN_1"').replace('label="E"', "")).text == "OWN_1"


def test_a_scan_keeps_parameters_of_its_own(admin, session):
    name = "xnat:mrScanData/parameters/addParam[name=foo]/addField"
    answer = admin.put(f"{session}/scans/4", params={"xsiType": "xnat:mrScanData", name: "v"})
    assert answer.status_code == 200
    children = admin.get(f"{session}/scans/4?format=json").json()["items"][0]["children"]
    [added] = [child["items"] for child in children if child["field"] == "parameters/addParam"]
    assert added[0]["data_fields"] == {"name": "foo", "addField": "v"}


def test_subject_id_moves_a_session_and_makes_the_subject_if_need_be(admin):
    admin.put("/data/projects/P")
    url = "/data/projects/P/subjects/S1/experiments/E"
    admin.put(f"{url}?xsiType=xnat:mrSessionData").raise_for_status()
    for query, label in (("subject_ID=S2", "S2"), ("xsiType=xnat:mrSessionData&subject_ID=S1", "S1")):
        assert admin.put(f"{url}?{query}").status_code == 200
        rows = admin.get("/data/projects/P/experiments?columns=subject_label&format=json").json()["ResultSet"]["Result"]
        assert [row["subject_label"] for row in rows] == [label]


@pytest.mark.parametrize("query", ["", "name=A1", "secondary_ID=a1", "alias=a1", "name=p1", "alias=title", "alias=P1"])
def test_ids_titles_and_aliases_of_projects_are_one_namespace(admin, query):
    admin.put("/data/projects/P1?alias=A1&name=Title&secondary_ID=Run").raise_for_status()
    target = "/data/projects/P2" if query else "/data/projects/A1"
    assert admin.put(f"{target}?{query}").status_code == 409
    assert admin.get("/data/projects/P2").status_code == 404


@pytest.mark.parametrize(
    ("url", "parameter", "tag", "text"),
    [
        ("/scans/4", "xnat:mrScanData/parameters/addParam[name=foo]/addField", "addParam", "one & two"),
        ("", "xnat:mrSessionData/fields/field[name=foo]/field", "field", "42"),
    ],
)
def test_the_text_of_a_member_follows_its_hidden_keys(admin, session, url, parameter, tag, text):
    """A text has two text nodes, of which pyxnat takes the second (hierarchy.md §19, hidden keys)."""
    where = f"/data/projects/P1/subjects/S1/experiments/E1{url}"
    kind = parameter.partition("/")[0]
    assert admin.put(where, params={"xsiType": kind, parameter: text}).status_code == 200
    shown = admin.get(f"{session}{url}?format=xml")
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    [node] = ET.fromstring(shown.content, parser).iter(f"{{http://nrg.wustl.edu/xnat}}{tag}")
    [comment] = node
    assert (node.text, (comment.text or "").startswith("hidden_fields["), comment.tail) == ("\n", True, escaped(text))
    assert put_xml(admin, where, shown.text).status_code == 200
    assert admin.get(f"{session}{url}?format=xml").text == shown.text
    bare = admin.get(f"{session}{url}?format=xml&concealHiddenFields=true").text
    assert "hidden_fields" not in bare


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("the end (there).&#13;\n", "the end (there).\r\n"),
        ("  indented", "  indented"),
        ("<!-- keys -->after", "after"),
        ("one<!-- keys -->\n  ", "one"),
        (" \n ", ""),
    ],
)
def test_white_space_in_a_text_is_part_of_it_and_blank_pieces_are_not(site, admin, text, kept):
    """V xnatpy `test_project_data` (a description with a line end); src SAXReader.characters, .isValidText."""
    admin.put("/data/projects/P").raise_for_status()
    sent = f'<xnat:Project ID="P" {NAMESPACES}><xnat:description>{text}</xnat:description></xnat:Project>'
    assert put_xml(admin, "/data/projects/P", sent).status_code == 200
    assert site.projects["P"].fields.get("description", "") == kept


def test_numbers_and_dates_lose_the_white_space_around_them(site, admin):
    admin.put("/data/projects/P").raise_for_status()
    sent = SESSION.replace("<xnat:date>2001-01-01</xnat:date>", "<xnat:date> 2001-01-01\n</xnat:date>")
    assert "<xnat:date> " in sent
    assert put_xml(admin, "/data/projects/P/subjects/S/experiments/E", sent).status_code in {200, 201}
    assert [found.fields["date"] for found in site.experiments.values()] == ["2001-01-01"]


@pytest.mark.parametrize("by", ["parameters", "label first", "document"])
@pytest.mark.parametrize("kind", ["xnat:subjectData", "xnat:mrSessionData"])
def test_a_share_that_is_said_is_made(site, admin, session, kind, by):
    """DAX shares by parameters (C `XnatShareSession`), copies between servers by document (hierarchy.md §4.5)."""
    admin.put("/data/projects/P2").raise_for_status()
    url = "/data/projects/P1/subjects/S1" + ("/experiments/E1" if kind != "xnat:subjectData" else "")
    where = f"{kind}/sharing/share"
    if by == "document":
        root = "Subject" if kind == "xnat:subjectData" else "MRSession"
        said = '<xnat:sharing><xnat:share project="P2" label="L"/></xnat:sharing>'
        reply = put_xml(admin, url, f"<xnat:{root} {NAMESPACES}>{said}</xnat:{root}>")
    else:
        named = {f"{where}/project": "P2", f"{where}/label": "L"}
        order = dict(reversed(named.items())) if by == "label first" else named
        reply = admin.put(url, params={"xsiType": kind, **order})
    assert reply.status_code == 200, reply.text
    item = next(iter((site.subjects if kind == "xnat:subjectData" else site.experiments).values()))
    assert item.shares == {"P2": "L"}
    what = "subjects" if kind == "xnat:subjectData" else "experiments"
    assert len(admin.get(f"/data/projects/P2/{what}?format=json").json()["ResultSet"]["Result"]) == 1


def test_a_share_needs_a_project_and_the_right_to_it(site, server, admin, session):
    url = "/data/projects/P1/subjects/S1/experiments/E1"
    where = "xnat:mrSessionData/sharing/share"
    assert admin.put(url, params={f"{where}/label": "L"}).status_code == 400
    assert admin.put(url, params={f"{where}/project": "NOPE"}).status_code == 422
    admin.put("/data/projects/P2").raise_for_status()
    site.accounts.add("joe", "pw")
    site.projects["P1"].members["joe"] = "owner"
    with httpx.Client(base_url=server.url, auth=("joe", "pw"), timeout=30) as joe:
        assert joe.put(url, params={f"{where}/project": "P2"}).status_code == 403
    assert [found.shares for found in site.experiments.values()] == [{}]
