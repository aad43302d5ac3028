"""What an analyst puts into the tree goes up byte for byte, and nothing of others is overwritten."""

from __future__ import annotations

import hashlib
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest

from mirror_world import Hurried, HurriedApp, MirrorWorld
from xnatsync.app.app import App
from xnatsync.app.clock import SystemClock
from xnatsync.core.errors import Exit
from xnatsync.core.inventory import Inventory, ResourceKey
from xnatsync.ledger.open import open_ledger
from xnatsync.sandbox.http.faults import Fault

REPORT = "P1/S1/S1_MR/resources/QC/files/report.txt"
GONE = "P1/S1/S1_MR/resources/QC/files/gone.txt"
SCAN_REPORT = "P1/S1/S1_MR/scans/1/resources/QC/files/deep/scan.json"


@pytest.fixture
def pushing(world: MirrorWorld) -> MirrorWorld:
    """A session, and a push of its resources QC from the tree."""
    world.number = world.session_with()
    configure(world)
    return world


def configure(world: MirrorWorld, **route: object) -> None:
    """Writes a configuration with a push alone."""
    world.configure()
    text = world.config.read_text().replace('kind = "mirror"', 'kind = "push"')
    keys = {"resources": '["QC"]', "settle": '"0s"', "quiet": '"1s"', **route}
    world.config.write_text(text + "".join(f"{key} = {value}\n" for key, value in keys.items()))


def write(world: MirrorWorld, path: str, content: bytes) -> None:
    """Puts a file into the tree."""
    place = world.tree / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def stored(world: MirrorWorld) -> dict[str, bytes]:
    """What the server gives back of everything in the session."""
    import httpx

    rows = world.get(f"/data/experiments/{world.number}/files?all=true&format=json").json()["ResultSet"]["Result"]
    found = {}
    for row in rows:
        holder, _, name = row["URI"].partition("/files/")
        scan = holder.partition("/scans/")[2].partition("/")[0]
        place = f"scans/{scan}/resources" if scan else "resources"
        answer = httpx.get(f"{world.server.url}{row['URI']}", auth=("agent", "secret"))
        assert answer.status_code == 200
        found[f"{place}/{row['collection']}/files/{name}"] = answer.content
    return found


def codes(report: Any) -> set[str]:
    """The codes of a report's troubles."""
    return {trouble.code for trouble in report.troubles}


def test_a_file_of_another_project_stays_where_it_is(pushing: MirrorWorld) -> None:
    """One tree may hold several projects, with subjects and sessions of the same labels: each sends its own."""
    write(pushing, REPORT.replace("P1/", "P2/", 1), b"of another project")

    report = pushing.mirror()

    assert (report.exit_code, stored(pushing), report.counts) == (Exit.OK, {}, {})


def questions(world: MirrorWorld, since: int) -> list[str]:
    """What was asked since a point of the log, without logins and without what `stored` fetches."""
    paths = [str(entry["path"]) for entry in world.server.log[since:]]
    return [path for path in paths if "JSESSION" not in path and "/files/" not in path]


def test_results_go_up_and_a_later_run_asks_for_one_inventory(pushing: MirrorWorld) -> None:
    """New resources of a session and of a scan.

    Nobody but the server can tell that a file was deleted there, so each run asks for the inventory, which is one
    request for a whole project; the run after a store also lists what it had stored.
    """
    write(pushing, REPORT, b"good")
    write(pushing, SCAN_REPORT, b"{}")
    write(pushing, "P1/S1/S1_MR/resources/OTHER/files/x.txt", b"not selected")

    report = pushing.mirror()

    assert (report.exit_code, report.counts["sent"], report.counts["proven"]) == (0, 2, 2)
    assert stored(pushing) == {
        "resources/QC/files/report.txt": b"good",
        "scans/1/resources/QC/files/deep/scan.json": b"{}",
    }
    assert pushing.mirror().exit_code == 0
    mark = len(pushing.server.log)
    assert pushing.mirror().exit_code == 0
    asked = questions(pushing, mark)
    assert len(asked) <= 8, asked
    assert not [path for path in asked if "/files" in path or "/resources" in path], asked
    wrote = [entry for entry in pushing.server.log[mark:] if entry["method"] not in {"GET", "HEAD"}]
    assert not [entry for entry in wrote if "JSESSION" not in str(entry["path"])]


