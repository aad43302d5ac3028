"""Where a session ends up: archive or prearchive, in projects that archive by themselves and in those that do not."""

from __future__ import annotations

import httpx
import pytest

from drop_pieces import LABEL, delete, elsewhere, held, imports, post, quick_sync, retry
from drop_world import DropWorld, only, uids, unit_of

CODES = [0, 4, 5]


def _code(world: DropWorld, code: int) -> None:
    world.put(f"/data/projects/P1/prearchive_code/{code}")


def _staged(world: DropWorld) -> dict[str, tuple[str, set[str]]]:
    """The rows of the prearchive: label → status and the objects in it."""
    return {
        row.name: (row.status, {found.sop_uid for found in world.site.prearchive.content(row).objects.values()})
        for row in world.site.prearchive.rows.values()
    }


@pytest.mark.parametrize("code", CODES)
def test_destination_archive_archives_in_every_kind_of_project(world: DropWorld, code: int) -> None:
    _code(world, code)
    sent = uids(world.study())

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    assert not world.site.prearchive.rows
    commits = [entry for entry in world.server.log if "action=commit" in str(entry["query"])]
    assert len(commits) == 1


@pytest.mark.parametrize("code", CODES)
def test_destination_prearchive_stays_ready_in_every_kind_of_project(world: DropWorld, code: int) -> None:
    """Built and listed there, not committed; the receipt says where it is; the item is filed."""
    _code(world, code)
    world.configure(destination="prearchive")
    sent = uids(world.study())

    report = world.sync()

    assert report.exit_code == 0, report
    assert _staged(world) == {LABEL: ("READY", sent)}
    assert not world.site.experiments
    receipt = unit_of(only(report)).receipt
    assert receipt is not None
    assert (receipt.place, receipt.level, receipt.held) == ("prearchive", "names", len(sent))
    assert world.in_drop() == set()
    before = len(world.server.log)
    assert world.sync().exit_code == 0
    assert world.writes(before) == []
    assert _staged(world) == {LABEL: ("READY", sent)}


def test_an_object_missing_in_the_prearchive_is_sent_again(world: DropWorld) -> None:
    world.configure(destination="prearchive")
    sent = uids(world.study())

    def lose_one(_request: object) -> None:
        (row,) = world.site.prearchive.rows.values()
        content = world.site.prearchive.content(row)
        content.forget(next(iter(content.objects)))

    struck = world.fault("POST", "action=build", "call", before=lose_one)

    report = world.sync()

    assert struck.hits == 1
    assert report.exit_code == 0, report
    assert _staged(world) == {LABEL: ("READY", sent)}
    assert len(imports(world)) == 3


def test_a_later_part_joins_the_session_that_waits_in_the_prearchive(world: DropWorld) -> None:
    """The first part is proven and filed, and nobody has archived it yet."""
    world.configure(destination="prearchive")
    files = elsewhere(world, series=(2, 2))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    _drop(world, "two", files[2:])

    report = world.sync()

    assert report.exit_code == 0, (report.errors, [part.unit for part in only(report).units])
    assert _staged(world) == {LABEL: ("READY", uids(files))}


def test_a_later_part_of_a_session_that_a_person_archived_waits_in_the_prearchive(world: DropWorld) -> None:
    world.configure(destination="prearchive")
    files = elsewhere(world, series=(2, 2))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    _archive(world)
    _drop(world, "two", files)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files[:2])
    assert _staged(world) == {LABEL: ("READY", uids(files[2:]))}
    _archive(world)
    assert world.archived(LABEL) == uids(files)


def test_the_same_item_again_is_there_already_whether_it_waits_or_was_archived(world: DropWorld) -> None:
    world.configure(destination="prearchive")
    files = elsewhere(world)
    for name in ("one", "two", "three"):
        _drop(world, name, files)
        before = len(world.server.log)
        report = world.sync()
        assert report.exit_code == 0, (name, only(report).units[0].unit.code, only(report).units[0].unit.detail)
        assert len(imports(world, before)) == (2 if name == "one" else 0)
        if name == "two":
            _archive(world)
    assert world.archived(LABEL) == uids(files)
    assert not world.site.prearchive.rows


def _archive(world: DropWorld) -> None:
    (row,) = world.site.prearchive.rows.values()
    uri = f"/data/prearchive/projects/P1/{row.timestamp}/{row.folder}"
    post(world, f"{uri}?action=commit&AA=true&SOURCE=uploader")


def _drop(world: DropWorld, name: str, files: list) -> None:  # type: ignore[type-arg]
    for file in files:
        target = world.folder / name / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())


def test_a_project_that_is_not_there_gets_nothing_sent(world: DropWorld) -> None:
    """XNAT would take the upload, and let it lie in `Unassigned`."""
    world.configure(project="NOWHERE")
    sent = uids(world.study())

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-NOT-THERE")
    assert "NOWHERE" in (row.detail or "")
    assert imports(world) == []
    world.put("/data/projects/NOWHERE")
    retry(world)
    assert world.sync().exit_code == 0
    session = world.session(LABEL, "NOWHERE")
    assert session is not None
    assert {e.uid for s in session.scans.values() for r in s.resources.values() for e in r.entries.values()} == sent


