"""Owners that move, come back, change places or are called as nobody may be: nothing is lost, nothing is mixed."""

from __future__ import annotations

from typing import Any

import pytest

from mirror_world import MirrorWorld, some_bytes

SCAN = "P1/S1/{label}/scans/{scan}/resources/NIFTI/files/{name}"
FIRST = SCAN.format(label="S1_MR", scan=1, name="1.nii")
URL = "/data/projects/P1/subjects/S1/experiments/"


@pytest.fixture
def pulled(world: MirrorWorld) -> MirrorWorld:
    """A mirror that agrees with a session of two scans with three files each."""
    world.number = world.session_with()
    world.fill(world.number)
    assert world.mirror().exit_code == 0
    return world


def codes(report: Any) -> set[str]:
    """Every code that a report tells."""
    return {trouble.code for trouble in report.troubles} | {error.code for error in report.errors}


def quiet(world: MirrorWorld) -> None:
    """Another run has nothing to do."""
    again = world.mirror()
    assert (again.exit_code, dict(again.counts)) == (0, {}), again


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_two_sessions_that_swap_labels_are_held_and_lose_nothing(pulled: MirrorWorld, policy: str) -> None:
    """A person must give one of them another name for a moment, or move a folder away."""
    other = pulled.session_with("S2_MR")
    pulled.fill(other)
    pulled.configure(policy=policy)
    assert pulled.mirror().exit_code == 0
    held = pulled.files()
    pulled.put(f"{URL}S1_MR?label=ASIDE")
    pulled.put(f"{URL}S2_MR?label=S1_MR")
    pulled.put(f"{URL}ASIDE?label=S2_MR")

    for _ in range(2):
        report = pulled.mirror()
        assert (report.exit_code, codes(report)) == (3, {"XS-PLACE-TAKEN"})
        assert pulled.files() == held

    pulled.put(f"{URL}S1_MR?label=S3_MR")  # a person lets one go elsewhere
    assert pulled.mirror().exit_code == 0
    labels = {pulled.number: "S2_MR", other: "S3_MR"}
    assert pulled.files() == {
        SCAN.format(label=label, scan=scan, name=f"{name}.nii"): some_bytes(f"{number}/{scan}/{name}", 100)
        for number, label in labels.items()
        for scan in (1, 2)
        for name in (1, 2, 3)
    }
    quiet(pulled)


def test_a_chain_of_new_labels_is_followed_in_one_run(pulled: MirrorWorld) -> None:
    """Whoever comes first in it."""
    other = pulled.session_with("S2_MR")
    pulled.fill(other)
    assert pulled.mirror().exit_code == 0
    held = pulled.files()
    pulled.put(f"{URL}S2_MR?label=S3_MR")
    pulled.put(f"{URL}S1_MR?label=S2_MR")

    report = pulled.mirror()

    assert (report.exit_code, report.counts.get("new", 0)) == (0, 0), report
    assert pulled.files() == {
        path.replace("/S2_MR/", "/S3_MR/").replace("/S1_MR/", "/S2_MR/"): content for path, content in held.items()
    }
    quiet(pulled)


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_new_session_under_the_old_label_of_another(pulled: MirrorWorld, policy: str) -> None:
    """The files of the two never come into one folder."""
    pulled.configure(policy=policy)
    pulled.put(f"{URL}S1_MR?label=OLD_MR")
    new = pulled.session_with()
    pulled.fill(new, files=2)

    report = pulled.mirror()

    assert report.exit_code == 0, report
    assert pulled.files() == {
        SCAN.format(label=label, scan=scan, name=f"{name}.nii"): some_bytes(f"{number}/{scan}/{name}", 100)
        for number, label, names in ((pulled.number, "OLD_MR", (1, 2, 3)), (new, "S1_MR", (1, 2)))
        for scan in (1, 2)
        for name in names
    }
    quiet(pulled)


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_new_session_where_another_cannot_leave(pulled: MirrorWorld, policy: str) -> None:
    """What was to be renamed is held, and nothing of the new one comes into its folder."""
    pulled.configure(policy=policy)
    held = pulled.files()
    pulled.put(f"{URL}S1_MR?label=OLD_MR")
    (pulled.tree / "P1/S1/OLD_MR").mkdir()
    (pulled.tree / "P1/S1/OLD_MR/mine.txt").write_bytes(b"a stranger's")
    new = pulled.session_with()
    pulled.fill(new, files=4)

    report = pulled.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-PLACE-TAKEN"})
    assert pulled.files() == {**held, "P1/S1/OLD_MR/mine.txt": b"a stranger's"}
    (pulled.tree / "P1/S1/OLD_MR").rename(pulled.tree / "P1/S1/mine")
    assert pulled.mirror().exit_code == 0
    assert len([path for path in pulled.files() if "/S1_MR/" in path]) == 8
    assert len([path for path in pulled.files() if "/OLD_MR/" in path]) == 6
    quiet(pulled)


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_session_deleted_and_made_again_under_its_label(pulled: MirrorWorld, policy: str) -> None:
    """Another accession ID: what is the same stays, what is not follows the policy."""
    pulled.configure(policy=policy)
    held = pulled.files()
    pulled.delete("projects/P1/subjects/S1/experiments/S1_MR?removeFiles=true")
    pulled.session_with()
    again = pulled.session("S1_MR").id
    assert again != pulled.number
    for scan in (1, 2):
        for name in (1, 2, 3):
            content = b"another" if (scan, name) == (1, 1) else some_bytes(f"{pulled.number}/{scan}/{name}", 100)
            pulled.upload(f"experiments/{again}/scans/{scan}/resources/NIFTI/files/{name}.nii", content)

    report = pulled.mirror()

    if policy == "add":
        assert (report.exit_code, codes(report)) == (3, {"XS-MIRROR-REPLACED"})
        assert pulled.files() == held
        return
    assert (report.exit_code, report.counts["replaced"], report.counts.get("removed", 0)) == (0, 1, 0), report
    assert pulled.files() == {**held, FIRST: b"another"}
    assert held[FIRST] in pulled.trash().values()
    quiet(pulled)


