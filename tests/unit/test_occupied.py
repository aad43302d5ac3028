"""The advice for our own row that is stuck fits what the server says of it, and does not lead back to where it was."""

from __future__ import annotations

import pytest

from xnatsync.core.errors import PrearchiveStuck
from xnatsync.core.occupied import stuck
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState

SAID = {
    "Invalid modification of session UID via archive process.": (PrearchiveState.CONFLICT, "the choice that appends"),
    "Invalid modification of session modality via archive process. Session A is of type xnat:subjectVariablesData, "
    "not xnat:mrSessionData.": (PrearchiveState.CONFLICT, "no imaging session"),
    "Invalid modification of session modality via archive process. Session A is of type xnat:petSessionData, not "
    "xnat:mrSessionData.": (PrearchiveState.CONFLICT, PrearchiveStuck.advice),
    "Session already exists with matching files.": (PrearchiveState.CONFLICT, 'member_names = "uid"'),
    "Anonymization failed: cannot understand": (PrearchiveState.ERROR, "Have it corrected"),
    "disk is full": (PrearchiveState.ERROR, PrearchiveStuck.advice),
    "": (PrearchiveState.CONFLICT, PrearchiveStuck.advice),
}


@pytest.mark.parametrize("said", SAID)
def test_the_advice_is_that_of_the_case(said: str) -> None:
    state, words = SAID[said]
    row = PrearchiveSeen("/prearchive/projects/P/1/A", "P", "A", "S", "1.2", state, state.name)

    error = stuck(row, said)

    assert words in error.remedy
    repeats = "drop it again" in error.remedy and "in the same way" not in error.remedy
    assert repeats == (words == PrearchiveStuck.advice)
