"""Scripts of a server rewrite UIDs: what was archived is known again by everything but its header."""

from __future__ import annotations

from pathlib import Path

import pytest

from drop_pieces import LABEL, delete, edit, elsewhere, held, imports, post, retry, upload
from drop_world import DropWorld, only, uids, unit_of
from xnatsync.app.app import App
from xnatsync.app.verify import Asked, verify
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress

STUDY, SERIES = "0020,000D", "0020,000E"
HEAD = 'version "6.1"\n(0010,0010) := subject\n(0010,0020) := session\n'


def rewrites(world: DropWorld, where: str, *tags: str) -> None:
    """Has a script of the site (at receipt) or of the project (at archiving) give other UIDs."""
    script = HEAD + "".join(f'({tag}) := "2.25.4711{number}"\n' for number, tag in enumerate(tags))
    if where == "site":
        world.site.settings.update({"sitewideAnonymizationScript": script})
        return
    import httpx

    url = f"{world.server.url}/xapi/anonymize/projects/P1"
    auth, media = ("agent", "secret"), {"Content-Type": "text/plain"}
    assert httpx.put(url, content=script, auth=auth, headers=media).status_code == 200
    media = {"Content-Type": "application/json"}
    assert httpx.put(f"{url}/enabled?enable=true", auth=auth, headers=media).status_code == 200


def labels(world: DropWorld) -> set[str]:
    return {one.label for one in world.site.experiments.values()}


WHERE = ["site", "project"]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("level", ["names", "pixels"])
@pytest.mark.parametrize("collision", ["hold", "suffix"])
def test_what_was_archived_under_another_study_uid_is_ours(
    world: DropWorld, where: str, level: str, collision: str
) -> None:
    """It is verified, nothing is sent twice, no copy is made, a second run does nothing, verify is content."""
    rewrites(world, where, STUDY)
    world.configure(verify=level, collision=collision)
    sent = uids(world.study())

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert unit_of(only(report)).receipt is not None
    session = world.session(LABEL)
    assert session is not None
    assert session.fields["UID"] == "2.25.47110"
    assert (len(imports(world)), labels(world)) == (2, {LABEL})
    assert world.archived(LABEL) == sent
    requests = len(world.server.log)
    assert world.sync().exit_code == 0
    assert world.writes(requests) == []
    assert verify(App(load(world.config)), [], Asked(), progress=Progress()).exit_code == 0


def test_a_late_part_goes_into_the_same_session(world: DropWorld) -> None:
    """None of its objects is there yet: the ledger knows where the study landed."""
    rewrites(world, "site", STUDY)
    files = elsewhere(world, uid="2.25.77", series=(2, 2))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    _drop(world, "two", files[2:])

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert labels(world) == {LABEL}
    assert world.archived(LABEL) == uids(files)


@pytest.mark.parametrize("collision", ["hold", "suffix"])
def test_where_the_project_rewrites_a_late_part_is_held_and_never_made_a_copy(world: DropWorld, collision: str) -> None:
    """XNAT compares the UIDs before the project's script runs, and refuses (import.md §2.6): a person decides."""
    rewrites(world, "project", STUDY)
    world.configure(collision=collision)
    files = elsewhere(world, uid="2.25.77", series=(2, 2))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    _drop(world, "two", files[2:])

    for _ in range(2):
        report = world.sync()
        assert (report.exit_code, held(report).code) == (3, "XS-PREARCHIVE-STUCK")
        assert labels(world) == {LABEL}
        retry(world)
    assert len(imports(world)) == 2
    assert len(world.site.prearchive.rows) == 1


def test_the_advice_for_a_late_part_that_is_refused_leads_on(world: DropWorld) -> None:
    """Appended by a person in the prearchive page, it is proven and filed; dropping it again is not advised."""
    rewrites(world, "project", STUDY)
    world.configure()
    files = elsewhere(world, uid="2.25.77", series=(2, 2))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    _drop(world, "two", files[2:])
    stuck = held(world.sync())
    assert "with the choice that appends" in (stuck.advice or "")
    assert "--prearchive" not in (stuck.advice or "")

    (row,) = world.site.prearchive.rows.values()
    uri = f"/prearchive/projects/{row.project}/{row.timestamp}/{row.name}"
    post(world, f"/data/services/archive?src={uri}&overwrite=append")
    retry(world)

    report = world.sync()
    assert report.exit_code == 0, held(report)
    assert (labels(world), world.archived(LABEL)) == ({LABEL}, uids(files))
    assert world.in_drop() == set()
    assert len(imports(world)) == 2


@pytest.mark.parametrize("where", WHERE)
def test_without_its_ledger_it_is_known_by_the_names_of_its_objects(world: DropWorld, where: str) -> None:
    rewrites(world, where, STUDY)
    world.configure(after="keep")
    sent = uids(world.study())
    assert world.sync().exit_code == 0
    for path in world.root.glob("ledger.db*"):
        path.unlink()
    requests = len(world.server.log)

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert (world.writes(requests), labels(world)) == ([], {LABEL})
    assert world.archived(LABEL) == sent


def test_a_session_that_was_renamed_too_is_known_by_its_id(world: DropWorld) -> None:
    rewrites(world, "site", STUDY)
    files = elsewhere(world, uid="2.25.77", series=(2, 2))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    session = world.session(LABEL)
    assert session is not None
    world.put(f"/data/projects/P1/subjects/SUB1/experiments/{LABEL}?label=RENAMED")
    _drop(world, "two", files[2:])

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert labels(world) == {"RENAMED"}
    assert world.archived("RENAMED") == uids(files)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("effect", ["action=build", "action=commit", "import-handler=DICOM-zip"])
