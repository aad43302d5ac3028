"""What the ledger remembers: items, manifests, attempts, the merge base, and the questions people ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.ledger_example import (
    LATER,
    MUCH_LATER,
    NOW,
    a_file,
    a_study,
    concluded,
    fresh,
    landed,
    proven,
    seen,
    sent,
    settled,
)
from xnatsync.core.errors import Bug, ImpossibleMove, NothingFound
from xnatsync.core.hold import Hold
from xnatsync.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = fresh(tmp_path)
    yield ledger
    ledger.close()


def hold_unit(ledger: Ledger, unit_id: int) -> None:
    ledger.hold_unit(unit_id, Hold(kind="person", code="XS-NOT-THERE", detail="gone", advice="make it", tries=3))


# --- items -------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back_whole(ledger: Ledger) -> None:
    """A manifest comes back field by field, in reading order, each file with the unit that delivers it."""
    item = seen(ledger)
    files = [
        a_file(
            2,
            study=1,
            pixels=bytes(range(32)),
            pixel_bytes=77,
            series_number="5",
            sop_class="1.1",
            transfer_syntax="1.9",
        ),
        a_file(0, study=0),
        a_file(1, study=None, kind="other", reason="a text"),
    ]

    units = ledger.settle_item(item.id, files, [a_study(0), a_study(1)], NOW)

    read = ledger.files(item.id)
    assert [file.position for file in read] == [0, 1, 2]
    assert [units[0].id, None, units[1].id] == [file.unit_id for file in read]
    for written in files:
        found = read[written.position]
        for name in written.__slots__:
            if name != "unit":
                assert getattr(written, name) == getattr(found, name)
    assert ledger.file_counts(item.id) == {"dicom": (2, 202), "other": (1, 101)}
    assert read[2:] == ledger.files(item.id, unit_id=units[1].id)
    assert read[1:2] == ledger.files(item.id, kind="other")


def test_objects_of_a_series_share_what_a_series_has(ledger: Ledger) -> None:
    """What is the same for a thousand objects is stored once, also across items."""
    for path in ("one", "two"):
        item = seen(ledger, path)
        ledger.settle_item(item.id, [a_file(number) for number in range(50)], [a_study()], NOW)

    assert ledger.database.execute("select count(*) from series").fetchone()[0] == 1
    assert {"1.2.900"} == {file.series_uid for item in ledger.items() for file in ledger.files(item.id)}


def test_a_hundred_thousand_files_settle_in_seconds(ledger: Ledger) -> None:
    """A manifest is cheap to write: one transaction, microseconds of the processor a file, however many there are.

    What others do on this machine meanwhile counts for nothing: ours is the time of this thread.
    """
    few, item = seen(ledger, "few"), seen(ledger)
    files = [a_file(number) for number in range(100_000)]
    began = time.thread_time()
    ledger.settle_item(few.id, files[:10_000], [a_study()], NOW)
    tenth_s = time.thread_time() - began

    began = time.thread_time()
    ledger.settle_item(item.id, files, [a_study()], NOW)
    took_s = time.thread_time() - began

    assert took_s < 20
    assert took_s < 10 * 3 * tenth_s
    assert ledger.file_counts(item.id)["dicom"][0] == 100_000


def test_a_changed_item_is_steady_from_its_last_change_on(ledger: Ledger) -> None:
    """Touching moves `steady_at` and nothing else."""
    item = seen(ledger)

    ledger.touch_item(item.id, "new looks", 2, 222, LATER)

    after = ledger.item(item.id)
    assert (after.fingerprint, after.files, after.bytes, after.steady_at) == ("new looks", 2, 222, LATER)
    assert (after.seen_at, after.moved_at, after.phase) == (NOW, NOW, "seen")


def test_an_item_that_vanished_before_it_settled_is_forgotten(ledger: Ledger) -> None:
    """Nothing was promised for it; its row goes."""
    item = seen(ledger)

    ledger.forget_item(item.id)

    with pytest.raises(NothingFound):
        ledger.item(item.id)


def test_an_item_with_a_past_is_not_forgotten(ledger: Ledger) -> None:
    """Something may have been sent for it: it is dismissed, and its attempts stay readable."""
    (unit,) = settled(ledger)
    sent(ledger, unit)
    ledger.reset_item(unit.item_id, "looks", 1, 100, NOW)

    ledger.forget_item(unit.item_id)

    assert ledger.item(unit.item_id).phase == "dismissed"
    assert len(ledger.attempts(unit.id)) == 1


@pytest.mark.parametrize("phase", ["seen", "left"])
def test_what_vanished_and_is_put_back_is_never_taken_for_what_a_person_gave_up(ledger: Ledger, phase: str) -> None:
    """It may look exactly as before (`cp -p`): only a person's dismissal is remembered by its looks."""
    item = seen(ledger)
    if phase == "left":
        ledger.leave_item(item.id, [a_file(0, kind="other", study=None)], "empty", NOW)
    else:
        ledger.settle_item(item.id, [a_file(0)], [a_study()], NOW)
        ledger.reset_item(item.id, item.fingerprint, 1, 100, NOW)

    ledger.forget_item(item.id, LATER)

    former = ledger.latest_item("scanner", "drop", item.path)
    assert former is not None
    assert (former.phase, former.moved_at) == ("dismissed", LATER)
    assert former.fingerprint != item.fingerprint