def test_a_corrected_project_in_the_route_goes_by_itself(world: DropWorld) -> None:
    world.configure(project="NOWHERE")
    sent = uids(world.study())
    assert world.sync().exit_code == 3
    world.configure(project="P1")

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == sent


def _as_member(world: DropWorld, role: str) -> None:
    """Lets the agent be a plain user with this role in the project."""
    world.site.accounts.add("plain", "secret")
    if role:
        world.site.projects["P1"].members["plain"] = role
    world.config.write_text(world.config.read_text().replace('user = "agent"', 'user = "plain"'))


def test_a_member_who_may_only_read_sends_nothing(world: DropWorld) -> None:
    _as_member(world, "collaborator")
    sent = uids(world.study())

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-ACCESS-DENIED")
    assert imports(world) == []
    assert world.in_drop() == {"exam"}
    world.site.projects["P1"].members["plain"] = "member"
    retry(world)
    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == sent


def test_a_project_that_is_hidden_is_not_there(world: DropWorld) -> None:
    _as_member(world, "")
    world.study()

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-NOT-THERE")
    assert imports(world) == []


def test_access_that_is_taken_away_in_mid_run_is_told(world: DropWorld) -> None:
    """After the first upload the account is no member any more: nothing is archived elsewhere, nothing is filed."""
    _as_member(world, "member")
    sent = uids(world.study())
    world.after("POST", "/data/services/import", lambda: world.site.projects["P1"].members.pop("plain"))

    report = quick_sync(world)

    assert report.exit_code == 3, report
    assert held(report).code in {"XS-ACCESS-DENIED", "XS-NOT-THERE", "XS-MISROUTED", "XS-REQUEST-REFUSED"}
    assert not world.site.experiments
    assert world.in_drop() == {"exam"}
    world.site.projects["P1"].members["plain"] = "member"
    for row in [row for row in world.site.prearchive.rows.values() if row.project != "P1"]:
        world.site.prearchive.remove(row)
    retry(world)
    report = quick_sync(world)
    assert report.exit_code == 0, [part.unit for part in only(report).units]
    assert world.archived(LABEL) == sent


def test_a_project_that_is_deleted_in_mid_run_is_told(world: DropWorld) -> None:
    world.study()
    url = world.server.url + "/data/projects/P1?removeFiles=true"
    world.after(
        "POST",
        "/data/services/import",
        lambda: httpx.delete(url, auth=("agent", "secret"), timeout=60).raise_for_status(),
    )

    report = quick_sync(world)

    assert report.exit_code == 3, report
    assert held(report).code in {"XS-NOT-THERE", "XS-MISROUTED", "XS-REQUEST-REFUSED", "XS-ACCESS-DENIED"}
    assert not world.site.experiments
    assert world.in_drop() == {"exam"}


def test_our_upload_that_a_person_deletes_from_the_prearchive_is_sent_again(world: DropWorld) -> None:
    sent = uids(world.study())

    def remove() -> None:
        (row,) = world.site.prearchive.rows.values()
        delete(world, f"/data/prearchive/projects/P1/{row.timestamp}/{row.folder}")

    struck = world.after("POST", "action=build", remove)

    report = quick_sync(world)

    assert struck.hits == 1
    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent


def test_our_upload_that_a_person_archives_first_is_taken_as_archived(world: DropWorld) -> None:
    sent = uids(world.study())
    struck = world.after("POST", "action=build", lambda: _archive(world))

    report = quick_sync(world)

    assert struck.hits == 1
    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    assert len(world.site.experiments) == 1


@pytest.mark.parametrize("fault", ["lost_reply", "cut_response"])
def test_a_lost_reply_into_the_prearchive_is_found_there(world: DropWorld, fault: str) -> None:
    """Where it came out was never told: the row that appeared for our study and label is ours."""
    world.configure(destination="prearchive")
    sent = uids(world.study(series=(2,)))
    struck = world.fault("POST", "/data/services/import", fault)

    report = quick_sync(world)

    assert struck.hits == 1
    assert report.exit_code == 0, [part.unit for part in only(report).units]
    assert _staged(world) == {LABEL: ("READY", sent)}
    assert len(imports(world)) == 1


def test_a_row_that_a_filed_item_counts_on_is_not_deleted_with_another(world: DropWorld) -> None:
    """The first part is filed with its receipt; giving the second up must not take its proof away."""
    from xnatsync.app.app import App
    from xnatsync.app.dismiss import dismiss
    from xnatsync.config.load import load
    from xnatsync.core.errors import NotOurs

    world.configure(destination="prearchive")
    files = elsewhere(world, series=(2, 2))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    _drop(world, "two", files[2:])

    def refuse() -> None:
        for row in world.site.prearchive.rows.values():
            row.status = "CONFLICT"

    world.after("POST", "action=build", refuse)
    report = world.sync()
    assert held(report).code == "XS-PREARCHIVE-STUCK"
    second = only(report).item

    with pytest.raises(NotOurs, match="item 1 counts on it"):
        dismiss(App(load(world.config)), second.id, prearchive=True)

    assert len(world.site.prearchive.rows) == 1
    with world.ledger() as ledger:
        assert ledger.item(second.id).phase == "settled"
    dismissed = dismiss(App(load(world.config)), second.id)
    assert (dismissed.deleted, len(dismissed.remains.waiting)) == ((), 1)
