"""Which heads a script only stripped: a table of what is known of an object, and a property over sessions."""

from __future__ import annotations

import itertools
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from xnatsync.core.compare import FETCHED, NO_PIXELS
from xnatsync.core.heads import PRIVATE, PUBLIC, RECORD, stripped
from xnatsync.core.tree import Node, Tree
from xnatsync.dicom.identity import PixelFacts, pixel_digest
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study

OURS = {"pixels": "p", "content": "with private", PUBLIC: "public", PRIVATE: "yes"}
THEIRS = {"pixels": "p", "content": "public", PUBLIC: "public", PRIVATE: "no", RECORD: "a script", FETCHED: "bytes"}
SPOILT = {
    "other pixels": {"pixels": "q"},
    "no pixels": {"pixels": NO_PIXELS},
    "another value": {PUBLIC: "other"},
    "unknown head": {PUBLIC: ""},
    "private elements": {PRIVATE: "yes"},
    "nothing known of private elements": {PRIVATE: ""},
    "no record": {RECORD: ""},
}


def trees(spoilt: dict[str, str | None], *, unacknowledged: bool = False) -> tuple[Tree, Tree]:
    """A session: key -> what is wrong with what came back of it."""
    ours = [Node(key, digests=OURS, unacknowledged=unacknowledged) for key in spoilt]
    theirs = [Node(key, digests=THEIRS | (SPOILT[how] if how else {})) for key, how in spoilt.items()]
    return Tree(ours, complete=True), Tree(theirs, complete=True)


@pytest.mark.parametrize("how", [None, *SPOILT])
@pytest.mark.parametrize("unacknowledged", [False, True])
def test_one_object(how: str | None, unacknowledged: bool) -> None:
    """Nothing less than all of it, and only of an upload that was acknowledged."""
    found = stripped(*trees({"1.2": how}, unacknowledged=unacknowledged))

    assert found == (frozenset({"1.2"}) if how is None and not unacknowledged else frozenset())


def test_a_record_that_was_ours_already_is_none() -> None:
    """An object that was de-identified before it was sent says nothing of the server's scripts."""
    source, target = trees({"1.2": None})
    known = Tree([Node("1.2", digests=OURS | {RECORD: "a script"})], complete=True)

    assert stripped(source, target)
    assert stripped(known, target) == frozenset()


@given(st.dictionaries(st.integers(0, 9).map(str), st.sampled_from([None, *SPOILT]), max_size=6))
def test_one_that_kept_private_elements_excludes_all(session: dict[str, str | None]) -> None:
    """No script strips some objects of a session and not others."""
    found = stripped(*trees(session))

    odd = {"private elements", "nothing known of private elements"} & set(session.values())
    assert found == (frozenset() if odd else {key for key, how in session.items() if how is None})


def facts(path: Path) -> PixelFacts:
    return pixel_digest(iter([path.read_bytes()]), content=True)


@pytest.mark.parametrize(("top", "nested"), list(itertools.product((False, True), (False, True))))
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
def test_the_public_digest_is_that_of_an_object_without_private_elements(
    tmp_path: Path, top: bool, nested: bool, syntax: str
) -> None:
    """At the top and inside of sequences, whatever the encoding; the private ones alone change the other digest."""
    plan = StudyPlan("P", "N", "20260301", (SeriesPlan(1, "s", 1),), None, (8, 8))
    file = make_study(tmp_path, plan, seed=1)[0]
    data = pydicom.dcmread(file)
    data.file_meta.TransferSyntaxUID = syntax
    inner = Dataset()
    inner.StopTrim = "3"
    data.PlanePositionSequence = [inner]
    data.save_as(file, implicit_vr=syntax.endswith("1.2"), little_endian=True)
    plain = facts(file)
    if top:
        data.private_block(0x0029, "US", create=True).add_new(0x10, "OB", b"1234")
    if nested:
        inner.private_block(0x0021, "US", create=True).add_new(0x01, "LO", "nested")
    data.save_as(file, implicit_vr=syntax.endswith("1.2"), little_endian=True)

    found = facts(file)

    assert (plain.problem, found.problem) == ("", "")
    assert (found.public, found.pixels) == (plain.public, plain.pixels)
    assert (found.content != plain.content) == found.has_private == (top or nested)
    inner.StopTrim = "4"
    data.save_as(file, implicit_vr=syntax.endswith("1.2"), little_endian=True)
    assert facts(file).public != plain.public