@pytest.mark.parametrize("phase", ["settled", "verified", "done", "dismissed"])
def test_an_item_that_settled_is_not_forgotten(ledger: Ledger, phase: str) -> None:
    """A person must learn that it went away."""
    (unit,) = settled(ledger)
    if phase in {"verified", "done"}:
        proven(ledger, unit)
        ledger.move_item(unit.item_id, "verified", NOW)
    if phase in {"done", "dismissed"}:
        ledger.move_item(unit.item_id, phase, NOW)
    item = ledger.item(unit.item_id)

    with pytest.raises(Bug):
        ledger.forget_item(item.id)


def test_an_item_with_nothing_to_deliver_stays_listed_with_its_reason(ledger: Ledger) -> None:
    """`left` keeps the manifest and says why; a change takes it back to the start."""
    item = seen(ledger)

    ledger.leave_item(item.id, [a_file(0, kind="other", study=None)], "nothing in it is DICOM", NOW)

    assert (ledger.item(item.id).phase, ledger.item(item.id).detail) == ("left", "nothing in it is DICOM")
    assert len(ledger.files(item.id)) == 1
    ledger.reset_item(item.id, "new looks", 1, 1, LATER)
    assert (ledger.item(item.id).phase, ledger.item(item.id).detail, ledger.files(item.id)) == ("seen", None, [])


def test_a_reset_gives_up_what_was_planned_and_keeps_what_was_proven(ledger: Ledger) -> None:
    """Living sessions are dismissed, a proven one is closed with its receipt, and the lease is free."""
    first, second, third = settled(ledger, studies=3)
    proven(ledger, first)
    sent(ledger, second)
    hold_unit(ledger, third.id)

    ledger.reset_item(first.item_id, "new looks", 2, 200, LATER)

    assert [ledger.unit(unit.id).phase for unit in (first, second, third)] == ["closed", "dismissed", "dismissed"]
    assert [ledger.receipt(first.id)] == ledger.receipts(first.item_id)
    assert ledger.writer_of(second.target) is None
    assert ledger.unit(third.id).hold is None
    assert ledger.files(first.item_id) == []


def test_a_proven_item_is_not_reset(ledger: Ledger) -> None:
    """Only what is settled or left goes back."""
    (unit,) = settled(ledger)
    proven(ledger, unit)
    ledger.move_item(unit.item_id, "verified", NOW)

    with pytest.raises(ImpossibleMove):
        ledger.reset_item(unit.item_id, "looks", 1, 100, NOW)

    assert ledger.unit(unit.id).phase == "verified"
    assert len(ledger.files(unit.item_id)) == 1


def test_moving_on_forgets_what_held_it(ledger: Ledger) -> None:
    """A hold belongs to the point where it happened."""
    (unit,) = settled(ledger)
    hold_unit(ledger, unit.id)
    ledger.hold_item(
        unit.item_id, Hold(kind="retry", code="XS-SOURCE-UNREADABLE", detail="d", advice="a", retry_at=LATER, tries=2)
    )

    landed(ledger, unit)
    concluded(ledger, unit)
    ledger.move_item(unit.item_id, "verified", LATER)

    for row in (ledger.unit(unit.id), ledger.item(unit.item_id)):
        assert (
            row.hold, row.code, row.detail, row.advice, row.retry_at, row.tries
        ) == (None, None, None, None, None, 0)  # fmt: skip


