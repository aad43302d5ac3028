"""Whatever a scanner wrote into a header, a label comes out that XNAT keeps, or a reason."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.errors import LabelUnusable
from xnatsync.core.labels import MAX_LABEL, Template, clean_label, is_valid_label, member_name, stored_name, suffixed

anything = st.text(st.characters(codec=None), max_size=80)
labels = st.text("abcXYZ019_-", min_size=1, max_size=MAX_LABEL)
template = Template.parse("{PatientID|StudyID}_{Modality:^(..)|'OT'}")


def parse(text: str) -> str:
    try:
        return Template.parse(text).text
    except ValueError as error:
        return text if re.match(r"at position \d+: ", str(error)) else str(error)


@given(anything)
def test_cleaning_is_settled_and_keeps_the_length(text: str) -> None:
    """Cleaning twice is cleaning once, and no two characters melt into one."""
    once = clean_label(text)
    assert clean_label(once) == once
    assert len(once) == len(text)


@given(labels)
def test_valid_labels_are_left_alone(label: str) -> None:
    """What XNAT takes is never changed."""
    assert is_valid_label(label)
    assert clean_label(label) == label


@given(anything)
def test_valid_means_xnats_pattern(text: str) -> None:
    """`isValidId` of XNAT and ours agree on every text."""
    assert is_valid_label(text) == bool(re.search(r"\A[A-Za-z0-9\-_]+\Z", text))


@given(st.dictionaries(st.sampled_from(["PatientID", "StudyID", "Modality"]), anything))
def test_rendering_gives_a_valid_label_or_a_reason(tags: dict[str, str]) -> None:
    """There is no third outcome, and no reason shows what the header holds."""
    try:
        label = template.render(tags)
    except LabelUnusable as error:
        told = f"{error} {error.remedy}"
        assert "PatientID" in told or "StudyID" in told
        for value in tags.values():
            assert len(value.strip()) < 12 or value.strip() not in told
    else:
        assert is_valid_label(label)
        assert any(char.isalnum() for char in label)


@given(anything)
def test_parsing_any_text_gives_a_template_or_a_position(text: str) -> None:
    """No configuration can crash the parser."""
    assert parse(text) == text


@given(st.lists(st.sampled_from(["{", "}", "|", "'", ":", "A", "Ab", "(", ")", "[", "]", "\\", "^", "a", "{A", "1"])))
def test_parsing_template_like_text_never_crashes(pieces: list[str]) -> None:
    """The same for texts that look almost like templates."""
    text = "".join(pieces)
    assert parse(text) == text


@given(labels, st.integers(2, 10**6), st.integers(2, 10**6))
def test_suffixes_keep_labels_valid_and_apart(label: str, one: int, other: int) -> None:
    """Numbering can neither break nor merge."""
    assert is_valid_label(suffixed(label, one))
    assert (suffixed(label, one) == suffixed(label, other)) == (one == other)


@given(anything)
def test_stored_names_are_never_a_path(text: str) -> None:
    """One step, in XNAT's alphabet, and neither `.` nor `..`."""
    for name in (stored_name(text), member_name(text)):
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", name)
        assert name.strip(".")


def test_the_bound_is_met_exactly() -> None:
    """A label of the greatest length passes, one more is refused with a way out."""
    whole = Template.parse("{PatientID}")
    assert whole.render({"PatientID": "a" * MAX_LABEL}) == "a" * MAX_LABEL
    with pytest.raises(LabelUnusable, match="a label may have"):
        whole.render({"PatientID": "a" * (MAX_LABEL + 1)})
