"""What a mirror does when one side changes, or both: the table of ADR 10 on real files and sockets."""

from __future__ import annotations

import os

import pytest

from mirror_world import MirrorWorld, some_bytes

SCAN = "P1/S1/S1_MR/scans/{scan}/resources/NIFTI/files/{name}"
FIRST = SCAN.format(scan=1, name="1.nii")


@pytest.fixture
def pulled(world: MirrorWorld) -> MirrorWorld:
    """A mirror that agrees with a session of two scans with three files each."""
    world.number = world.session_with()
    world.fill(world.number)
    assert world.mirror().exit_code == 0
    return world


def of(world: MirrorWorld, name: str = "1.nii", scan: int = 1) -> str:
    """The URL of a file of the session."""
    return f"experiments/{world.number}/scans/{scan}/resources/NIFTI/files/{name}"


def codes(report: object) -> set[str]:
    """The codes of a report's troubles."""
    return {trouble.code for trouble in report.troubles}


def test_a_new_file_is_brought_and_nothing_else(pulled: MirrorWorld) -> None:
    """One zip or file, not the whole session again."""
    pulled.upload(of(pulled, "new.nii"), b"fresh")

    report = pulled.mirror()

    assert (report.exit_code, report.counts["new"], report.counts["bytes"]) == (0, 1, 5)
    assert pulled.files()[SCAN.format(scan=1, name="new.nii")] == b"fresh"
    assert len(pulled.files()) == 7


def test_a_file_that_was_deleted_here_comes_back(pulled: MirrorWorld) -> None:
    """The tree shows what the server holds."""
    held = pulled.files()
    (pulled.tree / FIRST).unlink()

    report = pulled.mirror()

    assert (report.exit_code, report.counts["restored"]) == (0, 1)
    assert pulled.files() == held


def test_an_edit_is_never_lost_under_add(pulled: MirrorWorld) -> None:
    """It stays where it is, a person is asked, and the rest of the session goes on arriving."""
    (pulled.tree / FIRST).write_bytes(b"my own work")
    pulled.upload(of(pulled, "new.nii"), b"fresh")

    report = pulled.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-TREE-EDITED"})
    assert pulled.files()[FIRST] == b"my own work"
    assert pulled.files()[SCAN.format(scan=1, name="new.nii")] == b"fresh"
    assert pulled.mirror().exit_code == 3

    (pulled.tree / FIRST).write_bytes(some_bytes(f"{pulled.number}/1/1", 100))  # the person undoes it
    assert pulled.mirror().exit_code == 0


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_file_replaced_on_the_server(pulled: MirrorWorld, policy: str) -> None:
    """`add` keeps the old one and asks; `replica` brings the new one, and the old one is in the trash."""
    old = pulled.files()[FIRST]
    pulled.configure(policy=policy)
    pulled.upload(of(pulled), b"another version", overwrite=True)

    report = pulled.mirror()

    if policy == "add":
        assert (report.exit_code, codes(report)) == (3, {"XS-MIRROR-REPLACED"})
        assert pulled.files()[FIRST] == old
        return
    assert (report.exit_code, report.counts["replaced"]) == (0, 1)
    assert pulled.files()[FIRST] == b"another version"
    assert old in pulled.trash().values()


@pytest.mark.parametrize("recheck", ["7d", "0s"])
def test_a_file_replaced_by_one_of_equal_size_is_seen_when_its_files_are_listed_again(
    pulled: MirrorWorld, recheck: str
) -> None:
    """XNAT leaves no trace of it (hierarchy.md §3.9): only `recheck` finds it."""
    pulled.configure(policy="replica", recheck=recheck)
    assert pulled.mirror().exit_code == 0
    old = pulled.files()[FIRST]
    pulled.upload(of(pulled), b"x" * 100, overwrite=True)

    report = pulled.mirror()

    assert report.exit_code == 0
    assert report.counts.get("replaced", 0) == (1 if recheck == "0s" else 0)
    assert pulled.files()[FIRST] == (b"x" * 100 if recheck == "0s" else old)