def test_the_newest_item_of_a_name_is_found_even_when_it_is_done(ledger: Ledger) -> None:
    """With `after = "keep"` this is how a second scan knows that there is nothing to do."""
    (unit,) = settled(ledger)
    proven(ledger, unit)
    ledger.move_item(unit.item_id, "verified", NOW)
    ledger.move_item(unit.item_id, "done", NOW, filed_as="2026-03-01/visit1.1")

    assert ledger.find_item("scanner", "drop", "visit1") is None
    latest = ledger.latest_item("scanner", "drop", "visit1")
    assert latest is not None
    assert (latest.phase, latest.filed_as) == ("done", "2026-03-01/visit1.1")
    assert ledger.items() == []
    assert [latest] == ledger.items(living=False)


# --- units, attempts, the merge base -----------------------------------------------------------------------------


def test_announcing_an_upload_is_one_transaction(ledger: Ledger) -> None:
    """Attempt, lease and merge base together; a request ID used twice leaves none of them."""
    first, second = settled(ledger, studies=2)
    attempt = sent(ledger, first)
    with pytest.raises(Bug, match="request_id"):
        ledger.open_attempt(
            second.id, run_id=1, effect="import", request_id=attempt.request_id, now=NOW, quiet_at=LATER, keys=["1.2.1"]
        )

    assert (ledger.unit(first.id).phase, ledger.unit(second.id).phase) == ("sent", "planned")
    assert list(ledger.entries("scanner", first.target)) == ["1.2.0"]
    assert ledger.entries("scanner", second.target) == {}
    assert [attempt] == ledger.open_attempts()


def test_only_what_is_sent_enters_the_merge_base(ledger: Ledger) -> None:
    """Keys of the manifest that are not on their way are not claimed."""
    item = seen(ledger)
    (unit,) = ledger.settle_item(item.id, [a_file(0), a_file(1)], [a_study()], NOW)

    sent(ledger, unit, keys=("1.2.1", "9.9.9"))

    (entry,) = ledger.entries("scanner", unit.target).values()
    assert ("1.2.1", "sent", 101, a_file(1).sha256) == (
        entry.key, entry.state, entry.source_size, entry.source_sha256
    )  # fmt: skip


def test_only_an_acknowledged_upload_counts_as_sent(ledger: Ledger) -> None:
    """What the server never answered is tried again without counting; the lease stays with its unit all the while."""
    (unit,) = settled(ledger)
    ledger.count_try(unit.id)
    first = sent(ledger, unit)
    ledger.close_attempt(first.id, outcome="unknown", now=NOW, quiet_at=MUCH_LATER)
    assert (ledger.unit(unit.id).phase, ledger.unit(unit.id).sends, ledger.unit(unit.id).tries) == ("sent", 0, 1)

    second = sent(ledger, unit, request="again")
    ledger.close_attempt(second.id, outcome="ok", now=NOW)

    assert (ledger.unit(unit.id).phase, ledger.unit(unit.id).sends, ledger.unit(unit.id).tries) == ("sent", 1, 0)
    assert [attempt.quiet_at for attempt in ledger.attempts(unit.id)] == [MUCH_LATER, LATER]


def test_an_attempt_without_an_end_is_found_by_the_next_life(ledger: Ledger) -> None:
    """Closing it records how it ended and keeps what it was about."""
    (unit,) = settled(ledger)
    attempt = ledger.open_attempt(
        unit.id, run_id=1, effect="commit", request_id="c", now=NOW, quiet_at=LATER, before=["/a", "/b"], detail="/uri"
    )

    assert [attempt] == ledger.open_attempts()
    assert attempt.before == ("/a", "/b")
    assert ledger.unit(unit.id).phase == "sent"  # whatever changes the target takes the lease first
    ledger.close_attempt(attempt.id, outcome="refused", now=LATER, http=409, code="XS-REQUEST-REFUSED")
    (closed,) = ledger.attempts(unit.id)
    assert ledger.open_attempts() == []
    assert (closed.outcome, closed.http, closed.detail, closed.ended_at) == ("refused", 409, "/uri", LATER)


def test_the_receipt_comes_with_everything_that_follows_from_it(ledger: Ledger) -> None:
    """Receipt, merge base and phase are one transaction."""
    (unit,) = settled(ledger)
    receipt = proven(ledger, unit)

    (entry,) = ledger.entries("scanner", unit.target).values()
    assert (entry.state, entry.target_size, entry.target_digest) == ("verified", 100, "aa")
    assert (ledger.unit(unit.id).phase, ledger.unit(unit.id).session_id) == ("verified", "XNAT_E1")
    assert receipt == ledger.receipt(unit.id)
    assert (receipt.level, receipt.expected, receipt.held, receipt.evidence) == ("names", 1, 1, '{"listed": "again"}')


