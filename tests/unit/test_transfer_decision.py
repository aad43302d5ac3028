"""What a transfer does about each fact, part and file: a table, and what holds for every input whatever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.described import Described, ThingKind
from xnatsync.core.transfer_decision import (
    SENT,
    UNSURE,
    AgreedFact,
    FileFact,
    FileSides,
    Landing,
    LastStore,
    OfFact,
    OfFile,
    OfPart,
    decide_fact,
    decide_file,
    decide_part,
    equal,
    fact_digest,
)

A, B, C = "a", "b", "c"


@pytest.mark.parametrize(
    ("here", "there", "agreed", "landing", "answer"),
    [
        (A, A, None, "TAKEN", OfFact.AGREED),
        (A, A, (B, C), "TAKEN", OfFact.AGREED),
        ("", "", None, "TAKEN", OfFact.NOT_OURS),
        ("", B, None, "TAKEN", OfFact.NOT_OURS),
        ("", B, (B, B), "TAKEN", OfFact.STALE),
        ("", B, (A, SENT), "OPEN", OfFact.STALE),
        (A, "", None, "TAKEN", OfFact.SET),
        (A, B, None, "TAKEN", OfFact.CHANGED),  # somebody else's
        (A, B, (A, B), "TAKEN", OfFact.KEPT_OTHERWISE),
        (A, "", (A, ""), "TAKEN", OfFact.KEPT_OTHERWISE),
        (A, B, (B, B), "TAKEN", OfFact.SET),  # the source changed
        (A, B, (C, C), "TAKEN", OfFact.CHANGED),  # both did
        (A, B, (A, A), "TAKEN", OfFact.CHANGED),  # the destination did
        (A, "", (A, A), "TAKEN", OfFact.GONE),
        (B, "", (A, A), "TAKEN", OfFact.GONE),
        (B, "", (A, ""), "TAKEN", OfFact.SET),
        (A, "", (A, SENT), "TAKEN", OfFact.KEPT_OTHERWISE),
        (A, "", (A, SENT), "OPEN", OfFact.SET),
        (A, "", (A, SENT), "REFUSED", OfFact.SET),
        (A, B, (A, SENT + B), "TAKEN", OfFact.KEPT_OTHERWISE),
        (A, B, (A, SENT + B), "OPEN", OfFact.SET),
        (A, C, (A, SENT + B), "OPEN", OfFact.UNSURE),
        (A, C, (A, SENT + B), "REFUSED", OfFact.CHANGED),
        (A, C, (A, UNSURE + C), "OPEN", OfFact.UNSURE),
        (B, C, (A, UNSURE + C), "OPEN", OfFact.CHANGED),  # it may be somebody else's: never replaced
        (A, B, (A, UNSURE + C), "OPEN", OfFact.CHANGED),
        (A, "", (A, UNSURE + C), "OPEN", OfFact.GONE),
        (A, B, (B, SENT), "OPEN", OfFact.SET),  # the source changed while it was on its way
        (A, C, (B, SENT), "OPEN", OfFact.CHANGED),
    ],
)
def test_what_follows_for_a_fact(
    here: str, there: str, agreed: tuple[str, str] | None, landing: str, answer: OfFact
) -> None:
    """The table, row by row."""
    base = AgreedFact(*agreed) if agreed is not None else None
    assert decide_fact(here, there, base, landing=Landing[landing], repair=False) is answer


VALUES = st.sampled_from(["", A, B, C])
AGREED = st.none() | st.builds(
    AgreedFact, st.sampled_from([A, B]), st.sampled_from(["", A, B, SENT, SENT + A, SENT + C, UNSURE + B])
)


@given(VALUES, VALUES, AGREED, st.sampled_from(Landing), st.booleans())
def test_a_fact_that_was_not_put_there_from_here_is_never_replaced(
    here: str, there: str, agreed: AgreedFact | None, landing: Landing, repair: bool
) -> None:
    """What is sent goes to an empty place, or takes the place of what was last seen or sent from here."""
    answer = decide_fact(here, there, agreed, landing=landing, repair=repair)

    assert (answer is OfFact.AGREED) == (here == there != "")
    if answer is OfFact.SET:
        assert here
        assert not there or (agreed is not None and there in {agreed.here, agreed.there.removeprefix(SENT)})
    if answer is OfFact.GONE:
        assert not there
        assert not repair


@given(VALUES.filter(bool), VALUES, AGREED, st.sampled_from(Landing), VALUES)
def test_what_is_sent_comes_to_an_end(
    here: str, there: str, agreed: AgreedFact | None, landing: Landing, shown: str
) -> None:
    """Whatever the destination makes of it, a fact that it took is not sent again."""
    if decide_fact(here, there, agreed, landing=landing, repair=True) is OfFact.SET:
        sent = AgreedFact(here, SENT + there)
        after = decide_fact(here, shown, sent, landing=Landing.TAKEN, repair=False)
        assert after in {OfFact.AGREED, OfFact.KEPT_OTHERWISE}
        assert decide_fact(here, shown, AgreedFact(here, shown), landing=landing, repair=True) is after


def test_no_value_has_no_digest() -> None:
    """And no value stands in the ledger as it is."""
    assert fact_digest("") == ""
    assert "Smith" not in fact_digest("Smith") != fact_digest("smith")


# --- parts -----------------------------------------------------------------------------------------------------------

SESSION = Described(ThingKind.SESSION, "X1", "S", "xnat:mrSessionData", fields=(("UID", "1.2"),))


@pytest.mark.parametrize(
    ("here", "there", "known", "answer"),
    [
        (SESSION, None, False, OfPart.CREATE),
        (SESSION, None, True, OfPart.GONE),
        (SESSION, SESSION, False, OfPart.PRESENT),
        (SESSION, replace(SESSION, id="Y9", fields=()), False, OfPart.PRESENT),
        (SESSION, replace(SESSION, fields=(("UID", "1.3"),)), True, OfPart.TAKEN),
        (SESSION, replace(SESSION, xsi_type="xnat:petSessionData"), False, OfPart.TAKEN),
        (SESSION, replace(SESSION, kind=ThingKind.RECORD), False, OfPart.TAKEN),
        (None, SESSION, True, OfPart.STALE),
        (None, SESSION, False, OfPart.NOT_OURS),
        (None, None, True, OfPart.NOT_OURS),
    ],
)
def test_what_follows_for_a_thing(here: Described | None, there: Described | None, known: bool, answer: OfPart) -> None:
    """The table; what was deleted there comes again with repair alone."""
    assert decide_part(here, there, known=known, repair=False) is answer
    repaired = OfPart.CREATE if answer is OfPart.GONE else answer
    assert decide_part(here, there, known=known, repair=True) is repaired


# --- files -----------------------------------------------------------------------------------------------------------

ONE, TWO, LIKE_ONE = FileFact(1, "1"), FileFact(1, "2"), FileFact(1, "")
STORE = LastStore(ONE.digest, unknown=True, quiet=True)


@pytest.mark.parametrize(
    ("sides", "answer"),
    [
        (FileSides(ONE, None), OfFile.SEND),
        (FileSides(ONE, None, there_whole=False), OfFile.CUT),
        (FileSides(ONE, None, last=STORE), OfFile.REPLACE),
        (FileSides(ONE, None, last=replace(STORE, quiet=False)), OfFile.LATER),
        (FileSides(ONE, ONE, last=replace(STORE, quiet=False)), OfFile.AGREED),
        (FileSides(ONE, None, agreed=ONE), OfFile.GONE),
        (FileSides(ONE, ONE), OfFile.AGREED),
        (FileSides(ONE, TWO), OfFile.CHANGED),
        (FileSides(TWO, ONE, last=STORE), OfFile.REPLACE),
        (FileSides(TWO, ONE, last=replace(STORE, failed=True)), OfFile.CHANGED),
        (FileSides(TWO, ONE, agreed=ONE), OfFile.REPLACE),
        (FileSides(ONE, TWO, agreed=ONE), OfFile.CHANGED),
        (FileSides(ONE, LIKE_ONE), OfFile.COMPARE),
        (FileSides(ONE, LIKE_ONE, agreed=ONE), OfFile.AGREED),
        (FileSides(TWO, LIKE_ONE, agreed=ONE), OfFile.COMPARE),
        (FileSides(FileFact(2, ""), LIKE_ONE), OfFile.CHANGED),
        (FileSides(None, ONE), OfFile.NOT_OURS),
        (FileSides(None, ONE, agreed=ONE), OfFile.STALE),
        (FileSides(None, None, agreed=ONE), OfFile.ENDED),
        (FileSides(None, None, agreed=ONE, there_whole=False), OfFile.CUT),
        (FileSides(None, ONE, agreed=ONE, here_whole=False), OfFile.CUT),
    ],
)
def test_what_follows_for_a_file(sides: FileSides, answer: OfFile) -> None:
    """The table, row by row."""
    assert decide_file(sides, repair=False) is answer


FACTS = st.builds(FileFact, st.none() | st.integers(0, 1), st.sampled_from(["", "1", "2"]))
STORES = st.builds(
    LastStore, st.sampled_from([ONE.digest, TWO.digest]), unknown=st.booleans(), quiet=st.booleans(),
    failed=st.booleans(),
)  # fmt: skip
SIDES = st.builds(
    FileSides, st.none() | FACTS, st.none() | FACTS, st.none() | st.sampled_from([ONE, TWO]), st.none() | STORES,
    st.booleans(), st.booleans(),
)  # fmt: skip


@given(SIDES, st.booleans(), st.none() | st.booleans())
def test_a_file_that_was_not_put_there_from_here_is_never_replaced(
    sides: FileSides, repair: bool, same: bool | None
) -> None:
    """And nothing is sent that the source has not, or where a listing may have left something out."""
    answer = decide_file(sides, repair=repair, same=same)

    if answer in {OfFile.SEND, OfFile.REPLACE}:
        assert sides.here is not None
        assert sides.there is not None or sides.there_whole
        assert not (sides.last is not None and sides.last.unknown and not sides.last.quiet)
    if answer is OfFile.SEND:
        assert sides.there is None
    if answer is OfFile.REPLACE and sides.there is not None:
        ours = [fact for fact in (sides.agreed,) if fact is not None]
        known = any(equal(sides.there, fact, lenient=True) for fact in ours)
        assert known or (sides.last is not None and sides.last.digest == sides.there.digest)
    if answer is OfFile.GONE:
        assert not repair
        assert sides.agreed is not None
        assert sides.there is None


@given(SIDES, st.booleans())
def test_comparing_settles_it(sides: FileSides, repair: bool) -> None:
    """One look at the bytes is enough: nothing is compared twice."""
    if decide_file(sides, repair=repair) is OfFile.COMPARE:
        assert decide_file(sides, repair=repair, same=True) is OfFile.AGREED
        assert decide_file(sides, repair=repair, same=False) in {OfFile.REPLACE, OfFile.CHANGED}
