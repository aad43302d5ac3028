"""Rules, lookup tables and what people assign, in whole runs: what lies where on the server, and what is told."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from drop_pieces import edit, held
from drop_world import DropWorld, uids
from xnatsync.app.assign import assign, proposed
from xnatsync.app.rules_rehearsed import rehearse, replay
from xnatsync.app.status import overview
from xnatsync.config.load import load
from xnatsync.core.errors import Usage
from xnatsync.core.group import Assigned

PSEUDONYMS = "patient;label\n007;A7\n8;A8\n"


@pytest.fixture
def table(world: DropWorld) -> Path:
    """A route whose subjects come from a table."""
    path = world.root / "pseudonyms.csv"
    path.write_text(PSEUDONYMS)
    lookup = {"file": str(path), "match": {"patient": "{PatientID}"}}
    rule = {"when": {"Modality": "MR"}, "table": lookup, "subject": "{table.label}", "session": "{table.label}_MR"}
    world.configure(rules=[rule])
    return path


def study(world: DropWorld, name: str, seed: int, **elements: Any) -> set[str]:
    files = world.study(name, series=(1,), seed=seed)
    for file in files:
        edit(file, **elements)
    return uids(files)


def test_rows_name_the_subjects_and_a_near_miss_waits_for_its_row(world: DropWorld, table: Path) -> None:
    """`007` goes as its row says; `7` is held, and goes by itself when the table has it."""
    study(world, "a", 1, PatientID="007")
    late = study(world, "b", 2, PatientID="08")

    report = world.sync()
    row = held(report)

    assert world.archived("A7_MR")
    assert (report.exit_code, row.code) == (3, "XS-TABLE-MISS")
    assert "line 3" in (row.detail or "")
    table.write_text(PSEUDONYMS + "08;A9\n")
    assert world.sync().exit_code == 0
    assert world.archived("A9_MR") == late


def test_a_table_that_contradicts_itself_is_refused_and_the_last_good_one_stays(world: DropWorld, table: Path) -> None:
    """Also for a process that begins anew; it is told once, and no cell of it is in the ledger or the diary."""
    assert world.sync().exit_code == 0
    table.write_text(PSEUDONYMS + "007;OTHER\n")
    study(world, "a", 1, PatientID="007")

    assert world.sync().exit_code == 0
    assert world.sync().exit_code == 0

    assert world.archived("A7_MR")
    assert world.session("OTHER_MR") is None
    with world.ledger() as ledger:
        told = [event for event in ledger.events() if event.code == "table.refused"]
    assert len(told) == 1
    (route,) = overview(load(world.config)).routes
    assert any("lines 2 and 4" in note and "last good one" in note for note in route.notes)
    assert "lines 2 and 4" in told[0].text
    assert b"OTHER" not in b"".join(path.read_bytes() for path in world.root.glob("ledger.db*") if path.is_file())
    kept = world.root / "ledger.db.tables"
    assert kept.stat().st_mode & 0o77 == 0
    assert all(file.stat().st_mode & 0o77 == 0 for file in kept.iterdir())


def test_without_a_good_table_nothing_is_guessed(world: DropWorld, table: Path) -> None:
    table.unlink()
    study(world, "a", 1, PatientID="007")

    row = held(world.sync())

    assert row.code == "XS-TABLE-UNUSABLE"
    assert not world.archived("A7_MR")
    table.write_bytes("\ufeffpatient\tlabel\r\n007\tA7\r\n".encode("utf-16-le"))
    assert world.sync().exit_code == 0
    assert world.archived("A7_MR")


def test_what_a_rule_leaves_out_is_never_sent_and_always_told(world: DropWorld) -> None:
    world.configure(rules=[{"name": "phantoms", "when": {"PatientID": "QA*"}, "ignore": True}])
    study(world, "phantom", 1, PatientID="QA1")
    sent = study(world, "exam", 2, PatientID="S2")

    report = world.sync()

    assert report.exit_code == 0
    assert world.archived("S2_MR_20260301") == sent
    assert world.in_drop() == {"phantom"}
    assert {dict(part.left_out).get("rules", 0) for part in report.items} == {0, 1}
    world.configure()
    assert world.sync().exit_code == 0
    assert world.archived("QA1_MR_20260301")


def test_the_title_of_the_sender_is_a_condition(world: DropWorld) -> None:
    """As a receiver wrote it into the meta group."""
    world.put("/data/projects/MR2")
    world.configure(rules=[{"when": {"SourceApplicationEntityTitle": {"exact": "MR2"}}, "project": "MR2"}])
    for name, seed, title in (("a", 1, "MR2"), ("b", 2, "MR22")):
        for file in world.study(name, patient=f"S{seed}", series=(1,), seed=seed):
            _sender(file, title)

    assert world.sync().exit_code == 0
    assert world.session("S1_MR_20260301", "MR2") is not None
    assert world.session("S2_MR_20260301", "P1") is not None


def _sender(path: Path, title: str) -> None:
    import pydicom

    data = pydicom.dcmread(path)
    data.file_meta.SourceApplicationEntityTitle = title
    data.save_as(path)


def test_a_rule_sends_to_the_prearchive_and_another_lets_a_second_study_be_numbered(world: DropWorld) -> None:
    """Case 7: a console was restarted, and the visit has two studies: each whole, in a session of its own."""
    world.configure(
        rules=[
            {"when": {"PatientID": "PRE*"}, "destination": "prearchive"},
            {"when": {"PatientID": "TWO*"}, "collision": "suffix"},
        ]
    )
    study(world, "a", 1, PatientID="PRE1")
    first, second = study(world, "b", 2, PatientID="TWO1"), study(world, "c", 3, PatientID="TWO1")

    report = world.sync()

    assert report.exit_code == 0
    assert world.session("PRE1_MR_20260301") is None
    places = {part.unit.session: part.receipt.place for one in report.items for part in one.units if part.receipt}
    assert (places["PRE1_MR_20260301"], places["TWO1_MR_20260301"]) == ("prearchive", "archive")
    assert {frozenset(world.archived(f"TWO1_MR_20260301{end}")) for end in ("", "_2")} == {
        frozenset(first),
        frozenset(second),
    }


# --- assigning ---------------------------------------------------------------------------------------------------


def test_what_no_rule_took_goes_where_a_person_says_and_late_parts_follow(world: DropWorld) -> None:
    """The word is kept: by the next run, and by the next part of the study."""
    world.configure(project=None, rules=[{"when": {"PatientID": "X*"}, "project": "P1"}])
    files = world.study("exam", series=(1,), uid="1.2.77")
    sent = uids(files)
    assert held(world.sync()).code == "XS-NO-RULE"

    done = assign(load(world.config), "exam", Assigned("P1", "S9", "S9_MR"))

    assert [unit.study_uid for unit in done.units] == ["1.2.77"]
    assert world.sync().exit_code == 0
    late = uids(world.study("late", series=(1,), uid="1.2.77", first=7, seed=4))
    assert world.sync().exit_code == 0
    assert world.archived("S9_MR") == sent | late
    with world.ledger() as ledger:
        assert "item.assigned" in {event.code for event in ledger.events()}


def test_the_second_study_of_a_visit_gets_a_session_of_its_own(world: DropWorld) -> None:
    """Held with both named; then each is whole, under its own label."""
    first = study(world, "a", 1, PatientID="S1")
    assert world.sync().exit_code == 0
    second = study(world, "b", 2, PatientID="S1")
    assert held(world.sync()).code == "XS-SESSION-COLLISION"

    assign(load(world.config), "b", Assigned("P1", session="S1_MR_b"))

    assert world.sync().exit_code == 0
    assert (world.archived("S1_MR_20260301"), world.archived("S1_MR_b")) == (first, second)


def test_what_does_not_wait_cannot_be_assigned(world: DropWorld) -> None:
    study(world, "a", 1, PatientID="S1")
    assert world.sync().exit_code == 0
    config = load(world.config)

    for to in (Assigned("P1"), Assigned("no project"), Assigned("P1", "a b"), Assigned("P1", session="")):
        with pytest.raises(Usage):
            proposed(config, "a", to)


# --- what rules would do -----------------------------------------------------------------------------------------


def test_a_rehearsal_tells_which_rule_takes_a_study_and_sends_nothing(world: DropWorld) -> None:
    """Case 8: the rule, how many behind it were not asked, and why those before it did not take it."""
    world.configure(
        rules=[
            {"name": "a", "when": {"PatientID": "A*"}, "project": "P1"},
            {"name": "b", "path": "exam*", "session": "S_{PatientID}"},
            {"name": "c", "when": {"PatientID": "*"}, "ignore": True},
        ]
    )
    study(world, "exam", 1, PatientID="B7")
    study(world, "other", 2, PatientID="B8")
    before = len(world.server.log)

    taken, left = rehearse(load(world.config), [world.folder / "exam", world.folder / "other"])

    assert len(world.server.log) == before
    assert not (world.root / "ledger.db").exists()
    (one,), (two,) = taken.outcomes, left.outcomes
    assert (one.then, one.rule, one.not_asked) == ("send", "rule 2 (b)", 1)
    assert one.place is not None
    assert (one.place.session, [rule.why for rule in one.passed]) == ("S_B7", [("PatientID is not like A*",)])
    assert (two.then, two.rule, two.not_asked, two.place) == ("ignore", "rule 3 (c)", 0, None)
    assert world.sync().exit_code == 0
    assert world.archived("S_B7")


def test_a_replay_shows_what_would_go_elsewhere(world: DropWorld) -> None:
    """From where it was filed; what is gone is said to be gone."""
    study(world, "a", 1, PatientID="A1")
    study(world, "b", 2, PatientID="B1")
    assert world.sync().exit_code == 0
    assert not any(one.differs for part in replay(load(world.config), 3600.0) for one in part.outcomes)
    world.configure(rules=[{"when": {"PatientID": "B*"}, "subject": "X"}])
    shutil.rmtree(next(world.folder.glob("done/*/a")))

    gone, moved = replay(load(world.config), 3600.0)

    assert gone.error is not None
    (one,) = moved.outcomes
    assert one.differs
    assert one.before is not None
    assert one.place is not None
    assert (one.before.subject, one.place.subject) == ("B1", "X")
    assert replay(load(world.config), 0.0) == []
