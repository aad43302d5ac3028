"""A verification as a whole: samples, scopes, several routes, interruptions, what the ledger keeps of it."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drop_world import DropWorld
from mirror_world import MirrorWorld
from ports_between import Shifted, app_between, raising
from verify_world import look, lose, only, untouched
from xnatsync.app import named_files as handwritten
from xnatsync.app.app import App
from xnatsync.app.verify import Asked, verify
from xnatsync.config.load import load
from xnatsync.core.errors import RouteUnknown
from xnatsync.core.manifest import Level
from xnatsync.core.sampling import Sample, Scope
from xnatsync.core.verification import Verdict
from xnatsync.engine.progress import Progress
from xnatsync.ledger.tree_rows import AuditRow


@pytest.fixture
def many(empty: DropWorld) -> DropWorld:
    """Five sessions, delivered by one route."""
    for number in range(5):
        empty.study(f"exam{number}", patient=f"S{number}", seed=number, series=(1,))
    assert empty.sync().exit_code == 0
    return empty


def audits(world: DropWorld) -> list[AuditRow]:
    """Everything the ledger keeps of verifications."""
    with world.ledger() as ledger:
        return ledger.audits(limit=10_000)


def looked_at(world: DropWorld, **asked: object) -> set[str]:
    """The subjects of one verification."""
    return {part.target.subject for part in look(world, **asked).summaries}


@pytest.mark.parametrize(("sample", "runs"), [("1", 5), ("2", 3), ("40%", 3), ("5", 1), ("100%", 1)])
def test_runs_that_follow_each_other_cover_everything(many: DropWorld, sample: str, runs: int) -> None:
    """In the fewest runs there can be: each takes what was verified longest ago."""
    seen: list[set[str]] = [looked_at(many, sample=Sample.parse(sample)) for _ in range(runs)]

    assert set().union(*seen) == {f"S{number}" for number in range(5)}
    assert all(not set().union(*seen[:late]) >= seen[late] for late in range(1, runs))


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 5, 7])
def test_so_many_runs_as_there_are_parts_take_each_once(many: DropWorld, parts: int) -> None:
    """Exactly once, in two rounds that follow each other; where there are more parts than targets, some are empty."""
    for _ in range(2):
        seen = [looked_at(many, sample=Sample.parse(f"1/{parts}")) for _ in range(parts)]

        assert sorted(subject for part in seen for subject in part) == [f"S{number}" for number in range(5)]
        assert max(map(len, seen)) == -(-5 // parts)
        assert max(map(len, seen)) - min(map(len, seen)) <= 1


def test_what_a_run_could_not_look_at_comes_in_the_next(many: DropWorld) -> None:
    """An interrupted run, a server that is down, a full verification in between: still each exactly once."""
    part = Sample.parse("1/3")
    stop = threading.Event()
    many.after("GET", "/data/experiments/.*/files", stop.set)
    cut = look(many, app=App(load(many.config), stop), workers=1, sample=part)
    assert (cut.interrupted, len(cut.summaries)) == (True, 1)
    text = many.config.read_text()
    many.config.write_text(text.replace(many.server.url, "http://127.0.0.1:9"))
    assert look(many, sample=part).exit_code == 5
    many.config.write_text(text)
    first = {one.target.subject for one in cut.summaries}

    seen = [first, *(looked_at(many, sample=part) for _ in range(3))]

    assert sorted(subject for part in seen for subject in part) == [f"S{number}" for number in range(5)]
    assert len(looked_at(many, sample=part)) == 2  # the next round


def test_a_session_that_comes_meanwhile_is_taken_too(many: DropWorld) -> None:
    """In the round that is under way, once."""
    part = Sample.parse("1/3")
    seen = [looked_at(many, sample=part)]
    many.study("late", patient="S9", seed=9, series=(1,))
    assert many.sync().exit_code == 0
    seen += [looked_at(many, sample=part) for _ in range(2)]

    assert sorted(subject for part in seen for subject in part) == ["S0", "S1", "S2", "S3", "S4", "S9"]


def test_rounds_of_another_kind_do_not_disturb_each_other(many: DropWorld) -> None:
    """Each depth, scope and number of parts has its own; a deep look spares a shallow one, never the reverse."""
    deep, shallow = [], []
    for _ in range(3):
        shallow.append(looked_at(many, sample=Sample.parse("1/3"), level=Level.COUNTS))
        deep.append(looked_at(many, sample=Sample.parse("1/3"), level=Level.NAMES))

    assert sorted(subject for part in deep for subject in part) == [f"S{number}" for number in range(5)]
    assert set().union(*shallow, *deep) == {f"S{number}" for number in range(5)}


def test_rounds_cover_the_owners_of_a_mirror(pulled: MirrorWorld) -> None:
    """Project, subject and session, each with its own files: every file is read once in a round."""
    reports = [look(pulled, sample=Sample.parse("1/2")) for _ in range(2)]

    kinds = [(one.target.subject, one.target.session) for report in reports for one in report.summaries]
    assert sorted(kinds) == [("", ""), ("S1", ""), ("S1", "S1_MR")]
    assert sum(report.local.expected for report in reports) == len(pulled.shown())


def test_a_shallow_look_does_not_count_for_a_deeper_sample(many: DropWorld) -> None:
    """What was counted yesterday is still to be verified by names today."""
    first = looked_at(many, sample=Sample(3), level=Level.NAMES)
    looked_at(many, level=Level.COUNTS)

    assert not first & looked_at(many, sample=Sample(2), level=Level.NAMES)


def test_a_sample_takes_in_turn_whatever_the_clock_says(many: DropWorld) -> None:
    """The order of the ledger counts, not the time."""
    seen: set[str] = set()
    for back in range(5):
        seen |= looked_at(many, app=app_between(many.config, clock=Shifted(timedelta(days=-back))), sample=Sample(1))

    assert len(seen) == 5


def test_one_that_cannot_be_looked_at_does_not_keep_the_others_waiting(many: DropWorld) -> None:
    """It counts as looked at, and its turn comes again."""
    many.fault("GET", "XNAT_E00001.*/files", "status", status=500, times=99)

    seen = set().union(*(looked_at(many, sample=Sample(1)) for _ in range(5)))

    assert len(seen) == 5


def test_a_sample_says_how_much_of_what_it_looked_at(many: DropWorld) -> None:
    """And looks aside at nothing."""
    report = look(many, sample=Sample(2))

    assert (report.chosen, report.known, len(report.summaries)) == (2, 5, 2)


@pytest.mark.parametrize(
    ("scope", "subjects"),
    [
        (Scope.parse(sessions=["S1_*"]), {"S1"}),
        (Scope.parse(subjects=["!S1"]), {"S0", "S2", "S3", "S4"}),
        (Scope.parse(projects=["P2"]), set()),
        (Scope.parse(projects=["P*"], subjects=["S[34]"]), {"S3", "S4"}),
    ],
)
def test_a_part_can_be_asked_for(many: DropWorld, scope: Scope, subjects: set[str]) -> None:
    """In the words of every selection."""
    assert looked_at(many, scope=scope) == subjects


def test_an_accession_id_is_a_session_too(many: DropWorld) -> None:
    """As elsewhere."""
    session = many.session("S2_MR_20260301")
    assert session is not None

    assert looked_at(many, scope=Scope.parse(sessions=[session.id])) == {"S2"}


def test_the_ledger_keeps_each_finding_and_one_row_for_each_target(many: DropWorld) -> None:
    """What is the same is counted, not listed."""
    lose(many, many.stored("S1_MR_20260301")[0], "S1_MR_20260301")

    look(many)

    rows = audits(many)
    assert (
        sorted((row.verdict, row.key is None) for row in rows)
        == [("missing", False), ("missing", True)] + [("same", True)] * 4
    )
    whole = next(row for row in rows if row.key is None and row.verdict == "missing")
    assert whole.detail == "1 same, 1 missing"
    assert all(row.route == "r" and row.unit_id is not None for row in rows)


def test_the_run_is_noted(many: DropWorld) -> None:
    """With its outcome and its counts."""
    look(many)

    with many.ledger() as ledger:
        (run,) = ledger.runs(1)
    assert (run.outcome, '"same": 10' in run.counts) == ("ok", True)


def test_an_interruption_is_told_and_what_was_seen_is_kept(many: DropWorld) -> None:
    """Exit code 5: not everything was looked at.  It comes with the third listing, whichever session that is of."""
    stop = threading.Event()
    listings = itertools.count(1)

    def third() -> None:
        if next(listings) == 3:
            stop.set()

    many.after("GET", "XNAT_E.*/files", third, times=100)

    report = look(many, app=App(load(many.config), stop), workers=1)

    assert (report.interrupted, report.exit_code) == (True, 5)
    assert 0 < len(report.summaries) < 5
    assert len(audits(many)) == len(report.summaries)


def test_a_mistake_of_ours_does_not_pass_for_a_look(many: DropWorld) -> None:
    """Whatever goes wrong in a worker comes out."""
    with pytest.raises(ZeroDivisionError):
        look(many, app=app_between(many.config, disk={"look": raising(ZeroDivisionError())}))


def test_an_unknown_route_is_refused(many: DropWorld) -> None:
    """By its name."""
    with pytest.raises(RouteUnknown, match="nowhere"):
        look(many, ("nowhere",))


def test_nothing_delivered_is_nothing_to_verify(empty: DropWorld) -> None:
    """No ledger is made for it."""
    report = look(empty)

    assert (report.exit_code, report.chosen, report.run_id) == (0, 0, None)
    assert not list(empty.root.glob("ledger.db*"))


def test_very_many_findings_are_counted_and_not_kept(many: DropWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has all of them."""
    monkeypatch.setattr("xnatsync.core.verification.FINDINGS_MAX", 3)
    for path in many.folder.rglob("*.dcm"):
        path.write_bytes(b"changed")
    (many.folder / "done" / "2026-01-01" / "other").mkdir(parents=True)

    report = look(many)

    assert (len(report.findings), report.more, report.counts[Verdict.DIFFERS]) == (3, 2, 5)
    assert len([row for row in audits(many) if row.key is not None]) == 5