def test_what_we_put_there_is_replaced_when_it_changes_here(pushing: MirrorWorld) -> None:
    """Ours alone: the server still holds exactly what we sent."""
    write(pushing, REPORT, b"good")
    assert pushing.mirror().exit_code == 0
    write(pushing, REPORT, b"better")

    assert pushing.mirror().exit_code == 0
    assert stored(pushing)["resources/QC/files/report.txt"] == b"better"


def test_what_others_put_there_is_never_overwritten(pushing: MirrorWorld) -> None:
    """Neither at first, nor what they made of ours."""
    pushing.upload(f"experiments/{pushing.number}/resources/QC/files/report.txt", b"theirs")
    write(pushing, REPORT, b"mine")

    report = pushing.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-FOREIGN-CONTENT"})
    assert stored(pushing)["resources/QC/files/report.txt"] == b"theirs"
    assert pushing.mirror().exit_code == 3
    (pushing.tree / REPORT).unlink()
    assert pushing.mirror().exit_code == 0


def test_ours_that_somebody_changed_is_never_overwritten(pushing: MirrorWorld) -> None:
    """The digest is no longer that of the base."""
    write(pushing, REPORT, b"good")
    assert pushing.mirror().exit_code == 0
    pushing.upload(f"experiments/{pushing.number}/resources/QC/files/report.txt", b"corrected", overwrite=True)
    write(pushing, REPORT, b"better")

    report = pushing.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-FOREIGN-CONTENT"})
    assert stored(pushing)["resources/QC/files/report.txt"] == b"corrected"


def test_what_somebody_deleted_there_is_not_put_back(pushing: MirrorWorld) -> None:
    """A person decides."""
    write(pushing, REPORT, b"good")
    assert pushing.mirror().exit_code == 0
    pushing.delete(f"experiments/{pushing.number}/resources/QC/files/report.txt")
    write(pushing, REPORT, b"better")

    report = pushing.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-PUSH-GONE"})
    assert stored(pushing) == {}


DELETED = {
    "the file": "resources/QC/files/report.txt",
    "its resource": "resources/QC",
}


@pytest.mark.parametrize("what", DELETED)
@pytest.mark.parametrize("rested", [False, True])
def test_what_somebody_deleted_there_is_told_in_the_next_run(what: str, rested: bool, pushing: MirrorWorld) -> None:
    """Nothing was touched here: the next run tells it nevertheless, and each one after it, and sends nothing."""
    write(pushing, REPORT, b"good")
    write(pushing, SCAN_REPORT, b"{}")
    assert pushing.mirror().exit_code == 0
    if rested:
        assert pushing.mirror().exit_code == 0
    pushing.delete(f"experiments/{pushing.number}/{DELETED[what]}")

    for _ in range(2):
        report = pushing.mirror()

        assert (report.exit_code, codes(report)) == (3, {"XS-PUSH-GONE"})
        assert [trouble.path for trouble in report.troubles] == [REPORT]
        assert "resources/QC/files/report.txt" not in stored(pushing)


def test_a_deletion_that_another_file_makes_up_for_is_told(pushing: MirrorWorld) -> None:
    """The server counts as many files and bytes as before: another resource has them, or another one of that label."""
    write(pushing, REPORT, b"good")
    assert pushing.mirror().exit_code == 0
    assert pushing.mirror().exit_code == 0
    pushing.delete(f"experiments/{pushing.number}/resources/QC")
    pushing.upload(f"experiments/{pushing.number}/resources/QC/files/other.txt", b"evil")

    report = pushing.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-PUSH-GONE"})