def test_both_sides_changed(pulled: MirrorWorld) -> None:
    """`replica` shows the server's version and keeps the edit beside it; a person is asked until it is gone."""
    pulled.configure(policy="replica")
    (pulled.tree / FIRST).write_bytes(b"my own work")
    pulled.upload(of(pulled), b"another version", overwrite=True)

    report = pulled.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-TREE-EDITED"})
    files = pulled.files()
    assert files[FIRST] == b"another version"
    copies = [path for path, content in files.items() if content == b"my own work"]
    assert len(copies) == 1
    assert pulled.mirror().exit_code == 3

    (pulled.tree / copies[0]).unlink()
    assert pulled.mirror().exit_code == 0


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_scan_deleted_on_the_server(pulled: MirrorWorld, policy: str) -> None:
    """`add` keeps its files and tells; `replica` moves them to the trash."""
    pulled.configure(policy=policy)
    held = pulled.files()
    pulled.delete(f"experiments/{pulled.number}/scans/1?removeFiles=true")

    report = pulled.mirror()

    assert report.exit_code == 0
    if policy == "add":
        assert pulled.files() == held
        assert codes(report) == {"XS-MIRROR-GONE"}
    else:
        assert report.counts["removed"] == 3
        assert pulled.files() == {path: content for path, content in held.items() if "/scans/2/" in path}
        assert set(pulled.trash().values()) >= {content for path, content in held.items() if "/scans/1/" in path}
    again = pulled.mirror()
    assert (again.exit_code, dict(again.counts)) == (0, {})


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_session_deleted_on_the_server(pulled: MirrorWorld, policy: str) -> None:
    """The same for everything of it."""
    other = pulled.session_with("S2_MR", subject="S2")
    pulled.fill(other)
    pulled.configure(policy=policy)
    assert pulled.mirror().exit_code == 0
    held = pulled.files()
    pulled.delete("projects/P1/subjects/S1/experiments/S1_MR?removeFiles=true")

    report = pulled.mirror()

    assert report.exit_code == 0, report
    kept = {path for path in pulled.files() if "/S1_MR/" in path}
    assert len(kept) == (6 if policy == "add" else 0)
    assert {path for path in pulled.files() if "/S2_MR/" in path} == {path for path in held if "/S2_MR/" in path}
    assert pulled.mirror().exit_code == 0


def test_too_much_is_never_removed(pulled: MirrorWorld) -> None:
    """Beyond `max_delete` nothing is removed at all, and a person is asked."""
    pulled.configure(policy="replica", max_delete=2)
    held = pulled.files()
    pulled.delete(f"experiments/{pulled.number}/scans/1?removeFiles=true")

    report = pulled.mirror()

    assert report.exit_code == 7
    assert [error.code for error in report.errors] == ["XS-MAX-DELETE"]
    assert pulled.files() == held
    pulled.configure(policy="replica", max_delete=3)
    assert pulled.mirror().exit_code == 0
    assert len(pulled.files()) == 3


def test_what_is_replaced_is_no_removal(pulled: MirrorWorld) -> None:
    """`max_delete` counts what leaves the tree: what is replaced keeps its place, and its former content is kept."""
    pulled.configure(policy="replica", max_delete=0)
    old = pulled.files()[FIRST]
    pulled.upload(of(pulled), b"another version", overwrite=True)

    report = pulled.mirror()

    assert (report.exit_code, report.counts["replaced"]) == (0, 1)
    assert pulled.files()[FIRST] == b"another version"
    assert old in pulled.trash().values()
    held = pulled.files()
    pulled.delete(of(pulled))
    assert [error.code for error in pulled.mirror().errors] == ["XS-MAX-DELETE"]
    assert pulled.files() == held


