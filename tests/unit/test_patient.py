"""Is it the same patient: what can be compared of a header, and when two cannot be the same."""

from __future__ import annotations

import pytest

from property.strategies import dicom
from xnatsync.core.patient import contradicting, traits


def said(**tags: str) -> dict[str, frozenset[str]]:
    return traits([dicom("1", **tags)])


@pytest.mark.parametrize(
    ("one", "other", "fields"),
    [
        ({"PatientName": "Doe^Jane"}, {"PatientName": "DOE^JANE^M^Dr"}, ()),
        ({"PatientName": "Doe^Jane"}, {"PatientName": "Jane Doe"}, ()),
        ({"PatientName": "Doe^Jane=x"}, {"PatientName": "Doe, Jane"}, ()),
        ({"PatientName": "Doe^Jane"}, {"PatientName": "Doe^John"}, ("PatientName",)),
        ({"PatientName": "Doe^Jane"}, {"PatientName": ""}, ()),
        ({"PatientName": "Doe^Jane"}, {}, ()),
        ({"PatientSex": "F"}, {"PatientSex": "m "}, ("PatientSex",)),
        ({"PatientSex": "F"}, {"PatientSex": "O"}, ()),
        ({"PatientBirthDate": "19700101"}, {"PatientBirthDate": "1970.01.01"}, ()),
        ({"PatientBirthDate": "19700101"}, {"PatientBirthDate": "19700110"}, ("PatientBirthDate",)),
        ({"PatientBirthDate": "19700101"}, {"PatientBirthDate": "00000000"}, ()),
        ({"PatientBirthDate": "19700101"}, {"PatientBirthDate": "unknown"}, ()),
    ],
)
def test_what_contradicts_and_what_does_not(
    one: dict[str, str], other: dict[str, str], fields: tuple[str, ...]
) -> None:
    """Case, order, titles and punctuation are no difference; what is empty says nothing."""
    assert contradicting(said(**one), said(**other)) == fields
    assert contradicting(said(**other), said(**one)) == fields