def test_what_somebody_replaced_there_is_told_in_the_next_run(pushing: MirrorWorld) -> None:
    """It is no longer what was sent: a person is told, and nothing is overwritten."""
    write(pushing, REPORT, b"good")
    assert pushing.mirror().exit_code == 0
    pushing.upload(f"experiments/{pushing.number}/resources/QC/files/report.txt", b"corrected", overwrite=True)

    report = pushing.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-FOREIGN-CONTENT"})
    assert stored(pushing)["resources/QC/files/report.txt"] == b"corrected"


def test_a_session_that_is_gone_is_told(pushing: MirrorWorld) -> None:
    """All of what was put there went with it; when it is there again, its files are looked for one by one."""
    write(pushing, REPORT, b"good")
    assert pushing.mirror().exit_code == 0
    pushing.delete(f"experiments/{pushing.number}?removeFiles=true")

    report = pushing.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-PUSH-GONE"})
    assert "no longer has this session: 1 file" in report.troubles[0].detail


def test_when_it_is_back_nothing_is_held(pushing: MirrorWorld) -> None:
    """Somebody put the same file there again, or it was moved away here: either way it is over."""
    write(pushing, REPORT, b"good")
    write(pushing, SCAN_REPORT, b"{}")
    assert pushing.mirror().exit_code == 0
    where = f"experiments/{pushing.number}/resources/QC/files/report.txt"
    pushing.delete(where)
    assert pushing.mirror().exit_code == 3

    pushing.upload(where, b"good")

    assert (pushing.mirror().exit_code, pushing.mirror().troubles) == (0, ())
    pushing.delete(where)
    assert pushing.mirror().exit_code == 3
    (pushing.tree / REPORT).unlink()
    assert (pushing.mirror().exit_code, pushing.mirror().troubles) == (0, ())


