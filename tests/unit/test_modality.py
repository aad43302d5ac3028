"""One modality has one code: what a type names, what a person writes and what a header holds mean the same session."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.modality import KNOWN, check_pattern, code_of, is_called, modality_of, words_of
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.selection import Selection
from xnatsync.sandbox.model.scantypes import session_type

TYPES = {
    "xnat:mrSessionData": "MR",
    "xnat:petSessionData": "PT",
    "xnat:petmrSessionData": "PETMR",
    "xnat:ctSessionData": "CT",
    "xnat:otherDicomSessionData": "OT",
    "xnat:dx3DCraniofacialSessionData": "DX",
    "xnat:xa3DSessionData": "XA",
    "xnat:rtSessionData": "RTIMAGE",
    "ctSessionData": "CT",
    "site:newSessionData": "NEW",
    "xnat:imageSessionData": "",
    "xnat:subjectVariablesData": "",
    "": "",
}


def takes(words: list[str], xsi_type: str, modality: str = "") -> bool:
    """Asks a selection about a session of this type, with the modality that a listing may say."""
    owner = Owner(OwnerKind.SESSION, "P", "E", subject="S", session="L", xsi_type=xsi_type, modality=modality)
    return Selection.parse(modalities=words).wants_owner(owner)


@pytest.mark.parametrize(("xsi_type", "code"), TYPES.items())
def test_a_type_has_one_code(xsi_type: str, code: str) -> None:
    """The one of DICOM, whoever asks."""
    assert modality_of(xsi_type) == code


@pytest.mark.parametrize("modality", ["", "PT", "PET"], ids=str)
@pytest.mark.parametrize("word", ["PT", "PET", "P[TE]*", "*"])
def test_both_words_for_pet_take_a_pet_session(word: str, modality: str) -> None:
    """Whatever the listing calls it, and both leave it out when they exclude it."""
    assert takes([word], "xnat:petSessionData", modality)
    assert not takes([f"!{word}"], "xnat:petSessionData", modality)
    assert takes([word], "xnat:mrSessionData") is (word == "*")


@pytest.mark.parametrize("word", ["PETMR", "PT", "PET", "MR", "PET/MR"])
def test_a_session_of_pet_and_mr_is_both(word: str) -> None:
    """In doubt something is taken: a mirror of PET sessions without those of the combined scanner is not whole."""
    assert takes([word], "xnat:petmrSessionData")
    assert not takes(["CT"], "xnat:petmrSessionData")


@given(st.sampled_from(sorted(KNOWN)), st.sampled_from(sorted(KNOWN)))
def test_words_of_one_modality_never_part(one: str, other: str) -> None:
    """Two words with the same code take the same sessions; a word always takes what it names."""
    assert is_called(one, one)
    assert one in words_of(one)
    if code_of(one) == code_of(other):
        assert is_called(one, other)
        assert is_called(other, one)


@given(st.sampled_from(["pet", "mr", "ct", "us", "xa", "nm", "mg", "cr", "petmr", "otherDicom", "rt", "op"]))
def test_every_type_of_session_can_be_selected_by_its_code_and_by_the_word_in_it(kind: str) -> None:
    """No type of session exists that a mirror could not be told to take."""
    xsi_type = f"xnat:{kind}SessionData"

    assert takes([modality_of(xsi_type)], xsi_type)
    assert takes([kind.upper()], xsi_type)


@pytest.mark.parametrize("modality", ["MR", "PT", "CT", "US", "NM", "MG", "CR", "DX", "XA", "RTIMAGE", "OT", "SR"])
def test_what_is_dropped_is_selected_like_what_it_becomes(modality: str) -> None:
    """The code in the header takes the session that an XNAT makes of such objects."""
    xsi_type = session_type([], [modality])

    assert takes([modality], xsi_type) or modality_of(xsi_type) == "OT"


@pytest.mark.parametrize("word", ["mr", "Pt", "m*", "pet", "nothing", "!mr"])
def test_a_word_that_can_match_nothing_is_refused(word: str) -> None:
    """Codes are in upper case; a selection that takes nothing must not look like a project that holds nothing."""
    with pytest.raises(ValueError, match="upper case"):
        Selection.parse(modalities=[word])


@pytest.mark.parametrize("word", ["MR", "[mM]R", "*", "P?", "XY", "M*"])
def test_a_word_that_can_match_something_is_not_refused(word: str) -> None:
    """Also one that only a site could know: `config check` warns of it."""
    check_pattern(word)


def test_there_is_one_function_that_tells_a_modality() -> None:
    """Three of them had three answers, and a mirror of PET sessions took none."""
    product = Path(modality_of.__code__.co_filename).parents[1]
    defined = [
        path.name
        for path in product.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "modality_of"
    ]
    assert defined == ["modality.py"]
    assert "modality_of" not in vars(SessionHeld)