def test_two_routes_are_verified_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drop and a mirror of one project, each at its own level; one that halts does not keep the other."""
    world = MirrorWorld(tmp_path, monkeypatch)
    try:
        text = world.config.read_text()
        drop = f'[routes.d]\nkind = "drop"\nfolder = "{world.folder}"\nserver = "s"\nproject = "P1"\nsettle = "0s"\n'
        world.config.write_text(text + drop)
        world.study()
        assert world.mirrors().exit_code == 0
        assert world.mirrors().exit_code == 0

        report = look(world)

        assert untouched(report), report.findings
        assert {str(part.depth) for part in report.summaries} == {"names/bytes"}
        assert {part.target.route for part in report.summaries} == {"d", "m"}
        world.tree.rename(tmp_path / "away")
        halted = look(world)
        assert (halted.exit_code, {part.target.route for part in halted.summaries}) == (7, {"d"})
        assert look(world, ("d",)).exit_code == 0
    finally:
        world.close()


def test_a_report_is_written_whole_and_over_nothing(tmp_path: Path) -> None:
    """Unless it is asked for."""
    place = tmp_path / "report.html"
    handwritten.write_whole(place, "one", force=False)

    with pytest.raises(Exception, match="already there"):
        handwritten.refuse_taken([place], force=False)
    handwritten.refuse_taken([place], force=True)
    handwritten.write_whole(place, "two", force=True)

    assert place.read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_more_workers_find_the_same(many: DropWorld) -> None:
    """However many are at work at once."""
    lose(many, many.stored("S1_MR_20260301")[0], "S1_MR_20260301")

    reports = [verify(App(load(many.config)), (), Asked(workers=workers), progress=Progress()) for workers in (1, 2, 8)]

    assert len({str(only(report)) for report in reports}) == 1
    assert {report.server.same for report in reports} == {4}


def test_a_push_that_shares_a_tree_with_a_mirror_finds_no_strangers(pulled: MirrorWorld) -> None:
    """What one of them put there is no stranger for the other; what nobody did is one for each."""
    text = pulled.config.read_text()
    push = f'[routes.p]\nkind = "push"\nfolder = "{pulled.tree}"\nserver = "s"\nproject = "P1"\nresources = ["QC"]\n'
    pulled.config.write_text(text + push)

    assert untouched(look(pulled))
    (pulled.tree / "P1" / "mine.txt").write_text("mine")

    report = look(pulled)
    assert [(target.route, finding.key) for target, finding in report.findings] == [
        ("m", "P1/mine.txt"),
        ("p", "P1/mine.txt"),
    ]
    assert report.exit_code == 0


def test_a_mirror_of_a_narrower_selection_keeps_what_it_has(pulled: MirrorWorld) -> None:
    """What the route no longer wants is still what was agreed, and is still verified; nothing new is told of it."""
    pulled.configure(scans=["1"])
    pulled.upload(f"experiments/{pulled.number}/scans/2/resources/NIFTI/files/new.nii", b"new")

    report = look(pulled)

    assert untouched(report), report.findings
    assert report.server.same == 6


def test_the_ledger_does_not_grow_with_each_night(pulled: MirrorWorld) -> None:
    """The same verification over the same files, night after night: one row for each run, and no other is added."""
    (pulled.tree / "P1/S1/S1_MR/scans/1/resources/NIFTI/files/1.nii").unlink()
    rows, runs = [], []
    for night in range(45):
        look(pulled, app=app_between(pulled.config, clock=Shifted(timedelta(days=3 * night))), level=Level.NAMES)
        with pulled.opened_ledger() as ledger:
            rows.append(len(ledger.audits(limit=10_000)))
            runs.append(len(ledger.runs(1000)))

    assert (rows[1], rows[5]) == (2 * rows[0], 6 * rows[0])  # what is young is kept whole
    assert set(rows[15:]) == {rows[15]}
    assert rows[15] <= 14 * rows[0]
    assert runs[-1] - runs[0] == 44
    with pulled.opened_ledger() as ledger:
        missing = [row for row in ledger.audits(limit=10_000) if row.verdict == "missing" and row.key is not None]
    assert missing[0].at[:10] == datetime.now(UTC).date().isoformat()  # since when it is missing
    assert len(missing) * rows[0] == rows[-1]
