"""What a receiver's status means, and how contexts are grouped: total, and true for whatever comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from draws import examples
from xnatsync.core.store_plan import CONTEXTS_MAX, Pair, groups_of
from xnatsync.core.store_status import Outcome, outcome_of, status_words


def test_every_status_has_an_outcome_and_words() -> None:
    """All 65,536 of them; none but 0x0000 and warnings is a confirmation, and the number is in the words."""
    for status in range(0x10000):
        outcome = outcome_of(status)
        assert outcome.confirmed == (status in {0, 1, 0x107, 0x116} or status >> 12 == 0xB)
        words = status_words(status)
        assert words.endswith(f"(0x{status:04X})")
        assert words.startswith("stored") == outcome.confirmed


def test_no_answer_is_no_success() -> None:
    """Nor is a number that is no status."""
    assert {outcome_of(None), outcome_of(-1), outcome_of(0x10000)} == {Outcome.UNKNOWN}
    assert status_words(None) == "no answer"


def test_it_agrees_with_the_reference() -> None:
    """pynetdicom's table of the standard."""
    kinds = {
        "Success": {Outcome.STORED},
        "Warning": {Outcome.WARNED},
        "Failure": {Outcome.FAILED, Outcome.NO_ROOM},
        "Cancel": {Outcome.UNKNOWN},
    }
    for status, (kind, _) in STORAGE_SERVICE_CLASS_STATUS.items():
        assert outcome_of(status) in kinds[kind], hex(status)


pairs = st.builds(Pair, st.integers(0, 40).map(str), st.integers(0, 9).map(str))


@given(st.lists(pairs, max_size=600), st.integers(1, CONTEXTS_MAX))
@examples(60)
def test_each_pair_is_in_exactly_one_group_that_has_room(asked: list[Pair], at_most: int) -> None:
    """And no group is smaller than it need be, but for the last."""
    groups = groups_of(asked, at_most)
    assert sorted(pair for group in groups for pair in group) == sorted(set(asked))
    assert all(len(group) == at_most for group in groups[:-1])
    assert all(0 < len(group) <= at_most for group in groups)