def test_a_session_is_relabelled_only_before_anything_was_sent(ledger: Ledger) -> None:
    """Afterwards the label is what the server knows."""
    (unit,) = settled(ledger)
    ledger.relabel_unit(unit.id, "S0_2", "prod/NEURO/S0_2")
    assert (ledger.unit(unit.id).session, ledger.unit(unit.id).target) == ("S0_2", "prod/NEURO/S0_2")

    sent(ledger, ledger.unit(unit.id))

    with pytest.raises(Bug, match="relabelled"):
        ledger.relabel_unit(unit.id, "S0_3", "prod/NEURO/S0_3")


def test_a_released_unit_starts_counting_anew(ledger: Ledger) -> None:
    """A person said: try again."""
    (unit,) = settled(ledger)
    sent(ledger, unit)
    hold_unit(ledger, unit.id)

    ledger.release_unit(unit.id)

    after = ledger.unit(unit.id)
    assert (after.phase, after.hold, after.code, after.tries, after.sends) == ("sent", None, None, 0, 0)


def test_dismissing_an_item_gives_up_all_of_it(ledger: Ledger) -> None:
    """Its sessions go with it, and their lease; what was proven stays proven."""
    first, second = settled(ledger, studies=2)
    proven(ledger, first)
    sent(ledger, second)

    ledger.dismiss_item(first.item_id, LATER)

    assert ledger.item(first.item_id).phase == "dismissed"
    assert [ledger.unit(unit.id).phase for unit in (first, second)] == ["closed", "dismissed"]
    assert ledger.writer_of(second.target) is None


# --- routes and runs ---------------------------------------------------------------------------------------------


def test_a_changed_route_is_noticed_once(ledger: Ledger) -> None:
    """First sight and the same settings are no change."""
    answers = [ledger.remember_route("mri", "drop", digest, NOW) for digest in ("a", "a", "b", "b")]

    assert answers == [False, False, True, False]


def test_a_killed_run_is_closed_as_interrupted(ledger: Ledger) -> None:
    """A run that ended by itself keeps its outcome."""
    ended = ledger.start_run("schedule", 2, "boot", "0", NOW)
    ledger.end_run(ended, "ok", {"done": 3}, LATER)
    assert [run.id for run in ledger.open_runs()] == [1]

    ledger.interrupt_runs([1, ended], MUCH_LATER)

    assert ledger.open_runs() == []
    assert [(run.outcome, run.counts) for run in ledger.runs(5)] == [("ok", '{"done": 3}'), ("interrupted", "{}")]


# --- questions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["#1", "1", "visit_1", "visit_1/", "/data/incoming/visit_1", "/data/incoming/visit_1/dicom/0", "dicom/0",
     "visit_1\\dicom\\0", "1.2.0", "1.2.900", "1.2.800", "S0", "XNAT_E1"],
)  # fmt: skip
def test_everything_a_person_has_at_hand_finds_the_item(ledger: Ledger, text: str) -> None:
    """Number, path from any point of view, file, object, series, study, session and accession ID."""
    (unit,) = settled(ledger, "visit_1")
    proven(ledger, unit)
    seen(ledger, "something else")

    assert [unit.item_id] == [item.id for item in ledger.find(text)]


@pytest.mark.parametrize("text", ["#9", "9", "visitX1", "VISIT_1", "isit_1", "%", "", "#", "#x", "nothing/at/all", "²"])
def test_what_is_not_there_is_not_found(ledger: Ledger, text: str) -> None:
    """Nothing is guessed: wildcards, other spellings and parts of names find nothing."""
    settled(ledger, "visit_1")

    assert ledger.find(text) == []


def test_an_item_of_that_number_is_found_before_a_session_called_by_it(ledger: Ledger) -> None:
    """`1` is printed for the item 1, so it means that first; with a slash it is a name."""
    first = seen(ledger, "one")
    (unit,) = settled(ledger, "two", label="1")

    assert [first.id, unit.item_id] == [item.id for item in ledger.find("1")]
    assert [first.id] == [item.id for item in ledger.find("#1")]
    assert [unit.item_id] == [item.id for item in ledger.find("1/")]