def test_a_session_made_again_follows_to_where_the_layout_has_it(world: MirrorWorld) -> None:
    """In folders that are called by accession IDs its folder has another name: nothing is called removed and stays."""
    layout = {"scan": "{project}/by id/{session_id}/{scan}/{resource}/{path}"}
    world.configure(layout=layout, policy="replica", metadata=False)
    old = world.session_with()
    world.fill(old, files=2)
    assert world.mirror().exit_code == 0
    world.delete(f"projects/P1/subjects/S1/experiments/{old}?removeFiles=true")
    new = world.session_with()
    for place, content in list(world.files().items()):
        scan, resource, name = place.split("/")[3:]
        world.upload(f"experiments/{new}/scans/{scan}/resources/{resource}/files/{name}", content)

    report = world.mirror()

    assert (report.exit_code, codes(report)) == (0, set()), report
    assert report.counts["renamed"] == 1
    assert {place.split("/")[2] for place in world.files()} == {new}
    with world.opened_ledger() as ledger:
        living = {path for path, _ in ledger.living("m")}
    assert living == set(world.files())
    quiet(world)


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_session_that_moves_between_two_projects_of_a_mirror(world: MirrorWorld, policy: str) -> None:
    """Its folder goes along, with an analyst's file, and nothing is fetched."""
    world.put("/data/projects/P2")
    world.configure(project=None, projects=["P1", "P2"], policy=policy)
    number = world.session_with()
    world.fill(number)
    assert world.mirror().exit_code == 0
    held = world.files()
    (world.tree / "P1/S1/S1_MR/mine.txt").write_bytes(b"an analyst's")
    world.put("/data/projects/P2/subjects/S1")
    world.put("/data/projects/P1/subjects/S1/experiments/S1_MR/projects/P2?primary=true")
    if world.site.experiments[number].project != "P2":
        pytest.fail("the sandbox did not move it")

    report = world.mirror()

    assert (report.exit_code, report.counts.get("new", 0), report.counts.get("removed", 0)) == (0, 0, 0), report
    moved = {path.replace("P1/", "P2/", 1).replace("/S1/", "/S1/", 1): content for path, content in held.items()}
    assert {path.rsplit("/S1_MR/", 1)[1]: content for path, content in world.files().items() if "/S1_MR/" in path} == {
        **{path.rsplit("/S1_MR/", 1)[1]: content for path, content in moved.items()},
        "mine.txt": b"an analyst's",
    }
    assert not [path for path in world.files() if path.startswith("P1/")]
    quiet(world)


