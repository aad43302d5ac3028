"""Our request is pynetdicom's byte for byte, an acceptance means what pynetdicom puts in, and damage adds nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, build_context

from draws import examples
from xnatsync.core.errors import PeerError, PeerLost
from xnatsync.core.store_plan import Pair
from xnatsync.dicomnet.negotiation import ROOM, ROOM_BACK, agreement, proposal
from xnatsync.dicomnet.peer import Peer

APPLICATION, MAKER = "1.2.840.10008.3.1.1.1", "2.25.308137917561478120377436311547281846325"
TITLES = st.from_regex(r"[A-Z][A-Z0-9_-]{0,15}", fullmatch=True)
UIDS = st.from_regex(r"1\.2\.[1-9][0-9]{0,5}(\.[1-9][0-9]{0,8}){0,5}", fullmatch=True)
PAIRS = st.lists(st.builds(Pair, UIDS, UIDS), min_size=1, max_size=128, unique=True)
PEER = Peer("127.0.0.1", 104, "KEEPER", "XNATSYNC")


def primitive(called: str, calling: str, room: int) -> A_ASSOCIATE:
    """What both sides of an association say, as pynetdicom puts it."""
    asked = A_ASSOCIATE()
    asked.application_context_name = APPLICATION
    asked.calling_ae_title, asked.called_ae_title = calling, called
    length, maker, version = (
        MaximumLengthNotification(), ImplementationClassUIDNotification(), ImplementationVersionNameNotification()
    )  # fmt: skip
    length.maximum_length_received = room
    maker.implementation_class_uid = MAKER
    version.implementation_version_name = "XNATSYNC"
    asked.user_information = [length, maker, version]
    return asked


def accepted(answers: list[tuple[Pair, int]], room: int) -> bytes:
    """An acceptance by pynetdicom, without its head: a result for each pair."""
    said = primitive("KEEPER", "XNATSYNC", room)
    said.result = 0
    contexts = []
    for number, (pair, result) in enumerate(answers):
        context = PresentationContext()
        context.context_id, context.abstract_syntax, context.result = 2 * number + 1, pair.sop_class, result
        context.transfer_syntax = [pair.syntax]
        contexts.append(context)
    said.presentation_context_definition_results_list = contexts
    whole: bytes = A_ASSOCIATE_AC(said).encode()
    return whole[6:]


@given(TITLES, TITLES, PAIRS)
@examples(40)
def test_our_request_is_that_of_pynetdicom(called: str, calling: str, pairs: list[Pair]) -> None:
    """Whatever the titles and the pairs are."""
    asked = primitive(called, calling, ROOM_BACK)
    contexts = []
    for number, pair in enumerate(pairs):
        context = build_context(pair.sop_class, pair.syntax)
        context.context_id = 2 * number + 1
        contexts.append(context)
    asked.presentation_context_definition_list = contexts

    assert proposal(Peer("h", 104, called, calling), pairs) == A_ASSOCIATE_RQ(asked).encode()


@given(PAIRS, st.data(), st.one_of(st.just(0), st.integers(min_value=64, max_value=1 << 20)))
@examples(40)
def test_an_acceptance_means_what_was_answered(pairs: list[Pair], data: st.DataObject, room: int) -> None:
    """Of each pair whether it is taken, and the limit of a unit."""
    results = data.draw(st.lists(st.integers(0, 4), min_size=len(pairs), max_size=len(pairs)))

    found = agreement(PEER, pairs, accepted(list(zip(pairs, results, strict=True)), room))

    taken = {
        pair: 2 * number + 1 for number, (pair, result) in enumerate(zip(pairs, results, strict=True)) if not result
    }
    assert found.contexts == taken
    assert found.room == (min(room, ROOM) if room else ROOM)


@given(st.data())
@examples(150)
def test_a_damaged_acceptance_never_takes_what_was_refused(data: st.DataObject) -> None:
    """Cut short, with a byte changed that is neither result nor number, or with an answer given twice."""
    pairs = [Pair("1.2.840.10008.5.1.4.1.1.4", f"1.2.840.10008.1.2.4.{number}") for number in range(50, 54)]
    whole = accepted([(pair, number % 2 * 3) for number, pair in enumerate(pairs)], 16384)
    cut = data.draw(st.integers(0, len(whole)))
    try:
        found = agreement(PEER, pairs, whole[:cut])
    except PeerError:
        return
    assert set(found.contexts) <= {pairs[0], pairs[2]}


def test_an_acceptance_in_which_a_context_is_answered_twice_is_not_understood() -> None:
    """Which of both answers holds, nobody can tell."""
    pair = Pair("1.2.840.10008.1.1", "1.2.840.10008.1.2")
    whole = accepted([(pair, 0)], 0)
    at = whole.index(b"\x21\0", 68)
    context = whole[at : at + 4 + int.from_bytes(whole[at + 2 : at + 4], "big")]

    assert agreement(PEER, [pair], whole).contexts == {pair: 1}
    with pytest.raises(PeerLost, match="cannot be understood"):
        agreement(PEER, [pair], whole + context)


def test_another_syntax_than_the_one_proposed_is_no_acceptance() -> None:
    """The object would have to be converted."""
    pair, other = Pair("1.2.3", "1.2.840.10008.1.2"), Pair("1.2.3", "1.2.840.10008.1.2.1")

    assert agreement(PEER, [pair], accepted([(other, 0)], 0)).contexts == {}
