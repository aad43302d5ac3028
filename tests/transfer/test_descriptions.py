"""Every field of every kind of thing is described and written, also what is called as parts of another kind are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from transfer_world import OTHER, SOURCE, TARGET, Pair, Side, two_servers
from xnatsync.core.described import Described, Part, Share, ThingKind
from xnatsync.core.errors import AccessDenied, NotThere
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.sandbox.http.faults import Fault
from xnatsync.xnat import descriptions, documents

PROTOCOL = "studyProtocol[ID=:project_xnat_mrSessionData]"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with two_servers() as both:
        yield both


def described(side: Side, label: str) -> Described:
    return side.server.describe(side.owner(OwnerKind.SESSION, label))


def rated(thing: Described) -> Described:
    return next(part for part in thing.parts if part.kind is ThingKind.ASSESSOR)


def test_the_ratings_of_scans_are_fields_of_their_assessor(pair: Pair) -> None:
    """They stand in an element that is called as the scans of a session are."""
    thing = rated(described(pair.source, "S1_MR"))
    assert dict(thing.fields)["rater"] == "RK"
    assert [text for path, text in thing.fields if path.endswith("/motion")] == ["2", "0"]
    assert thing.custom == (("seen_by", '"two"'),)


def test_a_share_of_a_scan_is_made(pair: Pair) -> None:
    scan = described(pair.source, "S1_MR").parts[0]
    assert scan.shares == (Share(OTHER, "1"),)
    session = pair.source.owner(OwnerKind.SESSION, "S2_CT")
    for _ in range(2):
        pair.source.server.share(session, Part(ThingKind.SCAN, "1"), OTHER, "1")
    assert pair.source.server.describe(session).parts[0].shares == (Share(OTHER, "1"),)


def test_definitions_of_variables_follow_the_project_and_leave_the_source_alone(pair: Pair) -> None:
    server, own = pair.source.server, pair.source.owner(OwnerKind.PROJECT, SOURCE)
    before, document = server.describe(own), server.metadata(own)
    assert f"{PROTOCOL}/@name" in dict(before.fields)
    assert not [path for path, text in before.fields if SOURCE in path or SOURCE in text]
    server.create_project(before, "COPY")  # on the same server, where IDs are those of the site
    copied = server.describe(Owner(OwnerKind.PROJECT, "COPY", "COPY"))
    assert copied.fields == before.fields
    assert b'ID="COPY_xnat_mrSessionData"' in server.metadata(Owner(OwnerKind.PROJECT, "COPY", "COPY"))
    assert server.metadata(own) == document


def test_a_member_without_a_key_is_written_whole_or_not_at_all(pair: Pair) -> None:
    server = pair.target.server
    before = pair.source.server.describe(pair.source.owner(OwnerKind.PROJECT, SOURCE))
    server.create_project(before, TARGET)
    owner = Owner(OwnerKind.PROJECT, TARGET, TARGET)
    second = "investigators/investigator[2]/firstname"
    changed = replace(before, fields=tuple((path, "Z" if path == second else text) for path, text in before.fields))
    server.overlay(owner, Part(), changed, frozenset({second, "description"}))
    assert server.describe(owner).fields == before.fields  # negative: a part of a member would be a third one
    third = tuple(
        (f"investigators/investigator[3]/{name}", text) for name, text in (("firstname", "D"), ("lastname", "O"))
    )
    server.overlay(owner, Part(), replace(before, fields=before.fields + third), frozenset(path for path, _ in third))
    after = dict(server.describe(owner).fields)
    assert [after[path] for path, _ in third] == ["D", "O"]
    assert {path: after[path] for path, _ in before.fields} == dict(before.fields)


def test_a_part_that_is_hidden_is_not_taken_for_the_end_of_the_whole(pair: Pair) -> None:
    """Negative: an answer of 404 to one assessor, and of 403 to one custom form."""
    session = pair.source.owner(OwnerKind.SESSION, "S1_MR")
    number = rated(pair.source.server.describe(session)).id
    for path, status in (
        (f"/data/experiments/{number}", 404),
        (f"/xapi/custom-fields/experiments/{session.id}/fields", 403),
    ):
        pair.source.box.faults.add(Fault("GET", path, "status", status=status))
        with pytest.raises(AccessDenied) as refused:
            pair.source.server.describe(session)
        assert not isinstance(refused.value, NotThere)
    pair.source.box.faults.clear()


_KEYS = st.text(st.sampled_from("abZ09 ./[]=%&<>\"'-_:é"), min_size=1, max_size=6).filter(
    lambda text: text.strip() == text
)
_TEXTS = st.text(st.characters(exclude_categories=("C",), include_characters="\n\t"), min_size=1, max_size=12).filter(
    str.strip
)


@st.composite
def nodes(draw: st.DrawFn, deep: int = 2) -> documents.Node:
    """An element as documents of XNAT have them: texts, attributes, lists with keys and lists without."""
    node = documents.Node(f"xnat:{draw(st.sampled_from(['a', 'b', 'scans', 'in', 'field']))}")
    if draw(st.booleans()):
        node.attributes[draw(st.sampled_from(["name", "ID", "x", "xsi:type"]))] = draw(_KEYS)
    if deep and draw(st.booleans()):
        node.children = draw(st.lists(nodes(deep - 1), min_size=1, max_size=4))
    else:
        node.texts = [draw(_TEXTS)]
    return node


@examples(25)
@given(st.lists(nodes(), max_size=5))
def test_what_is_described_is_written_and_described_again(children: list[documents.Node]) -> None:
    top = documents.Node("xnat:Thing", {"ID": "E1"}, children)
    for kind in (ThingKind.RECORD, ThingKind.ASSESSOR):
        thing = descriptions.described(top, kind, thing_id="E1", xsi_type="x:y")
        again = documents.read(documents.write(descriptions.document(thing, "P1")), "a test")
        assert sorted(descriptions.described(again, kind, thing_id="E1", xsi_type="x:y").fields) == sorted(thing.fields)


def test_white_space_of_values_is_kept() -> None:
    node = documents.Node("xnat:Thing", {"x": "a\nb\tc\rd"}, [documents.Node("xnat:a", texts=["one\r\ntwo\r  three"])])
    read = documents.read(documents.write(node), "a test")
    assert (read.attributes["x"], read.children[0].text) == ("a\nb\tc\rd", "one\r\ntwo\r  three")