def test_a_session_shared_into_a_project_of_the_same_mirror(world: MirrorWorld) -> None:
    """It is there twice, once in each project, whole."""
    world.put("/data/projects/P2")
    world.configure(project=None, projects=["P1", "P2"])
    world.fill(world.session_with())
    world.put("/data/projects/P1/subjects/S1/projects/P2?label=T1")
    world.put(f"{URL}S1_MR/projects/P2?label=T1_MR")

    assert world.mirror().exit_code == 0

    files = world.files()
    ours = {path.partition("/scans/")[2]: content for path, content in files.items() if path.startswith("P1/S1/S1_MR/")}
    theirs = {path.partition("/scans/")[2]: content for path, content in files.items() if path.startswith("P2/")}
    assert (len(ours), theirs) == (6, ours)
    quiet(world)


def test_a_session_and_its_subject_renamed_at_once(pulled: MirrorWorld) -> None:
    """Files, metadata and strangers' files go along."""
    (pulled.tree / "P1/S1/S1_MR/mine.txt").write_bytes(b"an analyst's")
    held = pulled.files()
    pulled.put(f"{URL}S1_MR?label=N_MR")
    pulled.put("/data/projects/P1/subjects/S1?label=N")

    report = pulled.mirror()

    assert (report.exit_code, report.counts.get("new", 0)) == (0, 0), report
    assert pulled.files() == {path.replace("/S1/S1_MR/", "/N/N_MR/"): content for path, content in held.items()}
    quiet(pulled)


def test_an_edit_in_a_session_that_is_gone_is_asked_about_until_it_is_settled(pulled: MirrorWorld) -> None:
    """Under `replica` everything else goes to the trash; the edit stays until the person acts."""
    pulled.configure(policy="replica")
    (pulled.tree / FIRST).write_bytes(b"my own work")
    pulled.delete("projects/P1/subjects/S1/experiments/S1_MR?removeFiles=true")

    for _ in range(2):
        report = pulled.mirror()
        assert (report.exit_code, codes(report)) == (3, {"XS-TREE-EDITED"})
        assert pulled.files() == {FIRST: b"my own work"}

    (pulled.tree / FIRST).unlink()
    assert pulled.mirror().exit_code == 0
    quiet(pulled)


def test_from_add_to_replica(pulled: MirrorWorld) -> None:
    """What `add` kept goes to the trash, of a scan and of a session."""
    other = pulled.session_with("S2_MR")
    pulled.fill(other)
    assert pulled.mirror().exit_code == 0
    pulled.delete(f"experiments/{pulled.number}/scans/1?removeFiles=true")
    pulled.delete("projects/P1/subjects/S1/experiments/S2_MR?removeFiles=true")
    report = pulled.mirror()
    assert (report.exit_code, codes(report), len(pulled.files())) == (0, {"XS-MIRROR-GONE"}, 12)

    pulled.configure(policy="replica")
    report = pulled.mirror()

    assert (report.exit_code, report.counts["removed"]) == (0, 9 + 1), report
    assert {path.partition("/scans/")[0] for path in pulled.files()} == {"P1/S1/S1_MR"}
    assert len(pulled.files()) == 3
    quiet(pulled)


def test_a_selection_that_is_narrowed_and_widened(pulled: MirrorWorld) -> None:
    """What is no longer wanted stays; what is wanted anew comes, by a pattern of names too."""
    pulled.upload(f"experiments/{pulled.number}/scans/1/resources/NIFTI/files/a.json", b"{}")
    pulled.configure(files=["*.nii"], policy="replica")
    assert (pulled.mirror().exit_code, len(pulled.files())) == (0, 6)
    pulled.configure(files=["*.json"], policy="replica")
    assert (pulled.mirror().exit_code, len(pulled.files())) == (0, 7)
    pulled.configure(resources=["OTHER"], policy="replica")
    assert (pulled.mirror().exit_code, len(pulled.files())) == (0, 7)
    (pulled.tree / FIRST).unlink()
    pulled.configure(policy="replica")
    assert (pulled.mirror().exit_code, len(pulled.files())) == (0, 7)
    quiet(pulled)


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_resource_deleted_and_made_again(pulled: MirrorWorld, policy: str) -> None:
    """Another one under the same label, with one file the same, one changed, one new and one gone."""
    pulled.configure(policy=policy)
    held = pulled.files()
    where = f"experiments/{pulled.number}/scans/1/resources/NIFTI"
    pulled.delete(f"{where}?removeFiles=true")
    pulled.upload(f"{where}/files/1.nii", held[FIRST])
    pulled.upload(f"{where}/files/2.nii", b"changed")
    pulled.upload(f"{where}/files/4.nii", b"new")

    report = pulled.mirror()

    two, three, four = (SCAN.format(label="S1_MR", scan=1, name=f"{name}.nii") for name in (2, 3, 4))
    expected = {**held, four: b"new"}
    if policy == "add":
        assert (report.exit_code, codes(report)) == (3, {"XS-MIRROR-REPLACED", "XS-MIRROR-GONE"})
    else:
        assert (report.exit_code, codes(report)) == (0, set())
        expected[two] = b"changed"
        del expected[three]
    assert pulled.files() == expected