def test_it_is_known_again_after_a_lost_answer(world: DropWorld, where: str, effect: str) -> None:
    rewrites(world, where, STUDY)
    sent = uids(world.study())
    world.fault("POST", effect, "lost_reply", times=1)

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert (world.archived(LABEL), labels(world)) == (sent, {LABEL})


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("tags", [(SERIES,), (STUDY, SERIES)])
def test_rewritten_series_are_no_matter(world: DropWorld, where: str, tags: tuple[str, ...]) -> None:
    rewrites(world, where, *tags)
    sent = uids(world.study(series=(3,)))

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == sent


@pytest.mark.parametrize("level", ["names", "pixels"])
def test_rewritten_sop_uids_are_known_by_the_names_of_their_files(world: DropWorld, level: str) -> None:
    """By pixels all of each object must be ours but its head: the receipt says that its content was compared."""
    world.configure(verify=level, after="keep")
    world.study()
    world.after("POST", "action=commit", lambda: _other_sop_uids(world))

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    receipt = unit_of(only(report)).receipt
    assert receipt is not None
    assert {by.value for by in receipt.compared} == {"names" if level == "names" else "content"}
    requests = len(world.server.log)
    assert world.sync().exit_code == 0
    assert world.writes(requests) == []
    assert verify(App(load(world.config)), [], Asked(), progress=Progress()).exit_code == 0


HASHES = HEAD + "".join(f"({tag}) := hashUID[({tag})]\n" for tag in (STUDY, SERIES, "0008,0018"))


@pytest.mark.parametrize("level", ["names", "pixels"])
def test_where_all_uids_are_hashed_a_study_and_its_late_part_are_known_by_our_names(
    world: DropWorld, level: str
) -> None:
    world.site.settings.update({"sitewideAnonymizationScript": HASHES})
    world.configure(verify=level)
    files = elsewhere(world, uid="2.25.77", series=(2, 2))
    for name, part in (("one", files[:2]), ("two", files[2:])):
        _drop(world, name, part)
        report = world.sync()
        assert report.exit_code == 0, held(report).detail
    assert (labels(world), len(world.stored(LABEL))) == ({LABEL}, 4)


def test_what_neither_uid_nor_name_tells_is_sent_once_and_asked_about(world: DropWorld) -> None:
    """Under their own names nothing tells what was sent; a person who does as advised comes to the end."""
    world.site.settings.update({"sitewideAnonymizationScript": HASHES})
    world.configure(member_names="original")
    world.study(series=(2,))
    for _ in range(3):
        report = world.sync()
        assert (report.exit_code, held(report).code) == (3, "XS-UNVERIFIABLE")
        retry(world)
    assert len(imports(world)) == 1
    assert 'member_names = "uid"' in (held(world.sync()).advice or "")

    world.configure(member_names="uid")
    world.put(f"/data/projects/P1/subjects/SUB1/experiments/{LABEL}?label=KEPT")
    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert labels(world) == {LABEL, "KEPT"}
    assert (len(world.stored(LABEL)), len(world.stored("KEPT"))) == (2, 2)


@pytest.mark.parametrize("how", ["one of them", "all the same"])
def test_sop_uids_that_no_script_can_have_made_are_other_objects(world: DropWorld, how: str) -> None:
    """A script rewrites all of them, and never two to the same."""
    world.configure(verify="pixels")
    world.study()
    world.after("POST", "action=commit", lambda: _other_sop_uids(world, how))

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-DIFFER")


def _other_sop_uids(world: DropWorld, how: str = "") -> None:
    for number, path in enumerate(world.stored(LABEL)[: 1 if how == "one of them" else None]):
        edit(path, SOPInstanceUID="2.25.815" if how == "all the same" else f"2.25.815{number}")


def test_another_study_under_our_label_is_still_another(world: DropWorld) -> None:
    """No object of ours is in it: whatever its UID is, it is held, and nothing is sent."""
    upload(world, elsewhere(world, uid="2.25.1", series=(2,)), archive=True)
    world.study(uid="2.25.2", series=(2,), seed=7)
    requests = len(world.server.log)

    report = world.sync()

    assert held(report).code == "XS-SESSION-COLLISION"
    assert imports(world, requests) == []


def test_a_session_that_was_deleted_is_not_missed_for_ever(world: DropWorld) -> None:
    """Its ID is in the ledger and nowhere else: what is dropped again goes up again."""
    rewrites(world, "site", STUDY)
    world.configure(after="keep")
    sent = uids(world.study())
    assert world.sync().exit_code == 0
    session = world.session(LABEL)
    assert session is not None
    delete(world, f"/data/experiments/{session.id}?removeFiles=true")
    (world.folder / "exam" / "more.txt").write_text("so that it is looked at anew")

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert world.archived(LABEL) == sent
    retry(world)


def _drop(world: DropWorld, name: str, files: list[Path]) -> None:
    for file in files:
        target = world.folder / name / f"{file.parent.name}-{file.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())


def test_a_part_that_collided_goes_on_once_its_study_is_known_again(world: DropWorld) -> None:
    """Without its ledger nothing tells that the session is its own; another part is recognised there, and tells."""
    rewrites(world, "site", STUDY)
    files = elsewhere(world, uid="2.25.77", series=(2, 2))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    for path in world.root.glob("ledger.db*"):
        path.unlink()
    _drop(world, "two", files[2:])
    assert unit_of(only(world.sync())).unit.code == "XS-SESSION-COLLISION"
    _drop(world, "three", files[:2])

    world.sync()
    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert world.archived(LABEL) == uids(files)
    assert labels(world) == {LABEL}
