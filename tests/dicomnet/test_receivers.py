"""Receivers as they are: each object ends with the outcome that it was given, and what is missing is sent again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pynetdicom import AllStoragePresentationContexts, evt

from dicomnet.conftest import Send
from dicomnet.objects import (
    BIG,
    CSA,
    CT,
    DEFLATED,
    EXPLICIT,
    HTJ2K,
    IMPLICIT,
    JPEG,
    JPEG_2000,
    JPEG_LOSSLESS,
    MR,
    RLE,
    dicom_file,
    sent_part,
    write_study,
)
from dicomnet.peers import SYNTAXES, Keeper, keeping
from xnatsync.core.errors import PeerFull, PeerLost, PeerRejected, PeerUnreachable
from xnatsync.core.store_status import Outcome


def test_every_object_arrives_as_it_is(source: Path, send: Send) -> None:
    """Byte for byte, in its own syntax, compressed or not, over several associations; files of any name."""
    files = {
        f"1.2.{number}.{ending}": dicom_file(number, syntax=syntax, sop_class=sop_class)
        for number, (syntax, sop_class, ending) in enumerate(
            [
                *((IMPLICIT, MR, "77"), (EXPLICIT, CT, "IMA"), (BIG, MR, "x"), (JPEG, MR, "dcm"), (JPEG_2000, CT, "j")),
                *((RLE, MR, ""), (JPEG_LOSSLESS, CSA, "csa"), (EXPLICIT, MR, "1")),
            ],
            start=1,
        )
    }
    for name, content in files.items():
        (source / name).write_bytes(content)
    (source / "notes.txt").write_text("nothing to send")

    with keeping() as keeper:
        report = send(keeper.port, workers=3)

    assert (report.exit_code, report.stored, report.failed) == (0, len(files), [])
    assert [left.path for left in report.others] == ["notes.txt"]
    assert sorted(content for _, _, content in keeper.held) == sorted(map(sent_part, files.values()))
    assert sorted(syntax for _, syntax, _ in keeper.held) == sorted(
        [IMPLICIT, EXPLICIT, EXPLICIT, BIG, JPEG, JPEG_2000, RLE, JPEG_LOSSLESS]
    )


@pytest.mark.parametrize("room", [128, 4096, 0])
def test_units_are_as_long_as_the_receiver_allows(source: Path, send: Send, room: int) -> None:
    """And an object much longer than one arrives whole; 0 is no limit."""
    pixels = random.Random(room).randbytes(300_000 if room != 128 else 5_000)
    content = dicom_file(1, pixels=pixels)
    (source / "big").write_bytes(content)

    with keeping(room=room) as keeper:
        assert send(keeper.port).exit_code == 0

    assert [held for _, _, held in keeper.held] == [sent_part(content)]


def test_three_hundred_contexts_go_over_several_associations(source: Path, send: Send) -> None:
    """An association has room for 128."""
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts][:43]
    pairs = [(sop_class, syntax) for sop_class in classes for syntax in SYNTAXES][:300]
    for number, (sop_class, syntax) in enumerate(pairs, 1):
        (source / str(number)).write_bytes(dicom_file(number, sop_class=sop_class, syntax=syntax))

    with keeping() as keeper:
        report = send(keeper.port, workers=1)

    assert (report.exit_code, report.stored, report.associations) == (0, 300, 3)
    assert len(set(keeper.uids)) == len(keeper.held) == 300


def test_what_the_receiver_does_not_take_is_told_and_not_sent(source: Path, send: Send) -> None:
    """By class and syntax, before anything is sent of it; everything else goes on.  A rehearsal tells the same."""
    write_study(source, 3)
    (source / "deflated").write_bytes(dicom_file(11, syntax=DEFLATED))
    (source / "htj2k").write_bytes(dicom_file(12, syntax=HTJ2K))

    with keeping() as keeper:
        rehearsed = send(keeper.port, dry_run=True)
        assert keeper.held == []
        report = send(keeper.port)

    assert rehearsed.exit_code == report.exit_code == 3
    assert [pair.syntax for pair in rehearsed.refused] == [DEFLATED, HTJ2K]
    assert (rehearsed.echo, rehearsed.refused_objects) == (0, 2)
    assert sorted((sent.object.path, sent.outcome) for sent in report.failed) == [
        ("deflated", Outcome.NOT_ACCEPTED), ("htj2k", Outcome.NOT_ACCEPTED)
    ]  # fmt: skip
    assert len(keeper.held) == report.stored == 3


def test_each_status_is_told_in_words_and_only_the_rest_is_sent_again(source: Path, send: Send) -> None:
    """Part of a batch refused (pynetdicom#691): the same command sends only what was not confirmed."""
    write_study(source, 6)
    statuses = {"1": 0xB000, "2": 0xA700, "3": 0xC000, "4": 0xA900, "5": 0x0122}

    def answer(number: int, event: evt.Event) -> int:
        return statuses.get(str(event.request.AffectedSOPInstanceUID).rsplit(".", 1)[1], 0)  # type: ignore[union-attr]

    with keeping(answer) as keeper:
        first = send(keeper.port, workers=1)
        told = {sent.object.path: (sent.outcome, sent.words) for sent in first.failed}
        statuses.clear()
        second = send(keeper.port, workers=1)
        third = send(keeper.port, workers=1)

    assert told == {
        "0002.dcm": (Outcome.NO_ROOM, "out of resources (0xA700)"),
        "0003.dcm": (Outcome.FAILED, "the receiver cannot process it (0xC000)"),
        "0004.dcm": (Outcome.FAILED, "the data set does not match its SOP class (0xA900)"),
        "0005.dcm": (Outcome.FAILED, "SOP class not supported (0x0122)"),
    }
    assert [sent.words for sent in first.warned] == ["stored, and the receiver changed elements (0xB000)"]
    assert (first.exit_code, first.stored, first.confirmed) == (5, 1, 2)
    assert (second.exit_code, second.stored, second.before) == (0, 4, 2)
    assert (third.exit_code, third.stored, third.before, third.associations) == (0, 0, 6, 0)
    assert len(keeper.held) == len(set(keeper.uids)) == 6


def test_another_content_or_another_receiver_is_another_matter(source: Path, send: Send) -> None:
    """What was confirmed is known by receiver, UID and bytes; `again` sends all the same."""
    write_study(source, 2)
    with keeping() as one, keeping() as other:
        assert send(one.port).stored == 2
        assert send(other.port).stored == 2
        (source / "0001.dcm").write_bytes(dicom_file(1, pixels=b"\7" * 32))
        assert (report := send(one.port)).before == 1
        assert report.stored == 1
        assert send(one.port, again=True).stored == 2


def test_a_receiver_that_aborts_gets_the_rest_on_a_new_association(source: Path, send: Send) -> None:
    """It aborts every fourth object: each arrives all the same, and nothing is called sent that is not there."""
    write_study(source, 10)
    asked = [0]

    def answer(number: int, event: evt.Event) -> int:
        asked[0] += 1
        if asked[0] % 4 == 0:
            event.assoc.abort()
            return 0xA700  # nobody hears it
        return 0

    with keeping(answer) as keeper:
        report = send(keeper.port, workers=1)

    assert (report.exit_code, report.stored, report.failed) == (0, 10, [])
    assert set(keeper.uids) == {f"1.2.826.0.1.3680043.8.498.77.1.1.{number}" for number in range(1, 11)}
    assert report.associations > 2


def test_an_object_that_ends_every_association_stops_no_other(source: Path, send: Send) -> None:
    """After three tries its outcome is unknown, and the others are stored."""
    write_study(source, 6)

    def answer(number: int, event: evt.Event) -> int:
        if str(event.request.AffectedSOPInstanceUID).endswith(".3"):  # type: ignore[union-attr]
            event.assoc.abort()
            return 0xC000
        return 0

    with keeping(answer) as keeper:
        report = send(keeper.port, workers=2)

    assert (report.exit_code, report.stored, len(keeper.held)) == (5, 5, 5)
    assert [(sent.object.path, sent.outcome, sent.status) for sent in report.failed] == [
        ("0003.dcm", Outcome.UNKNOWN, None)
    ]
    assert "aborted the association" in report.failed[0].words


def test_a_receiver_that_dies_is_told_and_the_rest_is_sent_later(source: Path, send: Send) -> None:
    """What it confirmed before is not sent to the next one of that address; the object on the way is unknown."""
    write_study(source, 8)

    def answer(number: int, event: evt.Event) -> int:
        if number == 4:
            event.assoc.dul.socket.close()  # type: ignore[union-attr]
            keepers[0].die()
            return 0xA700  # it keeps nothing of it
        return 0

    keepers: list[Keeper] = []
    with keeping(answer) as keeper:
        keepers.append(keeper)
        report = send(keeper.port, workers=1)

    assert isinstance(report.ended, PeerUnreachable | PeerLost)
    assert (report.exit_code, report.stored) == (5, 3)
    assert [sent.outcome for sent in report.failed] == [Outcome.UNKNOWN] + [Outcome.NOT_SENT] * 4
    with keeping() as next_one:
        assert send(next_one.port).stored == 8  # another address is another receiver


def test_a_receiver_without_room_is_left_alone(source: Path, send: Send) -> None:
    """After three objects in a row; what was not tried is not called failed."""
    write_study(source, 9)
    with keeping(lambda number, event: 0 if number < 3 else 0xA701) as keeper:
        report = send(keeper.port, workers=1)

    assert isinstance(report.ended, PeerFull)
    assert (report.exit_code, report.stored) == (5, 2)
    assert [sent.outcome for sent in report.failed].count(Outcome.NO_ROOM) == 3
    assert [sent.outcome for sent in report.failed].count(Outcome.NOT_SENT) == 4


@pytest.mark.parametrize(
    ("title", "calling", "words"),
    [
        ("WRONG", "XNATSYNC", "called AE title not recognised"),
        ("KEEPER", "STRANGER", "calling AE title not recognised"),
    ],
)
def test_a_receiver_that_does_not_know_us_is_told_with_what_to_do(
    source: Path, send: Send, title: str, calling: str, words: str
) -> None:
    """Before anything is sent."""
    write_study(source, 1)
    with keeping(calling=["XNATSYNC"]) as keeper, pytest.raises(PeerRejected, match=words) as caught:
        send(keeper.port, title, calling=calling)

    assert "--calling-aet" in caught.value.remedy or "--called-aet" in caught.value.remedy
    assert keeper.held == []


def test_a_limit_of_associations_means_fewer_of_them(source: Path, send: Send) -> None:
    """Not a failure, as long as there is one."""
    write_study(source, 12)
    with keeping(at_most=1) as keeper:
        report = send(keeper.port, workers=4, patience={"again_s": 0.5})
    assert (report.exit_code, report.stored) == (0, 12)


def test_nothing_listens_there(source: Path, send: Send) -> None:
    """Told at once."""
    write_study(source, 1)
    with keeping() as keeper:
        port = keeper.port
    with pytest.raises(PeerUnreachable, match="nothing listens"):
        send(port)