def test_an_inventory_that_is_not_whole_proves_nothing(pushing: MirrorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hides a session for a moment has not deleted it."""
    from xnatsync.routes.tree.push_survey import push_survey  # the real one, on what a real listing gave

    write(pushing, REPORT, b"good")
    assert pushing.mirror().exit_code == 0
    cut = Inventory("P1", {}, complete=False)

    found = surveyed(pushing, cut, push_survey)

    assert (found.lost, found.owners) == ([], {})
    assert surveyed(pushing, Inventory("P1", {}), push_survey).lost


def surveyed(world: MirrorWorld, inventory: Inventory, survey: Any) -> Any:
    """What a survey finds when the server gives that inventory."""
    from xnatsync.app.app import App
    from xnatsync.app.trees import tree_world
    from xnatsync.config.load import load
    from xnatsync.engine.progress import Progress
    from xnatsync.ledger.open import copy_apart

    class Server:
        def inventory(self, project: str, kinds: Any) -> Inventory:
            return inventory

    app = App(load(world.config))
    ledger = copy_apart(app.config.ledger.path)
    try:
        found = tree_world(app, ledger, 1, (), Progress())
        found.archive = lambda name: Server()  # type: ignore[assignment,return-value]
        (route,) = found.routes.values()
        return survey(found, route, dry=True)
    finally:
        ledger.close()


# --- settling ----------------------------------------------------------------------------------------------------


def test_settling_can_be_skipped_and_what_waits_is_named(pushing: MirrorWorld) -> None:
    """`--settle 0s` is for pushes too; without it, and without patience, the file that waits is named."""
    configure(pushing, settle='"10m"')
    write(pushing, REPORT, b"good")

    waiting = pushing.mirror(patience_s=0.0)

    ((row, why),) = waiting.waiting
    assert (row.session, waiting.unfinished) == ("S1_MR", 1)
    assert why.startswith(f"{REPORT} settles after 20")
    assert stored(pushing) == {}
    assert pushing.mirror(settle_s=0.0).counts["proven"] == 1


def test_a_session_that_the_server_does_not_have(pushing: MirrorWorld) -> None:
    """Nothing is made up: the file is named, with the reason."""
    write(pushing, "P1/S1/NOPE_MR/resources/QC/files/report.txt", b"good")

    report = pushing.mirror()

    assert report.exit_code == Exit.HELD
    assert report.unplaced == (
        ("P1/S1/NOPE_MR/resources/QC/files/report.txt", "the server has no such session in this project"),
    )


@pytest.mark.parametrize("kind", ["cut_request", "lost_reply", "status"])
def test_a_store_that_fails_ends_in_the_same_state(pushing: MirrorWorld, kind: str) -> None:
    """Cut, answered by nobody, or refused for now: once, and whole."""
    write(pushing, REPORT, b"good" * 1000)
    more = {"status": 503} if kind == "status" else {}
    fault = pushing.fault("PUT", "/resources/QC/files", kind, times=1, **more)

    report = pushing.mirror()
    if report.exit_code != 0:
        report = pushing.mirror()

    assert fault.hits == 1
    assert report.exit_code == 0, report
    assert stored(pushing) == {"resources/QC/files/report.txt": b"good" * 1000}


@pytest.mark.parametrize(("status", "beside"), [(502, True), (503, False)])
def test_a_store_that_is_never_taken_is_repeated_with_growing_waits(
    pushing: MirrorWorld, status: int, beside: bool
) -> None:
    """A listing that comes well in between ends none of them: a few stores in ten minutes, and none in the next run.

    Nor does a file beside it that waits for a person: each look finds it, and its hold begins no waits anew.
    """
    configure(pushing, quiet='"60s"')  # longer than the first waits: meanwhile there is nothing to do but to look
    if beside:
        write(pushing, GONE, b"deleted there")
        assert pushing.mirror().exit_code == 0
        pushing.delete(f"experiments/{pushing.number}/resources/QC/files/gone.txt")
    write(pushing, REPORT, b"good")
    fault = pushing.fault("PUT", "/resources/QC/files", "status", status=status, times=1000)
    pushing.make_app = HurriedApp

    assert pushing.mirror(patience_s=600.0).exit_code != Exit.OK

    assert 3 <= fault.hits <= 6
    hits = fault.hits
    for _ in range(3):
        pushing.mirror(patience_s=0.0)
    assert fault.hits == hits
    fault.times = 0
    pushing.mirror(patience_s=4000.0)
    assert stored(pushing) == {"resources/QC/files/report.txt": b"good"}


class Ahead(SystemClock):
    """A clock that is so many days ahead."""

    days = 0

    def now(self) -> datetime:
        return super().now() + timedelta(days=self.days)


class AheadApp(App):
    """The application with that clock."""

    def make_clock(self) -> SystemClock:
        return Ahead(self.stop)


@pytest.mark.parametrize("days", [(400,), (400, 2)])
@pytest.mark.parametrize("kind", ["", "lost_reply", "cut_request"])
def test_a_store_by_a_clock_ahead_is_over_when_the_clock_is_right(
    pushing: MirrorWorld, monkeypatch: pytest.MonkeyPatch, kind: str, days: tuple[int, ...]
) -> None:
    """What was announced, and how it ended, is days away: the next runs go on, and do not wait for that day.

    Nor where the clock was set right in two steps.
    """
    write(pushing, REPORT, b"good")
    if kind:
        pushing.fault("PUT", "/resources/QC/files", kind, times=1)
    pushing.make_app = AheadApp
    for ahead in days:
        monkeypatch.setattr(Ahead, "days", ahead)
        pushing.mirror(patience_s=0.0)
    pushing.make_app = App

    assert pushing.mirror().exit_code == 0
    assert pushing.mirror().exit_code == 0
    assert stored(pushing) == {"resources/QC/files/report.txt": b"good"}
    mark = len(pushing.server.log)
    assert pushing.mirror().exit_code == 0
    assert not [path for path in questions(pushing, mark) if "/resources" in path]


def test_what_is_sent_from_another_folder_since_is_nobodys_in_the_old_one(pushing: MirrorWorld) -> None:
    """A session was called otherwise: the older result is told once, and costs no question in every run."""
    write(pushing, REPORT, b"good")
    assert pushing.mirror().exit_code == 0
    pushing.put(f"/data/projects/P1/subjects/S1/experiments/{pushing.number}?label=S1_NEW")
    write(pushing, REPORT.replace("S1_MR", "S1_NEW"), b"better")

    pushing.mirror()
    assert stored(pushing) == {"resources/QC/files/report.txt": b"better"}
    report = pushing.mirror()
    mark = len(pushing.server.log)
    pushing.mirror()

    assert [path for path, _ in report.unplaced] == [REPORT]
    assert not [path for path in questions(pushing, mark) if "/resources" in path]
    assert (pushing.tree / REPORT).read_bytes() == b"good"


def test_a_refused_store_makes_nothing_ours_though_the_contents_are_equal(pushing: MirrorWorld) -> None:
    """Tree seed 6202 (S3): somebody stored the same bytes first, unseen; what is edited here later overwrote theirs."""
    write(pushing, REPORT, b"the same")
    place = f"experiments/{pushing.number}/resources/QC/files/report.txt"

    def first(_request: object, _response: object) -> None:
        pushing.upload(place, b"the same")

    listing = rf"experiments/{pushing.number}/files\?"
    pushing.server.faults.add(Fault("GET", listing, "call", after_call=first))
    assert codes(pushing.mirror()) == {"XS-FOREIGN-CONTENT"}
    assert stored(pushing) == {"resources/QC/files/report.txt": b"the same"}
    assert pushing.mirror().exit_code == 0
    write(pushing, REPORT, b"edited here")

    report = pushing.mirror()

    assert stored(pushing) == {"resources/QC/files/report.txt": b"the same"}
    assert (report.exit_code, codes(report)) == (3, {"XS-TREE-EDITED"})


def test_two_folders_of_one_resource_come_to_rest(pushing: MirrorWorld) -> None:
    """Tree seed 6341 (L2): the type of a scan is in its folder's name, and each run let go of one of the two copies."""
    layout = 'layout = { scan = "{project}/by id/{session_id}/{scan}/{scan_type}/{resource}/{path}" }\n'
    pushing.config.write_text(pushing.config.read_text() + layout)
    for kind in ("T1", "T2"):
        write(pushing, f"P1/by id/{pushing.number}/1/{kind}/QC/scan.json", b"{}")
    for _ in range(3):
        pushing.mirror()
    before = len(pushing.server.log)

    report = pushing.mirror()

    assert (report.exit_code, stored(pushing)) == (0, {"scans/1/resources/QC/files/scan.json": b"{}"})
    assert report.counts.get("proven", 0) == 0
    assert not [path for path in questions(pushing, before) if "/resources" in path]


def test_a_store_that_a_kill_cut_is_left_alone_for_a_quiet_time(pushing: MirrorWorld) -> None:
    """The process died long after it had announced the store: the server may be reading still, and nobody writes."""
    configure(pushing, quiet='"30s"')
    write(pushing, SCAN_REPORT, b"{}")
    assert pushing.mirror().exit_code == 0
    write(pushing, REPORT, b"good")
    with closing(open_ledger(pushing.root / "ledger.db")) as ledger:
        (owner,) = [row for row in ledger.owners() if row.kind == "session"]
        ledger.begin_deed(
            owner.id, ResourceKey("", "QC"), "report.txt", run_id=1, sha256=hashlib.sha256(b"good").digest(),
            request_id="xs-" + "0" * 32, now="2026-01-01T00:00:00.000Z", quiet_at="2026-01-01T00:00:30.000Z",
        )  # fmt: skip
    mark = len(pushing.server.log)

    report = pushing.mirror(patience_s=0.0)

    assert report.exit_code == 5, report
    assert not [entry for entry in pushing.server.log[mark:] if "/resources/QC/files/report" in str(entry["path"])]


def test_an_account_that_may_only_read_is_told(pushing: MirrorWorld) -> None:
    """XNAT answers 200 and stores nothing (hierarchy.md §6.1): it is never called done."""
    pushing.site.accounts.add("reader", "secret")
    pushing.put("/data/projects/P1/users/Collaborators/reader")
    text = pushing.config.read_text().replace('user = "agent"', 'user = "reader"')
    pushing.config.write_text(text)
    write(pushing, REPORT, b"good")

    report = pushing.mirror(patience_s=0.5)

    assert report.exit_code != 0
    assert stored(pushing) == {}


def test_an_empty_file_goes_up_too(pushing: MirrorWorld) -> None:
    """XNAT refuses an empty body, and takes an empty part."""
    write(pushing, REPORT, b"")

    assert pushing.mirror().exit_code == 0
    assert stored(pushing) == {"resources/QC/files/report.txt": b""}


def test_many_small_files_are_few_requests(pushing: MirrorWorld) -> None:
    """Of one resource in one: every file is proven by itself, and archives among them travel as they are."""
    files = {f"sub/{number:03}.txt": b"%d" % number * 50 for number in range(30)} | {
        "a.zip": b"PK no zip", "t1.nii.gz": b"no gzip",
    }  # fmt: skip
    for name, content in files.items():
        write(pushing, REPORT.replace("report.txt", name), content)
    write(pushing, SCAN_REPORT, b"{}")

    report = pushing.mirror()

    sent = {f"resources/QC/files/{name}": content for name, content in files.items()}
    assert (report.exit_code, report.counts["sent"], report.counts["proven"]) == (0, 33, 33), report
    assert stored(pushing) == sent | {"scans/1/resources/QC/files/deep/scan.json": b"{}"}
    stores = [line for line in pushing.requests() if line.startswith("PUT") and "/resources/QC/" in line]
    assert len(stores) == 4
    assert pushing.mirror().counts == {}


def test_a_cut_zip_is_made_whole_by_the_next_run(pushing: MirrorWorld) -> None:
    """What lies there in no catalogue is replaced, because it is known to be ours."""
    files = {f"{number:02}.txt": b"%d" % number * 9000 for number in range(20)}
    for name, content in files.items():
        write(pushing, REPORT.replace("report.txt", name), content)
    pushing.server.faults.add(Fault("PUT", "extract=true", kind="cut_request", bytes=60_000))

    first = pushing.mirror(patience_s=0.0)

    assert first.exit_code == Exit.TEMPORARY
    report = pushing.mirror()
    assert report.exit_code == 0, report
    assert stored(pushing) == {f"resources/QC/files/{name}": content for name, content in files.items()}


def test_one_file_that_the_server_cannot_take_stops_no_other(pushing: MirrorWorld) -> None:
    """In company it fails twice; then each goes alone."""
    for number in range(3):
        write(pushing, REPORT.replace("report.txt", f"{number}.txt"), b"%d" % number)
    pushing.server.faults.add(Fault("PUT", "extract=true", kind="status", status=500, times=99))

    pushing.make_app = HurriedApp

    ended = []
    for _ in range(5):
        ended.append(pushing.mirror(patience_s=0.0).exit_code)
        Hurried.gone_s += 7200

    assert ended[-1] == Exit.OK, ended
    assert len(stored(pushing)) == 3


def test_a_file_that_appears_there_meanwhile_stays(pushing: MirrorWorld) -> None:
    """It is named; the others of its request are stored and proven."""
    for name in ("a.txt", "b.txt", "c.txt"):
        write(pushing, REPORT.replace("report.txt", name), b"ours")

    def somebody(request: object) -> None:
        pushing.server.faults.clear()
        pushing.upload(f"experiments/{pushing.number}/resources/QC/files/b.txt", b"theirs")

    pushing.server.faults.add(Fault("PUT", "extract=true", kind="call", before=somebody))

    report = pushing.mirror(patience_s=0.0)

    assert report.exit_code == Exit.HELD, report
    assert codes(report) == {"XS-FOREIGN-CONTENT"}
    assert stored(pushing) == {
        "resources/QC/files/a.txt": b"ours", "resources/QC/files/b.txt": b"theirs", "resources/QC/files/c.txt": b"ours",
    }  # fmt: skip