@pytest.mark.parametrize("changed", [False, True])
def test_metadata_that_were_edited_by_hand(pulled: MirrorWorld, changed: bool) -> None:
    """The edit is never lost: left where it is, or kept beside the new ones; a person is asked."""
    path = pulled.tree / "P1/S1/S1_MR/session.xml"
    path.write_bytes(b"<mine/>")
    if changed:
        pulled.put(f"{URL}S1_MR?xnat:experimentdata/note=changed")

    report = pulled.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-TREE-EDITED"})
    kept = [place for place, content in pulled.shown().items() if content == b"<mine/>"]
    assert len(kept) == 1
    assert (path.read_bytes() == b"<mine/>") != changed
    (pulled.tree / kept[0]).unlink()
    assert pulled.mirror().exit_code == 0
    assert path.read_bytes().startswith(b"<?xml")
    quiet(pulled)


def test_metadata_that_landed_before_a_crash_are_adopted(pulled: MirrorWorld) -> None:
    """They lie there, and the ledger does not know them."""
    (pulled.root / "ledger.db").unlink()
    for more in pulled.root.glob("ledger.db-*"):
        more.unlink()
    shown = pulled.shown()

    report = pulled.mirror()

    assert (report.exit_code, report.counts.get("new", 0)) == (0, 0), report
    assert pulled.shown() == shown
    quiet(pulled)


def test_sessions_and_scans_without_anything(pulled: MirrorWorld) -> None:
    """There is nothing to bring but the metadata."""
    pulled.session_with("EMPTY_MR", scans=0)
    pulled.session_with("BARE_MR", scans=1)

    assert pulled.mirror().exit_code == 0
    assert (pulled.tree / "P1/S1/EMPTY_MR/session.xml").exists()
    quiet(pulled)


@pytest.mark.parametrize(
    "layout",
    [
        {"scan": "{project}/by id/{session_id}/{scan}/{resource}/{path}"},
        {"scan": "{session}/scan {scan}/{resource}/{path}", "session": "own/{session}/{resource}/{path}"},
        {"scan": "by type/{scan_type}/{session}/{scan}/{resource}/{path}"},
    ],
)
def test_a_layout_of_ones_own_and_a_new_label(world: MirrorWorld, layout: dict[str, str]) -> None:
    """Files follow by folder or one by one."""
    world.configure(layout=layout, policy="replica", metadata=False)
    number = world.session_with()
    world.fill(number)
    world.upload(f"experiments/{number}/resources/QC/files/report.txt", b"good")
    assert world.mirror().exit_code == 0
    held = world.files()
    assert len(held) == 7
    world.put(f"{URL}S1_MR?label=NEW_MR")

    report = world.mirror()

    assert (report.exit_code, report.counts.get("new", 0), report.counts.get("removed", 0)) == (0, 0, 0), report
    assert world.files() == {path.replace("S1_MR", "NEW_MR"): content for path, content in held.items()}
    quiet(world)


def test_a_conflict_copy_is_told_in_a_layout_in_which_nobody_has_a_folder(world: MirrorWorld) -> None:
    """Also when nothing else is left of the resource (simulation, 3664)."""
    layout = {
        "scan": "{resource}/{project}/scans/{session}/{scan}/{path}",
        "session": "{resource}/{project}/sessions/{session}/{path}",
        "subject": "{resource}/{project}/subjects/{subject}/{path}",
        "project": "{resource}/{project}/itself/{path}",
    }
    world.configure(layout=layout, policy="replica", metadata=False)
    number = world.session_with()
    world.fill(number, scans=1, files=1)
    assert world.mirror().exit_code == 0
    (world.tree / "NIFTI/P1/scans/S1_MR/1/1.nii").write_bytes(b"edited")
    world.upload(f"experiments/{number}/scans/1/resources/NIFTI/files/1.nii", b"replaced", overwrite=True)
    report = world.mirror()
    assert report.exit_code == 3
    (copy,) = [path for path in world.files() if ".xnatsync-conflict-" in path]
    world.delete(f"experiments/{number}/scans/1/resources/NIFTI")

    for _ in range(2):
        report = world.mirror()
        assert (report.exit_code, {trouble.path for trouble in report.troubles}) == (3, {copy}), report

    (world.tree / copy).unlink()
    assert world.mirror().exit_code == 0