def test_a_renamed_session_is_renamed_here_and_not_fetched_again(pulled: MirrorWorld) -> None:
    """With everything in its folder, a stranger's file too."""
    held = pulled.files()
    (pulled.tree / "P1/S1/S1_MR/mine.txt").write_bytes(b"an analyst's")
    pulled.put("/data/projects/P1/subjects/S1/experiments/S1_MR?label=NEW_MR")

    report = pulled.mirror()

    assert report.exit_code == 0, report
    assert (report.counts["renamed"], report.counts.get("new", 0)) == (1, 0)
    expected = {path.replace("/S1_MR/", "/NEW_MR/"): content for path, content in held.items()}
    assert pulled.files() == {**expected, "P1/S1/NEW_MR/mine.txt": b"an analyst's"}
    again = pulled.mirror()
    assert (again.exit_code, dict(again.counts)) == (0, {})


@pytest.mark.parametrize("workers", [1, 4])
def test_a_renamed_subject_takes_its_sessions_along(pulled: MirrorWorld, workers: int) -> None:
    """Whoever of them is stepped first; the subject's own files too."""
    subject = pulled.session("S1_MR").subject
    pulled.upload("projects/P1/subjects/S1/resources/NOTES/files/a.txt", b"notes")
    other = pulled.session_with("S1_MR2", scans=1)
    pulled.fill(other, scans=1)
    assert pulled.mirror().exit_code == 0
    held = pulled.files()
    pulled.put(f"/data/projects/P1/subjects/{subject}?label=NEW")

    report = pulled.mirror(workers=workers)

    assert report.exit_code == 0, report
    assert report.counts.get("new", 0) == 0
    assert pulled.files() == {path.replace("P1/S1/", "P1/NEW/"): content for path, content in held.items()}
    assert not (pulled.tree / "P1/S1").exists()
    again = pulled.mirror()
    assert (again.exit_code, dict(again.counts)) == (0, {})


def test_an_unmounted_tree_halts(pulled: MirrorWorld) -> None:
    """Its mark is missing: nothing is fetched into the empty mount point, and nothing is taken for deleted."""
    aside = pulled.root / "aside"
    pulled.tree.rename(aside)
    pulled.tree.mkdir()

    report = pulled.mirror()

    assert report.exit_code == 7
    assert [error.code for error in report.errors] == ["XS-FOLDER-MISSING"]
    assert list(pulled.tree.iterdir()) == []
    pulled.tree.rmdir()
    aside.rename(pulled.tree)
    assert pulled.mirror().exit_code == 0


def test_a_touched_file_is_read_once_and_then_known(pulled: MirrorWorld) -> None:
    """Another time and the same content is no edit."""
    os.utime(pulled.tree / FIRST, (1, 1))

    assert pulled.mirror().exit_code == 0
    again = pulled.mirror()
    assert (again.exit_code, again.due) == (0, 0)


def test_a_stranger_in_a_place_that_the_server_wants(world: MirrorWorld) -> None:
    """What somebody put there is never overwritten; what is the same is adopted without a fetch."""
    number = world.number = world.session_with()
    world.fill(number)
    (world.tree / FIRST).parent.mkdir(parents=True)
    (world.tree / FIRST).write_bytes(b"somebody's")
    same = world.tree / SCAN.format(scan=1, name="2.nii")
    same.write_bytes(some_bytes(f"{number}/1/2", 100))

    report = world.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-TREE-FOREIGN"})
    assert (report.counts["new"], report.counts["adopted"]) == (4, 1)
    assert world.files()[FIRST] == b"somebody's"


def test_a_server_without_digests_is_believed_only_about_size(world: MirrorWorld) -> None:
    """Everything comes; a file of another content and the same size here is fetched to be compared."""
    world.site.settings.values["checksums"] = False
    number = world.number = world.session_with()
    world.fill(number)
    (world.tree / FIRST).parent.mkdir(parents=True)
    (world.tree / FIRST).write_bytes(b"z" * 100)

    report = world.mirror()

    assert (report.exit_code, codes(report)) == (3, {"XS-TREE-FOREIGN"})
    assert world.files()[FIRST] == b"z" * 100
    (world.tree / FIRST).write_bytes(some_bytes(f"{number}/1/1", 100))
    assert world.mirror().exit_code == 0
