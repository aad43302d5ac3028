"""What the ledger keeps of verifications over the years: every change, and not every repetition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from unit.ledger_example import NOW, fresh
from unit.test_ledger_mirrors import ONE, TWO
from xnatsync.core.moment import stamp
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.tree_rows import NewAudit, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
Seen = tuple[Verdict, str, Sequence[tuple[Verdict, str]]]  # of a whole, its counts, and each finding with its path
SAME: Seen = ("same", "3 same", ())
MORE: Seen = ("same", "4 same", ())
LOST: Seen = ("missing", "2 same, 1 missing", [("missing", "a")])
OTHER: Seen = ("missing", "2 same, 1 missing", [("missing", "b")])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = fresh(tmp_path)
    made.remember_route("nightly", "mirror", "digest", NOW)
    made.ensure_owners("nightly", [ONE, TWO], NOW)
    yield made
    made.close()


def day(number: int) -> str:
    """A moment so many days after the first one."""
    return stamp(START + timedelta(days=number))


def see(ledger: Ledger, number: int, seen: Seen, *, level: str = "names/bytes", owner: int = 1) -> int:
    """Writes down one look, on a day, as `verify` does."""
    run = ledger.start_run("command", 1, "boot", "0", day(number))
    verdict, detail, findings = seen
    rows = [NewAudit("t", "bytes", what, key, "tree", "nightly", owner) for what, key in findings]
    ledger.add_audits(run, [*rows, NewAudit("t", level, verdict, None, detail, "nightly", owner)], day(number))
    ledger.end_run(run, "ok", {}, day(number))
    return run


def days(ledger: Ledger, owner: int = 1) -> list[int]:
    """On which days the looks were that are still known."""
    rows = [row for row in ledger.audits(limit=100_000) if row.key is None and row.owner_id == owner]
    return [(datetime.fromisoformat(row.at) - START).days for row in rows]


@pytest.mark.parametrize(
    ("looks", "kept"),
    [
        ([SAME] * 9, [0, 8]),
        ([SAME, MORE, SAME, MORE, SAME], [0, 4]),  # how many are the same is no event
        ([SAME, SAME, SAME, LOST, LOST, LOST, LOST, SAME, SAME, SAME], [0, 2, 3, 6, 7, 9]),
        ([LOST, LOST, SAME, LOST, LOST], [0, 1, 2, 3, 4]),
        ([LOST, LOST, LOST, OTHER, OTHER, OTHER], [0, 2, 3, 5]),  # as many, and another file
        ([SAME], [0]),
        ([], []),
    ],
)
def test_every_change_is_kept_and_no_repetition(ledger: Ledger, looks: list[Seen], kept: list[int]) -> None:
    """Of each stretch in which nothing changed the first and the last look, each with its findings."""
    for number, seen in enumerate(looks):
        see(ledger, number, seen)
    findings = {(row.run_id, row.key) for row in ledger.audits() if row.key is not None}

    ledger.thin_audits(day(99))

    assert days(ledger) == kept
    runs = {row.run_id for row in ledger.audits()}
    left = {(row.run_id, row.key) for row in ledger.audits() if row.key is not None}
    assert left == {finding for finding in findings if finding[0] in runs}
    assert len(ledger.runs(100)) == 1 + len(looks)  # every run stays, with its counts
    assert ledger.thin_audits(day(99)) == 0


def test_what_is_young_is_kept(ledger: Ledger) -> None:
    """However often it repeats."""
    for number in range(9):
        see(ledger, number, SAME)

    assert ledger.thin_audits(day(4)) == 3
    assert days(ledger) == [0, 4, 5, 6, 7, 8]


def test_each_depth_and_each_owner_has_a_story_of_its_own(ledger: Ledger) -> None:
    """A shallow look that sees nothing does not end what a deep one found."""
    for number in range(10):
        see(ledger, number, SAME, level="names/names")
        see(ledger, number, LOST)
        see(ledger, number, LOST if number == 5 else SAME, owner=2)

    ledger.thin_audits(day(99))

    assert days(ledger) == [0, 0, 9, 9]
    assert days(ledger, 2) == [0, 4, 5, 6, 9]
    assert {level: late for _, owner, level, late in ledger.last_verified("nightly") if owner == 1}.keys() == {
        "names/names",
        "names/bytes",
    }


def test_samples_go_on_as_if_nothing_had_been_forgotten(ledger: Ledger) -> None:
    """What they go by is the newest look of each depth."""
    for number in range(20):
        see(ledger, number, SAME, owner=1 + number % 2, level="names/names" if number % 3 else "names/bytes")
    before = ledger.last_verified("nightly")

    assert ledger.thin_audits(day(99)) > 0
    assert ledger.last_verified("nightly") == before


def test_of_what_belongs_to_nobody_the_newest_look_is_kept(ledger: Ledger) -> None:
    """Strangers in a tree, which are no difference."""
    for number in range(5):
        stranger = NewAudit("prod", "names/bytes", "extra", f"{number}.txt", "tree", "nightly")
        ledger.add_audits(1, [stranger], day(number))

    ledger.thin_audits(day(99))

    assert [row.key for row in ledger.audits()] == ["4.txt"]
