"""DicomEdit as the official scripts use it: what a script says is done, and what is not understood fails the object."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from xnatsync.sandbox.dicomedit.elements import text_of
from xnatsync.sandbox.dicomedit.object_functions import Edited
from xnatsync.sandbox.dicomedit.parse import parsed, path_of
from xnatsync.sandbox.dicomedit.run import run
from xnatsync.sandbox.dicomedit.syntax import RejectedError, ScriptError

NAMES = {"project": "P1", "subject": "S1", "session": "E1"}
SIX = 'version "6.6"\n'


def item(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def example() -> Dataset:
    made = item(
        SpecificCharacterSet="ISO_IR 100", ImageType=["ORIGINAL", "PRIMARY"], InstanceCreationDate="20100719",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.4", SOPInstanceUID="1.2.3.4.5", StudyDate="20100430",
        ContentTime="131758", AccessionNumber="20100430", Modality="MR", StudyDescription="Fruit_Struct",
        SeriesDescription="PDW_TSE", Manufacturer="Philips", PatientName="Doe^Jane", PatientID="ID1",
        PatientBirthDate="19000101", PatientAge="100Y", Rows=1024, Columns=1024, ContextUID="1.2.3.4.5",
        StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", InstanceNumber="7",
    )  # fmt: skip
    made.ReferencedStudySequence = [item(ReferencedSOPInstanceUID="1.2.3.4.5", PatientID="INNER")]
    made.OtherPatientIDsSequence = [
        item(PatientID="A", PatientName="One"), item(PatientID="B", OtherPatientIDsSequence=[item(PatientID="C")])
    ]  # fmt: skip
    block = made.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x0C, "CS", "N")
    block.add_new(0x5F, "SQ", [inner_private()])
    other = made.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    other.add_new(0x19, "LO", "secret")
    return made


def inner_private() -> Dataset:
    inner = item(PatientID="D")
    inner.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x33, "CS", "AP")
    return inner


def edit(script: str, dataset: Dataset | None = None) -> Dataset:
    changed, meta = dataset or example(), FileMetaDataset()
    meta.ImplementationVersionName = "GONE"
    run(parsed(script), Edited(changed, meta, path_of), NAMES)
    written = BytesIO()
    pydicom.dcmwrite(written, changed, implicit_vr=False, little_endian=True)  # what a script makes can be written
    return changed


def value(dataset: Dataset, path: str) -> str | None:
    return Edited(dataset, FileMetaDataset(), path_of).text(path_of(path))


HASHED = "2.25.281097975800109040096884226991818420711"

CASES: list[tuple[str, dict[str, str | None]]] = [
    (
        '(0008,0050) := "REMOVED"\n(0008,1040) := "B"\n(0008,1040) := "A"',
        {"(0008,0050)": "REMOVED", "(0008,1040)": "A"},
    ),
    ('(0018,0022) := "1\\\\2\\\\3"', {"(0018,0022)": "1\\2\\3"}),
    ('(0018,9182) := "30.0"', {"(0018,9182)": "30"}),
    ("mod := (0008,0060)\n(0018,1003) := mod\n(0008,1030) := project", {"(0018,1003)": "MR", "(0008,1030)": "P1"}),
    ("-(0008,1110) // gone\n", {"(0008,1110)": None}),
    ("-(0008,001@)", {"(0008,0012)": None, "(0008,0016)": None, "(0008,0018)": None, "(0020,0013)": "7"}),
    ("-(0008,103#)", {"(0008,1030)": "Fruit_Struct"}),
    ("-(0008,10XX)", {"(0008,1030)": None, "(0008,103E)": None, "(0008,1110)": ""}),
    ('(0028,0010) ~ "10\\\\d{2}" ? (0012,0020) := "Hello"', {"(0012,0020)": "Hello"}),
    ('(0028,0010) ~ "10\\\\d{3}" ? (0012,0020) := "BAD"', {"(0012,0020)": None}),
    ('(0028,0011) !~ "\\\\d{3}" ? (2010,0140) := "GOOD" : (2010,0140) := "BAD"', {"(2010,0140)": "GOOD"}),
    ('(0010,2297) != "x" ? (0012,0020) := "absent is not equal"', {"(0012,0020)": "absent is not equal"}),
    ('(2001,{Philips Imaging DD 001}0c) = "N" ? (3006,0088) := "Nice"', {"(3006,0088)": "Nice"}),
    ('(2001,{nobody}0c) = "N" ? (3006,0088) := "Bad"', {"(3006,0088)": None}),
    ("-(0029,{SIEMENS CSA HEADER}19)", {"(0029,1019)": None, "(0029,0010)": None, "(2001,100C)": "N"}),
    ("-(2001,{Philips Imaging DD 001}5F)[%]/(2001,{Philips Imaging DD 001}33)", {"(2001,105F)[0]/(2001,1033)": None}),
    ("removeAllPrivateTags", {"(2001,100C)": None, "(2001,0010)": None, "(2001,105F)": None, "(0029,0010)": None}),
    (
        'retainPrivateTags["(2001,{Philips Imaging DD 001}XX)"]',
        {
            "(2001,0010)": "Philips Imaging DD 001",
            "(2001,105F)[0]/(2001,1033)": "AP",
            "(0029,1019)": None,
            "(0029,0010)": None,
        },
    ),
    (
        '(0039,{NEW}01) := "COOL"\n(0039,{ANOTHER}99) := "Meow"',
        {"(0039,0010)": "NEW", "(0039,1001)": "COOL", "(0039,0011)": "ANOTHER", "(0039,1199)": "Meow"},
    ),
    (
        "-+/(0010,0020)",
        {
            "(0010,0020)": "ID1",
            "(0010,1002)[0]/(0010,0020)": None,
            "(0008,1110)[0]/(0010,0020)": None,
            "(0010,1002)[1]/(0010,1002)[0]/(0010,0020)": None,
        },
    ),
    ("-*/(0010,0020)", {"(0010,0020)": None, "(0010,1002)[1]/(0010,1002)[0]/(0010,0020)": None}),
    (
        "-./(0010,0020)",
        {"(0010,0020)": "ID1", "(0010,1002)[0]/(0010,0020)": None, "(0010,1002)[1]/(0010,1002)[0]/(0010,0020)": "C"},
    ),
    ("-(0010,1002)[1]", {"(0010,1002)[0]/(0010,0020)": "A", "(0010,1002)[1]/(0010,0020)": None}),
    (
        '(0010,1002)[%]/(0010,0020) ?= "NEW"',
        {
            "(0010,1002)[0]/(0010,0020)": "NEW",
            "(0010,1002)[1]/(0010,0020)": "NEW",
            "(0010,1002)[1]/(0010,1002)[0]/(0010,0020)": "C",
        },
    ),
    ('(0008,0061) ?= "NO"\n(0008,1030) ?= "YES"', {"(0008,0061)": None, "(0008,1030)": "YES"}),
    (
        '(5200,9229)[1]/(0008,0100) := "NICE"',
        {"(5200,9229)[1]/(0008,0100)": "NICE", "(5200,9229)[0]/(0008,0100)": None},
    ),
    ("(0040,1002) := (0010,1002)[1]/(0010,0020)", {"(0040,1002)": "B"}),
    ("(0008,0117) := hashUID[(0008,0018)]", {"(0008,0117)": HASHED}),
    (
        "hashUIDList[{*/(0008,1155), (0008,011X)}, (0008,0018)]",
        {"(0008,1110)[0]/(0008,1155)": HASHED, "(0008,0117)": HASHED, "(0008,0018)": HASHED, "(0020,000D)": "1.2.3"},
    ),
    (
        (
            'list1 := {}\nif ((0008,0060) = "MR") {\n  list1 := {(0008,0018)}\n} else {\n list1 := {(0020,000D)}\n}\n'
            "hashUIDList[{list1}]"
        ),
        {"(0008,0018)": HASHED, "(0020,000D)": "1.2.3"},
    ),
    ("removeTags[{ \\\n  (0008,0020), //* why */\n  (0008,0050)\n}]", {"(0008,0020)": None, "(0008,0050)": None}),
    ('delete["(0010,1002)[1]/(0010,1002)[0]/(0010,0020)"]', {"(0010,1002)[1]/(0010,1002)[0]/(0010,0020)": None}),
    ('set["(0020,9222)[0]/(0020,9164)", "1.2"]', {"(0020,9222)[0]/(0020,9164)": "1.2"}),
    ("blankValues[(0008,0050)]", {"(0008,0050)": "", "(0008,0020)": "", "(0008,0060)": "MR"}),
    (
        'kept := collectValues[(0008,0060)]\n(0008,1010) := concatenate["WAS ", (0008,0060)]\nblankValues[kept]',
        {"(0008,1010)": "WAS MR", "(0008,0060)": ""},
    ),
    ('(0008,103E) := normalizeString["D\u00e9scr"]', {"(0008,103E)": "D_scr"}),
    (
        (
            '(0010,1000) := format["{0}_{1}_{2}", lowercase[(0008,0060)], uppercase[(0008,103E)], '
            'replace[substring["0123456789", 0, 8], "3", "0"]]'
        ),
        {"(0010,1000)": "mr_PDW_TSE_01204567"},
    ),
    ('(0010,1000) := match["aba", "(a(b)?)+", 2]', {"(0010,1000)": "b"}),
    ('(0008,1010) := ismatch[(0008,0020), "\\\\d{8}"]', {"(0008,1010)": "true"}),
    ('(0010,1000) := urlEncode["0=1"]', {"(0010,1000)": "0%3D1"}),
    ('(0008,0012) := shiftDateByIncrement[(0008,0012), "10"]', {"(0008,0012)": "20100729"}),
    ('(0018,9516) := shiftDateTimeByIncrement["20200101120000-0730", "10"]', {"(0018,9516)": "20200101120010-0730"}),
    (
        '(0018,9516) := shiftDateTimeByIncrement["20200101120000.800000", "10"]',
        {"(0018,9516)": "20200101120010.800000"},
    ),
    (
        "scalePatientAgeAndDobFromStudyDate[]",
        {"(0010,1010)": "089Y", "(0010,0030)": "19210501", "(0008,0020)": "20100430"},
    ),
    ('isPresent[(0008,0060), (0008,0061)] ? (0012,0020) := "WRONG" : (0012,0020) := "RIGHT"', {"(0012,0020)": "RIGHT"}),
    ('if (isPresent[(0010,1002)[1]]) {\n (0012,0020) := "RIGHT"\n}', {"(0012,0020)": "RIGHT"}),
    ('(0008,0100) := "https://no/comment"', {"(0008,0100)": "https://no/comment"}),
    ('(0008,0100) := \\\n "INS\\\nERTED"', {"(0008,0100)": "INSERTED"}),
    (
        (
            'if ((0008,0060) = "CT") {\n (0008,0080) := "if"\n}\n'
            'elseif( (0008,0050) = "20100430") {\n (0008,0080) := "elseif"\n}\n'
            'else{\n (0008,0080) := "else"\n}'
        ),
        {"(0008,0080)": "elseif"},
    ),
]


@pytest.mark.parametrize(("script", "wanted"), CASES)
def test_a_script_of_language_6_does_what_it_says(script: str, wanted: dict[str, str | None]) -> None:
    changed = edit(SIX + script)
    assert {path: value(changed, path) for path in wanted} == wanted


LEGACY: list[tuple[str, dict[str, str | None]]] = [
    ('(0008,1040) := "A"\n(0008,1040) := "B"', {"(0008,1040)": "A"}),
    ('(0008,0060) = "MR" : (0020,1204) := "100"\n(0008,0060) = "CT" : (0020,1204) := "50"', {"(0020,1204)": "100"}),
    ('(0008,0060) := "CT"\n(0018,1003) := (0008,0060)', {"(0008,0060)": "CT", "(0018,1003)": "MR"}),
    ("(0010,1005) := (0010,0022)", {"(0010,1005)": ""}),
    ('(2001,100c) = "N" : (3006,0088) := "Nice"\n-(2001,100c)', {"(3006,0088)": "Nice", "(2001,100C)": None}),
    ('describe subject "who"\n(0010,0010) := subject', {"(0010,0010)": "S1"}),
]


@pytest.mark.parametrize(("script", "wanted"), LEGACY)
def test_a_script_without_a_version_is_in_language_4(script: str, wanted: dict[str, str | None]) -> None:
    changed = edit(script)
    assert {path: value(changed, path) for path in wanted} == wanted


def test_each_new_uid_is_another_one() -> None:
    uids = {value(edit(f"{SIX}(0008,0018) := newUID[]"), "(0008,0018)") for _ in range(4)}
    assert len(uids) == 4
    assert all(str(uid).startswith("2.25.") for uid in uids)


def test_references_are_mapped_alike_and_below_the_root() -> None:
    changed = edit(f'{SIX}root := "1.2.826"\nmapReferencedUIDs[root, "(0008,0018)", "(0008,1110)/(0008,1155)"]')
    uid = value(changed, "(0008,0018)")
    assert str(uid).startswith("1.2.826.")
    assert uid == value(changed, "(0008,1110)[0]/(0008,1155)")


def test_elements_of_the_file_meta_information_are_reached() -> None:
    meta = FileMetaDataset()
    meta.ImplementationVersionName = "DicomBrowser"
    run(parsed(f"{SIX}-(0002,0013)"), Edited(example(), meta, path_of), NAMES)
    assert "ImplementationVersionName" not in meta


@pytest.mark.parametrize(
    "script",
    ["reject[]", '(0020,0013) = "7" ? reject[]', 'if ((0008,0060) = "MR") {\n reject[]\n}'],
)
def test_an_object_may_be_rejected(script: str) -> None:
    with pytest.raises(RejectedError):
        edit(SIX + script)
    edit(SIX + script.replace("7", "8").replace("MR", "CT") if script != "reject[]" else SIX)


@pytest.mark.parametrize(
    "script",
    [
        f'{SIX}(0008,0018) := getURL["http://x"]',
        f'{SIX}(0008,0018) := unheard["x"]',
        f"{SIX}-(0008,00)",
        f'{SIX}(0008,0018) = "x" : -(0008,0018)',
        '(0008,0018) = "x" ? -(0008,0018)',
        f'{SIX}if ((0008,0060) = "x") {{',
        f'{SIX}alterPixels["circle", "r=1", "solid", "v=0"]',
        f"{SIX}(0008,0050) := unknown",
        f"{SIX}nonsense",
        f'{SIX}(0008,0050) := "unfinished',
        f'{SIX}(0028,0010) := "many"',
        f'{SIX}"x" := "y"',
        f"{SIX}removeTags[(0008,0018)",
        f'{SIX}(0008,0050) := match["x", "("]',
        f"{SIX}-*/",
        f'{SIX}set["nowhere", "x"]',
    ],
)
def test_what_is_not_understood_fails_the_object(script: str) -> None:
    with pytest.raises(ScriptError):
        edit(script)


def test_a_rectangle_of_pixels_is_blanked_and_nothing_beside_it() -> None:
    image = item(Rows=4, Columns=4, BitsAllocated=16, SamplesPerPixel=1, NumberOfFrames="2")
    image.add_new(0x7FE00010, "OW", bytes(range(1, 65)))
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    script = f'{SIX}alterPixels["rectangle", "l=1, t=1, r=9, b=2", "solid", "v=0"]'
    run(parsed(script), Edited(image, meta, path_of), NAMES)
    blank = [index for index, byte in enumerate(image.PixelData) if byte == 0]
    assert blank == [*range(10, 16), *range(42, 48)]
    assert meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def test_texts_of_numbers_are_read_and_written_in_their_representation() -> None:
    changed = edit(f'{SIX}(0028,0010) := "12"\n(0028,0008) := "3"')
    assert (changed.Rows, changed[0x00280008].VR, text_of(changed, 0x00280010)) == (12, "IS", "12")


def test_a_creator_that_reserved_two_blocks_stays_when_both_are_emptied() -> None:
    twice = item(Modality="CT")
    for tag, text in {0x00490012: "TWICE", 0x004900E1: "TWICE", 0x00491231: "a", 0x0049E131: "b"}.items():
        twice.add_new(tag, "LO", text)
    changed = edit(f"{SIX}-(0049,{{TWICE}}31)", twice)
    assert [int(tag) for tag in sorted(changed.keys())] == [0x00080060, 0x00490012, 0x004900E1]


def test_a_private_element_of_unknown_representation_stays_unknown_and_shows_its_bytes() -> None:
    unknown = item(Modality="CT")
    unknown.private_block(0x0055, "ONE", create=True).add_new(0x16, "UN", "D\u00e9s\0".encode("latin-1"))
    changed = edit(f"{SIX}(0055,{{ONE}}16) := normalizeString[(0055,{{ONE}}16)]", unknown)
    assert (changed[0x00551016].VR, changed[0x00551016].value) == ("UN", b"D\\E9s\\00")


@pytest.mark.parametrize("change", [lambda s: s.replace('"GOOD" :', '"BAD" :'), lambda s: s.replace("!~", "~")])
def test_a_condition_that_is_read_wrongly_would_be_seen(change: Callable[[str], str]) -> None:
    script = '(0028,0011) !~ "\\\\d{3}" ? (2010,0140) := "GOOD" : (2010,0140) := "BAD"'
    assert value(edit(SIX + change(script)), "(2010,0140)") == "BAD"
