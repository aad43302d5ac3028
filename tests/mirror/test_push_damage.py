"""Whatever goes wrong on the way up: stored once and whole, nothing of others touched, never called done too early."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mirror.test_push import REPORT, SCAN_REPORT, configure, questions, stored, write
from mirror_world import Hurried, HurriedApp, MirrorWorld
from ports_between import app_between, raising
from xnatsync.core.errors import SourceUnreadable
from xnatsync.sandbox.http.exchange import Response

GOOD = b"good" * 1000
PUT = "/resources/QC/files"


@pytest.fixture
def pushing(world: MirrorWorld) -> MirrorWorld:
    """A session, a push of its resources QC with one file in the tree, and time that goes fast."""
    world.make_app = HurriedApp
    world.number = world.session_with()
    configure(world)
    write(world, REPORT, GOOD)
    return world


def codes(report: Any) -> set[str]:
    """Every code that a report tells."""
    found = {trouble.code for trouble in report.troubles} | {error.code for error in report.errors}
    return found | {row.code for row in report.held}


def ends_well(world: MirrorWorld, expected: dict[str, bytes] | None = None) -> None:
    """The next run brings the rest; once it was listed there, a run asks for the inventory alone."""
    world.server.faults.clear()
    Hurried.gone_s += 86400.0
    report = world.mirror(patience_s=60.0)
    assert (report.exit_code, codes(report)) == (0, set()), report
    assert stored(world) == (expected or {"resources/QC/files/report.txt": GOOD})
    assert world.mirror().exit_code == 0
    mark = len(world.server.log)
    assert world.mirror().exit_code == 0
    assert not [path for path in questions(world, mark) if "/files" in path or "/resources" in path]


def nothing(_request: Any) -> Response:
    """As for an account that may only read: 200, and nothing was stored."""
    return Response(200)


def half(request: Any) -> Response:
    """Reads a part and dies."""
    request.body.read(500)
    return Response(500, body=b"<html><body><h3>java.io.IOException</h3></body></html>")


STORES: dict[str, dict[str, Any]] = {
    "cut at once": {"kind": "cut_request"},
    "cut in the middle": {"kind": "cut_request", "bytes": 2000},
    "no answer": {"kind": "lost_reply"},
    "half an answer": {"kind": "cut_response"},
    "busy": {"kind": "status", "status": 503, "headers": {"Retry-After": "3"}},
    "locked": {"kind": "status", "status": 423},
    "the catalogue was written by another": {"kind": "status", "status": 500},
    "half was read": {"kind": "call", "before": half},
    "nothing was stored": {"kind": "call", "before": nothing},
    "a login page": {"kind": "login_page"},
    "not logged in": {"kind": "status", "status": 401},
    "forbidden": {"kind": "status", "status": 403},
}


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("what", sorted(STORES))
def test_a_store_that_fails(pushing: MirrorWorld, what: str, times: int) -> None:
    """Told while it lasts; in the end it is there, whole, and nothing else."""
    fault = pushing.fault("PUT", PUT, **STORES[what], times=times)

    report = pushing.mirror(patience_s=60.0)

    assert fault.hits >= 1
    assert (report.exit_code == 0) == (not codes(report)), report
    if report.exit_code == 0:
        assert stored(pushing) == {"resources/QC/files/report.txt": GOOD}
    ends_well(pushing)


LISTS = {"a login page": {"kind": "login_page"}, "cut": {"kind": "cut_response"}, "broken": {"status": 500}}


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("what", sorted(LISTS))
def test_a_listing_that_fails_before_and_after_the_store(pushing: MirrorWorld, what: str, after: int) -> None:
    """Nothing is concluded from it: neither that a file is missing nor that it came."""
    fault = pushing.fault("GET", "/files", **{"kind": "status", **LISTS[what]}, after=after)

    report = pushing.mirror(patience_s=60.0)

    assert fault.hits == 1
    assert report.exit_code in {0, 5, 6}
    assert stored(pushing) in ({}, {"resources/QC/files/report.txt": GOOD})
    ends_well(pushing)
    assert len([1 for entry in pushing.server.log if entry["method"] == "PUT" and PUT in str(entry["path"])]) == 1


def test_a_server_that_never_stores_is_never_called_done(pushing: MirrorWorld) -> None:
    """It answers 200 every time; a person is asked in the end."""
    pushing.fault("PUT", PUT, "call", before=nothing, times=99)

    report = pushing.mirror(patience_s=60.0)
    assert (report.exit_code, codes(report)) == (5, {"XS-CONTENT-DIFFERS"})
    for _ in range(12):
        Hurried.gone_s += 86400.0 * 2
        report = pushing.mirror(patience_s=1.0)
    assert (report.exit_code, codes(report)) == (3, {"XS-CONTENT-DIFFERS"})
    assert stored(pushing) == {}
    ends_well(pushing)


def test_a_file_that_the_server_stores_as_something_else(pushing: MirrorWorld) -> None:
    """Its digest says so, and it is not called done."""
    spoiled: list[bool] = []

    def spoil() -> None:
        if not spoiled:
            (path,) = (pushing.root / "site").rglob("report.txt")
            path.write_bytes(b"evil" * 1000)
            entry = pushing.site.experiments[pushing.number].resources["QC"].entries["report.txt"]
            entry.digest = ""
            spoiled.append(True)

    pushing.after("PUT", PUT, spoil)

    report = pushing.mirror(patience_s=1.0)

    assert spoiled
    assert report.exit_code != 0
    assert "XS-CONTENT-DIFFERS" in codes(report)


def uncatalogued(world: MirrorWorld, content: bytes) -> None:
    """A store that was interrupted: the file lies there, and no catalogue knows it (hierarchy.md §6.1)."""
    world.upload(f"experiments/{world.number}/resources/QC/files/report.txt", content)
    del world.site.experiments[world.number].resources["QC"].entries["report.txt"]


def test_a_leftover_of_ours_that_no_catalogue_knows(pushing: MirrorWorld) -> None:
    """The store broke off behind its file: the next one may write over it, as it was announced."""
    first = [True]

    def broke(_request: Any, _response: Any) -> Response | None:
        if first:
            first.clear()
            del pushing.site.experiments[pushing.number].resources["QC"].entries["report.txt"]
            return Response(500, body=b"<html><body><h3>broken</h3></body></html>")
        return None

    pushing.fault("PUT", PUT, "call", after_call=broke, times=9)

    report = pushing.mirror(patience_s=60.0)

    assert report.exit_code == 0, report
    ends_well(pushing)


def test_a_leftover_of_somebody_that_no_catalogue_knows(pushing: MirrorWorld) -> None:
    """It is not ours to write over: a person is asked."""
    uncatalogued(pushing, b"theirs")

    report = pushing.mirror(patience_s=10.0)

    assert report.exit_code == 3, report
    (path,) = (pushing.root / "site").rglob("report.txt")
    assert path.read_bytes() == b"theirs"


def test_a_listing_that_is_short_does_not_let_ours_go_over_theirs(pushing: MirrorWorld) -> None:
    """What we once stored under the name is no leave to write over what a listing leaves out (simulation, 2423)."""
    pushing.mirror()
    (pushing.tree / REPORT).unlink()
    pushing.mirror()
    pushing.upload(f"experiments/{pushing.number}/resources/QC/files/report.txt", b"theirs", overwrite=True)
    write(pushing, REPORT, b"new")
    entries = pushing.site.experiments[pushing.number].resources["QC"].entries
    left_out = entries.pop("report.txt")

    report = pushing.mirror(patience_s=0.0)

    assert codes(report) == {"XS-LISTING-SHORT"}, report
    entries["report.txt"] = left_out
    assert stored(pushing) == {"resources/QC/files/report.txt": b"theirs"}
    report = pushing.mirror(patience_s=0.0)
    assert (report.exit_code, codes(report)) == (3, {"XS-FOREIGN-CONTENT"}), report
    assert stored(pushing) == {"resources/QC/files/report.txt": b"theirs"}


def test_a_file_that_is_given_and_not_listed_is_never_stored_over(pushing: MirrorWorld) -> None:
    """A store broke off, others store theirs, and a listing leaves that out without a word: it is asked for by name."""
    pushing.fault("PUT", PUT, "cut_request")
    assert pushing.mirror(patience_s=0.0).exit_code == 5
    Hurried.gone_s += 3600.0
    pushing.upload(f"experiments/{pushing.number}/resources/QC/files/report.txt", b"theirs", overwrite=True)

    def silent(request: Any, response: Response) -> Response | None:
        if request.path.endswith("report.txt"):
            return None
        rows = json.loads(response.body if isinstance(response.body, bytes) else b"".join(response.body))
        kept = [row for row in rows["ResultSet"]["Result"] if row.get("Name") != "report.txt"]
        for row in kept:
            row.update({name: "" for name in row if "count" in name or "size" in name})
        rows["ResultSet"]["Result"] = kept
        return Response(200, {"Content-Type": "application/json"}, json.dumps(rows).encode())

    pushing.fault("GET", "/data/experiments", "call", after_call=silent, times=9)
    report = pushing.mirror(patience_s=0.0)

    pushing.server.faults.clear()
    assert codes(report) == {"XS-LISTING-SHORT"}, report
    assert stored(pushing) == {"resources/QC/files/report.txt": b"theirs"}
    assert codes(pushing.mirror(patience_s=0.0)) == {"XS-FOREIGN-CONTENT"}
    assert stored(pushing) == {"resources/QC/files/report.txt": b"theirs"}


def test_a_hostile_name_on_the_server_keeps_nothing_from_being_sent(pushing: MirrorWorld) -> None:
    """What was never there goes up; what was, and is hidden or gone, is asked about (simulation, 1471)."""
    where = f"experiments/{pushing.number}/resources/QC/files"
    pushing.upload(f"{where}/harmless", b"theirs")
    entries = pushing.site.experiments[pushing.number].resources["QC"].entries
    hostile = entries.pop("harmless")
    hostile.path = "a\\evil"
    entries[hostile.path] = hostile
    write(pushing, SCAN_REPORT, b"{}")

    report = pushing.mirror(patience_s=0.0)

    assert (report.exit_code, codes(report)) == (0, set()), report
    assert report.counts["proven"] == 2
    pushing.delete(f"{where}/report.txt")
    write(pushing, REPORT, b"better")
    report = pushing.mirror(patience_s=0.0)
    assert (report.exit_code, codes(report)) == (3, {"XS-NAME-HOSTILE"}), report


@pytest.mark.parametrize("agreed", [True, False])
def test_what_a_mirror_had_brought_is_not_ours_because_we_tried_to_send_it(world: MirrorWorld, *, agreed: bool) -> None:
    """Sent because a listing left it out, and never answered: a later edit does not go over it (simulation, 13458)."""
    world.make_app = HurriedApp
    world.number = world.session_with()
    world.upload(f"experiments/{world.number}/resources/QC/files/report.txt", GOOD)
    world.configure()
    assert world.mirror().exit_code == 0
    with world.config.open("a") as file:
        file.write(
            f'[routes.p]\nkind = "push"\nfolder = "{world.tree}"\nserver = "s"\nproject = "P1"\n'
            'resources = ["QC"]\nsettle = "0s"\nquiet = "1s"\n'
        )

    def swallow(request: Any) -> Response:
        request.body.read()
        raise ConnectionResetError

    entries = world.site.experiments[world.number].resources["QC"].entries
    left_out = entries.pop("report.txt")
    fault = world.fault("PUT", PUT, "call", before=swallow)
    world.mirrors(patience_s=0.0)
    entries["report.txt"] = left_out
    Hurried.gone_s += 3600.0
    if agreed:  # else it is edited at once (10105)
        world.mirrors(patience_s=0.0)
        with world.opened_ledger() as ledger:
            assert ledger.find_living("p", REPORT) is not None
    assert fault.hits == 1

    write(world, REPORT, b"edited")
    pushed = world.mirrors(patience_s=0.0).mirrors[0]

    assert (pushed.kind, codes(pushed)) == ("push", {"XS-TREE-EDITED" if agreed else "XS-FOREIGN-CONTENT"}), pushed
    assert stored(world) == {"resources/QC/files/report.txt": GOOD}


@pytest.mark.parametrize("late_s", [0.0, 3600.0])
@pytest.mark.parametrize("changed", [False, True])
def test_a_store_that_lands_late(pushing: MirrorWorld, late_s: float, changed: bool) -> None:
    """Within the quiet time and after it, the file changed here or not: what lies here is there in the end."""
    kept: list[bytes] = []

    def swallow(request: Any) -> Response:
        kept.append(request.body.read())
        raise ConnectionResetError

    pushing.fault("PUT", PUT, "call", before=swallow)
    report = pushing.mirror(patience_s=0.0)
    assert (report.exit_code, codes(report)) == (5, {"XS-OUTCOME-UNKNOWN"}), report
    assert kept
    if changed:
        write(pushing, REPORT, b"better")
    Hurried.gone_s += late_s
    if late_s:
        pushing.mirror(patience_s=60.0)
    import httpx

    answer = httpx.put(  # the first store comes at last
        f"{pushing.server.url}/data/experiments/{pushing.number}/resources/QC/files/report.txt?inbody=true",
        content=GOOD, headers={"Content-Type": "application/octet-stream"}, auth=("agent", "secret"),
    )  # fmt: skip
    answer.raise_for_status()

    content = b"better" if changed else GOOD
    ends_well(pushing, {"resources/QC/files/report.txt": content})


def test_without_digests_a_file_of_ours_that_became_shorter_is_replaced(pushing: MirrorWorld) -> None:
    """What lies there is longer than what lies here, and is ours all the same: it is fetched whole to tell."""
    assert pushing.mirror().exit_code == 0
    pushing.site.experiments[pushing.number].resources["QC"].entries["report.txt"].digest = ""
    write(pushing, REPORT, b"short")

    report = pushing.mirror()

    assert (report.exit_code, codes(report)) == (0, set()), report
    assert stored(pushing) == {"resources/QC/files/report.txt": b"short"}


def test_a_file_that_changes_while_it_is_sent_is_not_called_done(pushing: MirrorWorld) -> None:
    """The run says that it is not at its end, and the next one brings it as it is."""
    path = pushing.tree / REPORT

    def change(_request: Any) -> None:
        path.write_bytes(b"x" * 9999)

    pushing.fault("GET", "/files", "call", before=change, after=1)  # between the store and its proof

    report = pushing.mirror(patience_s=0.0)

    assert report.exit_code == 5, report
    ends_well(pushing, {"resources/QC/files/report.txt": b"x" * 9999})


def test_a_file_that_cannot_be_read_does_not_stop_the_others(pushing: MirrorWorld) -> None:
    """It is told, and the run is not at its end."""
    write(pushing, SCAN_REPORT, b"{}")
    error = SourceUnreadable("report.txt cannot be read: no rights")
    refusing = raising(error, lambda _root, path: path == REPORT)

    pushing.make_app = lambda _: app_between(pushing.config, trees={"read": refusing}, kind=HurriedApp)
    report = pushing.mirror(patience_s=0.0)
    pushing.make_app = HurriedApp

    assert (report.exit_code, codes(report)) == (5, {"XS-SOURCE-UNREADABLE"}), report
    assert stored(pushing) == {"scans/1/resources/QC/files/deep/scan.json": b"{}"}
    ends_well(pushing, {"resources/QC/files/report.txt": GOOD, "scans/1/resources/QC/files/deep/scan.json": b"{}"})


@pytest.mark.parametrize("name", [".hidden", "a b", "a+b", "deep/er/file"])
def test_odd_names_go_up_as_they_are(pushing: MirrorWorld, name: str) -> None:
    """Dot-files, blanks and signs that mean something in a URL."""
    write(pushing, f"P1/S1/S1_MR/resources/QC/files/{name}", b"odd")

    report = pushing.mirror()

    assert report.exit_code == 0, report
    assert set(pushing.site.experiments[pushing.number].resources["QC"].entries) == {"report.txt", name}


@pytest.mark.parametrize("name", ["a%41", "a;b", "ünï", "a&b=c", "a#b", "a?b", "star*", "my_catalog.xml", "a\\b"])
def test_names_that_the_server_would_turn_into_others_are_held_or_kept(pushing: MirrorWorld, name: str) -> None:
    """Either exactly so, or not at all and told."""
    write(pushing, f"P1/S1/S1_MR/resources/QC/files/{name}", b"odd")

    report = pushing.mirror()

    entries = set(pushing.site.experiments[pushing.number].resources["QC"].entries)
    assert entries in ({"report.txt"}, {"report.txt", name})
    assert (report.exit_code == 0) == (name in entries)
    assert stored(pushing)["resources/QC/files/report.txt"] == GOOD


def test_what_others_store_after_a_store_that_failed_is_theirs(pushing: MirrorWorld) -> None:
    """The server said that it did not store ours: the very same bytes there are somebody else's (tree seed 10202)."""
    pushing.fault("PUT", PUT, "status", status=507, times=9)
    assert pushing.mirror(patience_s=0.0).exit_code == 5
    pushing.server.faults.clear()
    pushing.upload(f"experiments/{pushing.number}/resources/QC/files/report.txt", GOOD, overwrite=True)
    write(pushing, REPORT, b"corrected")
    Hurried.gone_s += 86400.0

    report = pushing.mirror(patience_s=0.0)

    assert (report.exit_code, codes(report)) == (3, {"XS-FOREIGN-CONTENT"}), report
    assert stored(pushing) == {"resources/QC/files/report.txt": GOOD}
