"""Labels, templates and file names follow XNAT's own rules (import.md §4.4, §4.6)."""

from __future__ import annotations

import pytest

from xnatsync.core.errors import LabelUnusable
from xnatsync.core.labels import MAX_LABEL, Template, clean_label, is_valid_label, member_name, stored_name, suffixed

TAGS = {"PatientID": "AB^12", "Modality": "MR", "StudyDate": "20240102", "StudyID": "7", "AccessionNumber": "***"}


def render(template: str, **tags: str) -> str:
    return Template.parse(template).render(TAGS | tags)


@pytest.mark.parametrize("char", "`~@#$%^&*()+=[]{}|\\/?:;',.<> ")
def test_every_character_of_xnats_list_becomes_an_underscore(char: str) -> None:
    """What the archive replaces is replaced here, one for one, so the label we look for is the one that is stored."""
    assert clean_label(f"a{char}b") == "a_b"


@pytest.mark.parametrize("char", ["!", '"', "é", "ß", "\n", "\t", "字", "\u00a0"])
def test_what_xnat_does_not_replace_survives_and_is_refused(char: str) -> None:
    """XNAT's cleaning leaves these alone and its save then fails: we must see that before anything is sent."""
    assert clean_label(f"a{char}b") == f"a{char}b"
    assert not is_valid_label(f"a{char}b")


def test_a_label_has_an_upper_bound_and_is_never_empty() -> None:
    """255 characters fit XNAT's column and a folder's name; the empty text is no label."""
    assert is_valid_label("a" * MAX_LABEL)
    assert not is_valid_label("a" * (MAX_LABEL + 1))
    assert not is_valid_label("")
    assert not is_valid_label("a\n")


def test_a_suffix_keeps_long_labels_valid_and_apart() -> None:
    """A numbered label never grows over the bound, and other numbers give other labels."""
    assert suffixed("S1", 2) == "S1_2"
    longest = "a" * MAX_LABEL
    assert is_valid_label(suffixed(longest, 12))
    assert suffixed(longest, 2) != suffixed(longest, 12) != longest


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a/b/IM 1.dcm", "IM_1.dcm"),
        ("IM(1)é.dcm", "IM_1__.dcm"),
        ("1.2.3.dcm", "1.2.3.dcm"),
        ("x\\y.dcm", "x_y.dcm"),
        ("a/..", "__"),
        ("..", "__"),
        ("", "_"),
        ("a/", "_"),
    ],
)
def test_a_stored_name_is_the_base_name_in_xnats_alphabet(name: str, stored: str) -> None:
    """XNAT drops folders and replaces the rest; nothing that could be a step in a path comes out."""
    assert stored_name(name) == stored


def test_members_are_named_by_their_uid() -> None:
    """A plain file listing then shows which objects arrived, whatever the anonymiser did to the headers."""
    assert member_name("1.2.840.1") == "1.2.840.1.dcm"
    assert member_name("../../etc/passwd") == "passwd.dcm"


@pytest.mark.parametrize(
    ("template", "label"),
    [
        ("{PatientID}_{Modality}_{StudyDate}", "AB_12_MR_20240102"),
        ("fixed-1", "fixed-1"),
        ("{AccessionNumber|PatientID}", "AB_12"),
        ("{NotThere|AccessionNumber|'anon'}_{Modality}", "anon_MR"),
        ("{PatientID:^([A-Z]+)}", "AB"),
        ("{PatientID:[0-9]{2}}", "12"),
        ("{PatientID:^(X|Y)|StudyID}", "7"),
        ("{PatientID:^(?:AB|CD)\\^(\\d)}", "1"),
        ("{PatientID:[|}]|StudyID}", "7"),
        ("{(0020,0010)}", "x1"),
        ("a.b {Modality}", "a_b_MR"),
    ],
)
def test_templates_make_labels(template: str, label: str) -> None:
    """Fields, fallbacks, literals and picked parts, cleaned as the archive cleans them."""
    assert render(template, **{"(0020,0010)": "x1"}) == label


@pytest.mark.parametrize("useless", ["", "   ", "***", "---", "^^^^", "_", "...", "\0"])
def test_a_field_that_says_nothing_holds_the_item(useless: str) -> None:
    """An anonymised or empty identifier must never become a label that different people share."""
    with pytest.raises(LabelUnusable) as caught:
        render("{PatientID}_{Modality}", PatientID=useless)
    assert "PatientID" in str(caught.value)
    assert "PatientID|" in caught.value.remedy


@pytest.mark.parametrize(
    ("template", "value"),
    [("{PatientID}", "Zoë!Secret"), ("{PatientID:^(\\d+)}", "Secret"), ("{PatientID}", "Secret" * 60)],
)
def test_no_message_contains_the_headers_value(template: str, value: str) -> None:
    """S8: the message names the field and never what is in it."""
    with pytest.raises(LabelUnusable) as caught:
        render(template, PatientID=value)
    assert "PatientID" in str(caught.value)
    assert "Secret" not in str(caught.value) + caught.value.remedy


def test_a_missing_field_is_named_with_all_that_were_tried() -> None:
    """The person learns about every alternative at once."""
    with pytest.raises(LabelUnusable, match=r"the header has no Nope; AccessionNumber is only punctuation"):
        render("{Nope|AccessionNumber}")


def test_a_literal_of_punctuation_alone_is_no_label() -> None:
    """A template may yield valid characters and still name nothing."""
    with pytest.raises(LabelUnusable):
        render("_-")


def test_keywords_are_all_fields_of_all_alternatives() -> None:
    """The reader asks for these, and for nothing else."""
    template = Template.parse("{PatientID:x|StudyID|'a'}_{Modality}_{(0019,10AB)}")
    assert template.keywords == {"PatientID", "StudyID", "Modality", "(0019,10AB)"}


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("ab}", 3),
        ("ab{", 3),
        ("ab{PatientID", 3),
        ("{patientID}", 2),
        ("caf\u00e9", 4),
        ("{PatientID:}", 12),
        ("{PatientID:a(}", 1),
        ("{PatientID:a**}", 14),
        ("{'a}", 2),
        ("{''}", 2),
        ("{'\u00e9'}", 3),
        ("{A|}", 4),
        ("{A b}", 3),
    ],
)
def test_a_wrong_template_is_refused_with_its_position(text: str, position: int) -> None:
    """`config check` shows where; nothing wrong waits for the first patient."""
    with pytest.raises(ValueError, match=f"^at position {position}: "):
        Template.parse(text)