# --- names ---------------------------------------------------------------------------------------------------------


FINE = [".hidden", "a b", "%41", "a+b", "a#b", "x%2Fy", "deep/er/file", "ünï", "a;b", "a&b=c", "-rf", "~", "CON"]
HOSTILE = ["../x", "C:x", "a/../../x", "/etc/x", "a\x00b", "n" * 300, ".xnatsync\\x", "a\nb", "\u202etxt"]


def rename_in_catalogue(world: MirrorWorld, names: list[str]) -> None:
    """Gives files on the server names that no client could: in its memory, as somebody with its disk would."""
    resource = world.site.experiments[world.number].scans["1"].resources["NIFTI"]
    entries = list(resource.entries.values())
    for entry, name in zip(entries, names, strict=False):
        del resource.entries[entry.path]
        entry.path = name
        resource.entries[name] = entry


def place_as(world: MirrorWorld, scan: str, label: str, old: str, new: str) -> None:
    """Gives a file on the server another name, on its disk and in its catalogue: what a URL cannot spell, too."""
    resource = world.site.experiments[world.number].scans[scan].resources[label]
    (path,) = [path for path in (world.root / "site").rglob(old) if path.is_file()]
    (path.parent / new).parent.mkdir(parents=True, exist_ok=True)
    path.rename(path.parent / new)
    entry = resource.entries.pop(old)
    entry.path = new
    resource.entries[new] = entry


@pytest.mark.parametrize("name", FINE)
def test_a_name_that_is_odd_and_fine_comes(world: MirrorWorld, name: str) -> None:
    """Alone, and with others in a zip."""
    world.number = world.session_with()
    world.upload(f"experiments/{world.number}/scans/1/resources/ALONE/files/alone", b"alone")
    place_as(world, "1", "ALONE", "alone", name)
    for number in range(5):
        world.upload(f"experiments/{world.number}/scans/2/resources/MANY/files/many{number}", b"%d" % number)
        place_as(world, "2", "MANY", f"many{number}", f"{name}{number}")

    report = world.mirror()

    assert report.exit_code == 0, report
    files = world.files()
    assert files[f"P1/S1/S1_MR/scans/1/resources/ALONE/files/{name}"] == b"alone"
    assert len(files) == 6
    quiet(world)


def test_a_label_that_no_program_can_show_is_told_beside_the_rail(world: MirrorWorld) -> None:
    """Everything else is done and told when removals are held back (simulation, 3593)."""
    world.configure(policy="replica", max_delete=1)
    number, other = world.session_with(), world.session_with("OTHER_MR", subject="S2")
    world.fill(number)
    assert world.mirror().exit_code == 0
    for name in ("1.nii", "2.nii"):
        world.delete(f"experiments/{number}/scans/1/resources/NIFTI/files/{name}")
    world.site.experiments[other].label = "a\\b"

    report = world.mirror()

    assert {error.code for error in report.errors} == {"XS-MAX-DELETE", "XS-NAME-HOSTILE"}, report
    assert len(world.files()) == 6
    assert not list((world.tree / ".xnatsync" / "staging").rglob("*"))


def test_metadata_are_not_put_beside_what_differs_in_case_alone(world: MirrorWorld) -> None:
    """Some disks take them for one; a person is asked, until it is gone (simulation, 194)."""
    world.session_with()
    strange = world.tree / "P1" / "S1" / "SUBJECT.XML"
    strange.parent.mkdir(parents=True)
    strange.write_bytes(b"somebody's")

    report = world.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-NAME-CLASH"}), report
    assert {path for path in world.shown() if path.lower().endswith("subject.xml")} == {"P1/S1/SUBJECT.XML"}
    strange.unlink()
    assert world.mirror().exit_code == 0
    assert "P1/S1/subject.xml" in world.shown()
    quiet(world)


