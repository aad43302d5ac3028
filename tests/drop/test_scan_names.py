"""Elements that become a part of an address on the server: delivered and proven, or told before a byte is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from drop_pieces import LABEL, held
from drop_world import DropWorld, only, uids
from xnatsync.app.accept import accept
from xnatsync.config.load import load
from xnatsync.dicom.elements import Coding
from xnatsync.dicom.head import Head
from xnatsync.dicom.identity import flaw, oddity
from xnatsync.xnat import names, wire

SERIES_NUMBER, MODALITY, DESCRIPTION = (0x00200011, "IS"), (0x00080060, "CS"), (0x0008103E, "LO")


def stored(element: tuple[int, str], value: bytes) -> Callable[[Path], None]:
    """Gives an object this value, byte for byte."""
    tag, vr = element

    def change(path: Path) -> None:
        data = pydicom.dcmread(path)
        whole = value + b" " * (len(value) % 2)
        data[tag] = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(tag), vr, len(whole), whole, 0, is_implicit_VR=False, is_little_endian=True
        )
        data.save_as(path, enforce_file_format=True)

    return change


GOES: dict[str, Callable[[Path], None]] = {
    **{f"series number {value!r}": stored(SERIES_NUMBER, value) for value in (
        b"7", b"+3", b"-3", b"000", b" 5 ", b"3.5", b"3-MR1", b"3_4", b"9" * 64, b"...", b"" )},
    **{f"modality {value!r}": stored(MODALITY, value) for value in (b"MR", b"OT", b"mr")},
    **{f"description {value[:20]!r}": stored(DESCRIPTION, value) for value in (
        b"a\tb", b"../x", b"%2F", b"a\\b", b"x" * 400, b"\xe2\x80\xaegpj", b" lead", b"<a>&'\"", b"")},
}  # fmt: skip
ASKED: dict[str, Callable[[Path], None]] = {
    **{f"series number {value!r}": stored(SERIES_NUMBER, value) for value in (
        b"%2F", b"..%2F", b"3,4", b"ALL", b"all", b"NULL", b"*", b"3 4", b"3#4", b"3?4", b"3;4", b"3&4", b"[3]", b"3+4",
        b"3:4", b"\xe9", b"<3>")},
    **{f"modality {value!r}": stored(MODALITY, value) for value in (
        b"MR\\CT", b"M/R", b"../x", b"M R", b"MAGNETICRESONANCE", b"%2F", b"M\x1bR")},
}  # fmt: skip
HELD: dict[str, Callable[[Path], None]] = {
    f"series number {value[:20]!r}": stored(SERIES_NUMBER, value) for value in (
        b"3\\4", b"\\3", b"3\\", b"3/4", b"..", b".", b"../3", b"3\n4", b"3\x004", b"3\x85", b"\xe2\x80\xae3",
        b"1" * 65, b"1" * 400)
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", GOES)
def test_what_can_be_addressed_is_delivered(world: DropWorld, what: str) -> None:
    """And proven by fetching it back."""
    files = world.study("exam", series=(2,))
    expected = uids(files)
    for path in files:
        GOES[what](path)
    report = world.sync()
    assert report.exit_code == 0, only(report)
    assert {uid for session in world.site.experiments.values() for uid in world.archived(session.label)} == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", ASKED)
def test_what_may_have_no_address_is_asked_about_before_a_byte_is_sent(world: DropWorld, what: str) -> None:
    """The element is named, the other objects go, and one word of a person delivers it."""
    files = world.study("exam", series=(2, 1))
    expected, others = uids(files), uids(files[:2])
    ASKED[what](files[2])
    report = world.sync()
    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-OBJECTS-ODD")
    assert ("Series Number" if "series" in what else "Modality") in (row.detail or "")
    assert world.archived(LABEL) == others
    before = len(world.server.log)
    assert world.sync().exit_code == 3
    assert world.writes(before) == []
    accept(load(world.config), ["exam"])
    report = world.sync()
    assert report.exit_code == 0, [(part.unit.phase, part.unit.code, part.unit.detail) for part in only(report).units]
    assert world.archived(LABEL) == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", HELD)
def test_what_can_name_no_scan_is_held_before_a_byte_is_sent(world: DropWorld, what: str) -> None:
    """Alone in its item: nothing at all is sent, nobody blames the server, and the number is named."""
    files = world.study("exam", series=(2,))
    for path in files:
        HELD[what](path)
    report = world.sync()
    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-OBJECTS-BROKEN")
    assert "Series Number" in (row.detail or "")
    assert len(row.detail or "") < 200
    assert world.writes()[1:] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("modality", [b"MR", b"PT"])
def test_two_series_of_one_number_are_delivered(world: DropWorld, modality: bytes) -> None:
    """The server makes scan IDs of number and modality then."""
    files = world.study("exam", series=(2, 2))
    for path in files:
        stored(SERIES_NUMBER, b"4")(path)
        stored(MODALITY, modality)(path)
    report = world.sync()
    assert report.exit_code == 0, only(report)
    (session,) = world.site.experiments.values()
    assert len(session.scans) == 2


VALUES = st.one_of(
    st.binary(max_size=12),
    st.text("0123456789+-.,;/\\%*[]{}~ ALNU\x85", max_size=5).map(str.encode),
    st.text(max_size=8).map(str.encode),
    st.integers().map(lambda number: b"%d" % number),
)


@examples(300)
@given(VALUES, st.sampled_from(["IS", "LO", "UN", ""]))
def test_what_is_called_neither_odd_nor_broken_has_an_address(value: bytes, vr: str) -> None:
    """Whatever a writer put there: as a part of a path it is itself, unencoded but for a sign, and means one scan."""
    uid = ("UI", b"1.2.3")
    head = Head(preamble=True, coding=Coding(explicit=True), values={
        0x00080016: uid, 0x00080018: uid, 0x0020000D: uid, 0x0020000E: uid, 0x00200011: (vr, value)})  # fmt: skip
    if flaw(head) or oddity(head):
        return
    from xnatsync.dicom.identity import identity_of

    number = identity_of(head).series_number
    if number:
        assert names.segment(number, "x") == number
        assert wire.seg(number).replace("%2B", "+") == number == quote(number, safe="+")
        assert number.upper() not in {"ALL", "NULL", "*"}