def test_counts_come_by_route_phase_and_hold(ledger: Ledger) -> None:
    """And are read from an index alone, however many items there are."""
    (unit,) = settled(ledger)
    seen(ledger, "two")
    ledger.hold_item(unit.item_id, Hold(kind="person", code="XS-BUG", detail="d", advice="a", tries=1))  # fmt: skip

    assert ledger.phase_counts() == {("scanner", "settled", "person"): (1, 100), ("scanner", "seen", ""): (1, 100)}
    for sql in (
        "select route, phase, hold, count(*), sum(bytes) from item group by 1, 2, 3",
        "select kind, count(*), sum(size) from file where item_id = 1 group by kind",
    ):
        (step,) = ledger.database.execute(f"explain query plan {sql}").fetchall()
        assert "COVERING INDEX" in step[3]


def test_held_items_are_those_that_wait_for_a_person_in_any_part(ledger: Ledger) -> None:
    """A held session makes its item one that waits."""
    (unit,) = settled(ledger)
    seen(ledger, "well")
    hold_unit(ledger, unit.id)

    assert [unit.item_id] == [item.id for item in ledger.held_items()]


def test_the_diary_is_read_newest_last_and_pruned_by_age(ledger: Ledger) -> None:
    """A limit keeps the newest lines."""
    (unit,) = settled(ledger)
    for number, now in enumerate((NOW, LATER, MUCH_LATER)):
        ledger.event(
            f"e{number}", "text", level="info", now=now, item_id=unit.item_id, unit_id=unit.id, data={"n": number}
        )

    assert [event.code for event in ledger.events(unit_id=unit.id, limit=2)] == ["e1", "e2"]
    assert ledger.events()[-1].data == '{"n": 2}'
    assert [event.code for event in ledger.events(item_id=unit.item_id)] == ["e0", "e1", "e2"]


def test_history_lists_what_moved_last(ledger: Ledger) -> None:
    """Newest first, by route, since a moment."""
    first, second = seen(ledger, "one"), seen(ledger, "two")
    ledger.leave_item(first.id, [], "empty", MUCH_LATER)

    assert [first.id, second.id] == [item.id for item in ledger.history()]
    assert [first.id] == [item.id for item in ledger.history(since=LATER)]
    assert ledger.history(route="other") == []
    assert len(ledger.history(limit=1)) == 1


# --- what a selection left out -----------------------------------------------------------------------------------


def test_what_was_left_out_is_counted_by_key(ledger: Ledger) -> None:
    """It is not among the files aside; an item of it is found again when the settings change."""
    item = seen(ledger)
    files = [
        a_file(0),
        a_file(1, kind="other", study=None),
        *(a_file(n, kind="other", study=None, reason="left out", left_by="scans") for n in (2, 3)),
        a_file(4, kind="other", study=None, reason="left out", left_by="files"),
    ]
    (unit,) = ledger.settle_item(item.id, files, [a_study()], NOW)
    settled(ledger, "another")

    assert ledger.left_out(item.id) == {"files": 1, "scans": 2}
    assert [file.path for file in ledger.aside(item.id)] == ["other/1"]
    assert [file.left_by for file in ledger.files(item.id)] == ["", "", "scans", "scans", "files"]
    assert [found.id for found in ledger.items_with_left_out("scanner")] == [item.id]
    assert ledger.never_sent("scanner") == {"files": 1, "scans": 2}
    assert ledger.never_sent("elsewhere") == {}
    ledger.dismiss_item(item.id, NOW)
    assert ledger.never_sent("scanner") == {}
    assert ledger.unit(unit.id).phase == "dismissed"


def test_no_unit_ever_has_what_was_left_out(ledger: Ledger) -> None:
    """SQLite itself refuses it, as an object too."""
    for wrong in ({"study": 0, "kind": "other"}, {"study": None, "kind": "dicom"}, {"study": None, "kind": "broken"}):
        item = seen(ledger, str(wrong))
        with pytest.raises(Bug, match="left_by"):
            ledger.settle_item(item.id, [a_file(0, left_by="scans", reason="left out", **wrong)], [a_study()], NOW)


def test_looking_for_what_was_left_out_reads_no_other_file(ledger: Ledger) -> None:
    """Both lists come from indices that hold nothing else: what lies there for good costs nothing in every run."""
    asked: list[str] = []
    ledger.database.conn.set_trace_callback(asked.append)
    ledger.aside(1)
    ledger.left_out(1)
    ledger.database.conn.set_trace_callback(None)

    plans = [str(ledger.database.execute(f"explain query plan {sql}").fetchall()) for sql in asked]

    assert ["file_aside" in plans[0], "file_left" in plans[1]] == [True, True]