@pytest.mark.parametrize("then", ["renamed", "renamed to another", "deleted"])
def test_a_label_that_no_folder_can_have_is_told_and_over_when_it_is(world: MirrorWorld, then: str) -> None:
    """An owner that was called so from the start never had a folder: none is moved or looked at (simulation, 45)."""
    number = world.session_with("session.xml")
    world.fill(number)
    report = world.mirror()
    assert (report.exit_code, codes(report)) == (3, {"XS-NAME-HOSTILE"}), report

    if then == "deleted":
        world.delete(f"experiments/{number}")
    else:
        label = "S1_MR" if then == "renamed" else "project.xml"
        world.put(f"/data/projects/P1/subjects/S1/experiments/session.xml?label={label}")
    report = world.mirror()

    expected = (3, {"XS-NAME-HOSTILE"}) if then == "renamed to another" else (0, set())
    assert (report.exit_code, codes(report)) == expected, report
    assert len(world.files()) == (6 if then == "renamed" else 0)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_held_and_all_others_come(world: MirrorWorld, name: str) -> None:
    """Nothing is written outside, and it is told."""
    world.number = world.session_with()
    world.fill(world.number)
    rename_in_catalogue(world, [name])

    report = world.mirror()

    assert report.exit_code == 3, report
    assert codes(report) <= {"XS-NAME-HOSTILE", "XS-LISTING-SHORT"}
    assert "XS-NAME-HOSTILE" in codes(report)
    assert len(world.files()) == 5
    assert {path.name for path in world.root.iterdir()} >= {"tree", "site", "ledger.db"}
    assert not list(world.root.glob("x*/")) or {p.name for p in world.root.glob("x*")} <= {"xnatsync.toml"}


@pytest.mark.parametrize("names", [("a.nii", "A.nii"), ("\u00fc.nii", "u\u0308.nii"), ("a/b.nii", "A/c.nii")])
def test_names_that_some_disk_takes_for_one_are_held(world: MirrorWorld, names: tuple[str, str]) -> None:
    """Neither comes, on any system, so that a tree can be carried anywhere; all others do."""
    world.number = world.session_with()
    world.fill(world.number)
    rename_in_catalogue(world, list(names))

    report = world.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-NAME-CLASH"})
    assert len(world.files()) == 4


@pytest.mark.parametrize("label", ["../x", "a/b", ".xnatsync", "..", "n" * 300, "a\x00b", "session.xml"])
def test_a_session_with_a_hostile_label_is_told(pulled: MirrorWorld, label: str) -> None:
    """All others come; nothing is removed on the word of such a list."""
    other = pulled.session_with("S2_MR", scans=1)
    pulled.fill(other, scans=1)
    pulled.site.experiments[other].label = label
    pulled.configure(policy="replica")
    pulled.upload(f"experiments/{pulled.number}/scans/1/resources/NIFTI/files/new.nii", b"new")

    report = pulled.mirror()

    assert (report.exit_code, "XS-NAME-HOSTILE" in codes(report)) == (3, True), report
    assert len(pulled.files()) == 7


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_another_layout(pulled: MirrorWorld, policy: str) -> None:
    """Everything comes to its new place; what lies at the old one stays, or goes to the trash."""
    held = pulled.files()
    layout = {"scan": "{project}/{session}/{scan}/{resource}/{path}"}
    expected = {
        path.replace("P1/S1/S1_MR/scans/", "P1/S1_MR/").replace("/resources/NIFTI/files/", "/NIFTI/"): content
        for path, content in held.items()
    }
    pulled.configure(layout=layout, policy=policy, max_delete=100, metadata=False)

    report = pulled.mirror()

    assert report.exit_code == 0, report
    assert pulled.files() == (expected if policy == "replica" else {**held, **expected})
    quiet(pulled)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["project"], {"P1/resources/R/files/p.txt"}),
        (["subject"], {"P1/S1/resources/R/files/s.txt"}),
        (["session"], {"P1/S1/S1_MR/resources/R/files/e.txt"}),
        (["scan", "project"], {"P1/S1/S1_MR/scans/1/resources/R/files/a.txt", "P1/resources/R/files/p.txt"}),
    ],
)
def test_levels_choose_whose_resources_come(world: MirrorWorld, levels: list[str], expected: set[str]) -> None:
    """And when all are wanted again, the rest comes."""
    number = world.session_with(scans=1)
    owners = {
        "projects/P1": "p.txt",
        "projects/P1/subjects/S1": "s.txt",
        f"experiments/{number}": "e.txt",
        f"experiments/{number}/scans/1": "a.txt",
    }
    for owner, name in owners.items():
        world.upload(f"{owner}/resources/R/files/{name}", name.encode())
    world.configure(levels=levels)

    assert (world.mirror().exit_code, set(world.files())) == (0, expected)

    quiet(world)
    world.configure(policy="replica")
    assert (world.mirror().exit_code, len(world.files())) == (0, 4)
    quiet(world)
