"""What the commands say of mirrors and pushes: word for word, field by field, and without changing anything."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from cli_fields import document_faults
from mirror_box import FIRST, SCAN, MirrorBox, now
from xnatsync.sandbox.http.faults import Fault
from xnatsync.views.troubles import Case, kinds


def words(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def troubled(trees: MirrorBox) -> MirrorBox:
    """A replica that was pulled; since then everything happened on both sides that a plan can tell of."""
    number = trees.fill_one()
    trees.configure(policy="replica", recheck="0s", metadata=False)
    assert trees.command("sync").code == 0
    trees.upload(trees.url("new.nii"), b"fresh")
    trees.upload(trees.url(), b"another version", overwrite=True)
    (trees.tree / SCAN.format(scan=1, name="2.nii")).write_bytes(b"my own work")
    (trees.tree / SCAN.format(scan=1, name="3.nii")).unlink()
    trees.delete(f"experiments/{number}/scans/2?removeFiles=true")
    trees.put("/data/projects/P1/subjects/S1/experiments/S1_MR?label=NEW_MR")
    return trees


# --- sync --------------------------------------------------------------------------------------------------------


def test_sync_says_what_came(trees: MirrorBox) -> None:
    """Files and bytes, and how the tree stands; the second run has nothing to do."""
    trees.fill_one()

    first, second = trees.command("sync", "-q"), trees.command("sync", "-q")

    assert (first.code, first.err) == (0, "")
    assert trees.stable(first.out) == words(
        """
        m  ROOT/tree: 1 of 1 session, 1 of 1 subject, 1 of 1 project looked at, 600 B fetched
          + 6 files new
          ~ 3 metadata files fetched
          now 1 session, 1 subject, 1 project, 9 files, SIZE
        6 files fetched (600 B)
        """
    )
    assert (second.code, second.out) == (0, "nothing to do\n")


def test_sync_says_what_is_in_trouble(troubled: MirrorBox) -> None:
    """Everything that was done has a line with its sigil; what waits for a person has code, reason and advice."""
    ran = troubled.command("sync", "-q")

    assert ran.code == 3
    assert troubled.stable(ran.out) == words(
        """
        m  ROOT/tree: 1 of 1 session, 1 of 1 subject, 1 of 1 project looked at, 120 B fetched
          + 1 file new
          + 1 file fetched again that was missing here
          ~ 1 file replaced (the old version is kept)
          - 3 files moved to the trash, gone from the server
          > 1 folder renamed, as its session or subject was
          now 1 session, 1 subject, 1 project, 4 files, 220 B; 4 files, 400 B in the trash
          ! 1 file: it was edited here  [XS-TREE-EDITED]: P1/S1/NEW_MR/scans/1/resources/NIFTI/files/2.nii
            what to do: Move your version to another folder: the server's comes with the next sync. Or put
                        yours on the server: it is over when both agree.
        3 files fetched (120 B), 3 to the trash, 1 held
        """
    )


def test_what_sync_advises_helps(troubled: MirrorBox) -> None:
    """The edited file is moved away: the server's comes, and nothing is held any more."""
    troubled.command("sync")
    place = troubled.tree / SCAN.format(scan=1, name="2.nii").replace("S1_MR", "NEW_MR")
    place.rename(troubled.root / "mine.nii")

    ran = troubled.command("sync", "-q")

    assert ran.code == 0, ran.out
    assert "+ 1 file fetched again that was missing here\n" in ran.out


def test_many_troubles_are_one_line(trees: MirrorBox) -> None:
    """Three examples and the number of all of them; the document has each."""
    number = trees.session_with(scans=1)
    trees.fill(number, scans=1, files=8)
    trees.command("sync")
    for name in range(1, 7):
        (trees.tree / SCAN.format(scan=1, name=f"{name}.nii")).write_bytes(b"edited")

    text, document = trees.command("sync", "-q").out, trees.command("sync", "-q", "-o", "json").document

    assert "! 6 files: it was edited here [XS-TREE-EDITED]: " in one_line(text)
    assert one_line(text).count(".nii") == 3
    assert " and 3 more" in one_line(text)
    (part,) = document["mirrors"]
    assert len(part["troubles"]) == 6
    assert all(trouble["person"] and trouble["advice"] and trouble["since"] for trouble in part["troubles"])


def test_the_number_of_very_many_is_told_whole() -> None:
    """The ledger tells fifty of an owner one by one and the number of all: neither is counted twice."""
    told = [Case(f"a/{n}", "XS-MIRROR-GONE", "gone", False, 1) for n in range(50)]
    more = [
        Case("", "XS-MIRROR-GONE", "any words", False, 1, 1200),
        Case("b", "XS-MIRROR-GONE", "gone", False, 2),
    ]
    waits = [Case("c", "XS-TREE-EDITED", "edited", True, 2)]

    found = kinds([*told, *more, *waits])

    assert [(kind.code, kind.many) for kind in found] == [("XS-TREE-EDITED", 1), ("XS-MIRROR-GONE", 1201)]


def test_what_is_only_told_holds_nothing_up(trees: MirrorBox) -> None:
    """`add` keeps what the server no longer has: a line for people, and exit code 0."""
    number = trees.fill_one()
    trees.command("sync")
    trees.delete(f"experiments/{number}/scans/2?removeFiles=true")

    ran = trees.command("sync", "-q")

    assert ran.code == 0
    assert "- 3 files: the server no longer has it [XS-MIRROR-GONE]: " in one_line(ran.out)


def test_too_much_is_told_with_its_code(trees: MirrorBox) -> None:
    """Nothing was removed: 7, the code and the advice; the plan had said so."""
    number = trees.fill_one()
    trees.command("sync")
    trees.configure(policy="replica", max_delete=2)
    trees.delete(f"experiments/{number}/scans/2?removeFiles=true")

    plan, sync = trees.command("plan", "-q"), trees.command("sync", "-q")

    assert plan.code == 0
    assert "! that is more than max_delete = 2 allows: none would be removed  [XS-MAX-DELETE]" in plan.out
    assert trees.command("plan", "-o", "json").document["mirrors"][0]["over_the_rail"] is True
    assert sync.code == 7
    assert "[XS-MAX-DELETE]" in sync.out
    assert ", 1 error\n" in sync.out
    assert len(trees.files()) == 6


def test_a_server_that_is_away_is_an_error_of_the_route(trees: MirrorBox) -> None:
    """Exit code and code of the error, in text and document."""
    trees.fill_one()
    trees.server.faults.add(Fault("GET", "/data/", "status", status=503, times=1000))

    ran = trees.command("sync", "-q", "--patience", "0s", "-o", "json")

    assert document_faults(ran.document) == []
    (part,) = ran.document["mirrors"]
    assert (ran.code, part["exit_code"], len(part["errors"])) == (5, 5, 1)


# --- plan --------------------------------------------------------------------------------------------------------


def test_a_plan_says_what_would_happen_to_a_tree(troubled: MirrorBox) -> None:
    """A line for each owner and sigil, counts and bytes, and the sum of all."""
    ran = troubled.command("plan", "-q")

    assert ran.code == 0
    assert troubled.stable(ran.out) == words(
        """
        m  ROOT/tree: 1 of 1 session, 1 of 1 subject, 1 of 1 project would be looked at
          > session NEW_MR of P1: its folder would be renamed
          + session NEW_MR of P1: 1 file, 5 B to fetch
          ~ session NEW_MR of P1: 1 file, 100 B to fetch again, missing here
          ~ session NEW_MR of P1: 1 file, 15 B to replace; the local version goes to the trash
          - session NEW_MR of P1: 3 files, 300 B to the trash, gone from the server
          ! session NEW_MR of P1:
            ! 1 file: it was edited here  [XS-TREE-EDITED]: P1/S1/NEW_MR/scans/1/resources/NIFTI/files/2.nii
              what to do: Move your version to another folder: the server's comes with the next sync. Or put
                          yours on the server: it is over when both agree.
          = 1 subject, 1 project only looked at: all files are the same
        3 files (120 B) to fetch, 4 files to the trash, 1 in trouble
        This is a plan: nothing was changed.
        """
    )


def test_a_plan_comes_true(troubled: MirrorBox) -> None:
    """What was planned in numbers is what the run then does."""
    totals = troubled.command("plan", "-o", "json").document["totals"]

    counts = troubled.command("sync", "-o", "json").document["mirrors"][0]["counts"]

    assert totals["fetch_files"] == counts["new"] + counts["restored"] + counts["replaced"]
    assert totals["fetch_bytes"] == counts["bytes"]
    assert totals["trash_files"] == counts["removed"] + counts["replaced"]
    assert totals["troubles"] == 1


@pytest.mark.parametrize("arguments", [["plan"], ["sync", "--dry-run"], ["status"], ["why", FIRST], ["history"]])
def test_a_look_changes_nothing(arguments: list[str], troubled: MirrorBox) -> None:
    """Neither the tree, nor what is ours in it, nor the ledger; no request writes."""
    before, mark = troubled.everything(), troubled.mark()

    assert troubled.command(*arguments).code == 0

    assert troubled.everything() == before
    assert troubled.writes(mark) == []


def test_a_plan_of_a_new_mirror_makes_nothing(trees: MirrorBox) -> None:
    """Not even the mark of the tree, or a ledger."""
    trees.fill_one()
    mark = trees.mark()

    ran = trees.command("plan", "-q")

    assert "+ session S1_MR of P1: 6 files, 600 B to fetch" in ran.out
    assert list(trees.tree.iterdir()) == []
    assert not list(trees.root.glob("ledger.db*"))
    assert trees.writes(mark) == []


# --- status, why, retry, dismiss, history ------------------------------------------------------------------------


def test_status_shows_how_a_tree_stands(troubled: MirrorBox) -> None:
    """Numbers of tree and trash, what is in trouble and what to do; drop and push routes beside it."""
    (troubled.root / "in").mkdir()
    troubled.more_routes(
        f'[routes.d]\nkind = "drop"\nfolder = "{troubled.root}/in"\nserver = "s"\nproject = "P1"\n'
        f'[routes.p]\nkind = "push"\nfolder = "{troubled.tree}"\nserver = "s"\nproject = "P1"\nresources = ["QC"]\n'
    )
    troubled.command("sync", "m")

    ran = troubled.command("status")

    assert ran.code == 0
    assert troubled.stable(ran.out) == words(
        """
        d  ROOT/in
          nothing was dropped yet
        m  ROOT/tree
          mirror: 1 session, 1 subject, 1 project, 4 files, 220 B; 4 files, 400 B in the trash
          ! 1 file: it was edited here  [XS-TREE-EDITED]: P1/S1/NEW_MR/scans/1/resources/NIFTI/files/2.nii
            what to do: Move your version to another folder: the server's comes with the next sync. Or put
                        yours on the server: it is over when both agree.
        p  ROOT/tree
          nothing was pushed yet
        last run: began TIME UTC, ended TIME UTC, partial (exit code 3)
        """
    )
    assert "m  " in troubled.command("status", "m").out
    assert troubled.command("status", "nope").code == 2


def test_status_before_the_first_run(trees: MirrorBox) -> None:
    """Nothing is known, nothing is made."""
    ran = trees.command("status")

    assert (ran.code, trees.stable(ran.out)) == (0, "m  ROOT/tree\n  nothing was mirrored yet\n")
    assert not list(trees.root.glob("ledger.db*"))


def test_an_owner_that_could_not_be_brought_is_shown(trees: MirrorBox) -> None:
    """Held until it is tried again: named, with the reason and the time; `retry` lets it have its turn at once."""
    trees.fill_one()
    trees.command("sync")
    trees.upload(trees.url("new.nii"), b"fresh")
    fault = trees.server.faults.add(Fault("GET", r"files/new\.nii", "body", body="WRONG", times=1000))
    run = trees.command("sync", "-q", "--patience", "0s")

    (row,) = trees.command("status", "-o", "json").document["routes"][0]["tree"]["held"]
    text, retry = trees.command("status").out, trees.command("retry", f"o{row['id']}")

    assert run.code == 5, run.out
    assert "1 not finished yet" in run.out
    for told in (run.out, text):
        assert f"! session S1_MR of P1 (o{row['id']}): " in told
        assert "[XS-CONTENT-DIFFERS]" in told
        assert "the next sync after 20" in told
    assert "is tried again with the next sync; it was held by XS-CONTENT-DIFFERS" in one_line(retry.out)
    fault.times = 0
    assert trees.command("sync", "-q", "--patience", "0s").code == 0
    assert trees.files()[SCAN.format(scan=1, name="new.nii")] == b"fresh"


@pytest.mark.parametrize("by", ["whole", "absolute", "end", "old"])
def test_the_story_of_a_path(by: str, troubled: MirrorBox) -> None:
    """By its path, whole or in part: the versions in order, where the bytes are, and how to have them back."""
    moved = FIRST.replace("S1_MR", "NEW_MR")
    troubled.command("sync")
    names = {
        "whole": moved,
        "absolute": str(troubled.tree / moved),
        "end": "NEW_MR/scans/1/resources/NIFTI/files/1.nii",
    }

    ran = troubled.command("why", names.get(by, FIRST))

    told = one_line(ran.out)
    assert ran.code == 0, ran.err
    assert (
        "1.nii of resource NIFTI of scan 1 of session NEW_MR of subject S1 of project P1 came from the server" in told
    )
    if by == "old":
        assert f"{FIRST} (route m)" in told
        assert "Its folder was renamed with the label on the server." in told
    else:
        assert f"{moved} (route m)" in told
        assert "Another version took its place. Its bytes are in the trash as " in told
        assert "That is what tree and server last agreed to hold." in told


def test_the_way_back_that_why_names_is_one(troubled: MirrorBox) -> None:
    """The command it gives restores what lay there."""
    lay = (troubled.tree / SCAN.format(scan=2, name="1.nii")).read_bytes()
    troubled.command("sync")
    gone = SCAN.format(scan=2, name="1.nii").replace("S1_MR", "NEW_MR")

    (story,) = troubled.command("why", gone, "-o", "json").document["trees"]

    (step,) = [text for text in story["next"] if "mirror restore" in text]
    command = step.split("`")[1].replace("FOLDER", str(troubled.root / "back")).split()[1:]
    assert troubled.command(*command).code == 0
    assert (troubled.root / "back" / gone).read_bytes() == lay


@pytest.mark.parametrize("by", ["label", "accession", "number", "former", "folder"])
def test_the_story_of_a_session(by: str, troubled: MirrorBox) -> None:
    """By label, accession ID, number, a label it had once, or its folder."""
    troubled.command("sync")
    names = {"label": "NEW_MR", "accession": troubled.number, "former": "S1_MR", "folder": "P1/S1/NEW_MR"}
    owner = troubled.command("status", "-o", "json").document["routes"][0]["tree"]["held"][0]["id"]

    ran = troubled.command("why", names.get(by, f"o{owner}"))

    told = one_line(ran.out)
    assert ran.code == 0, ran.err
    assert f"session NEW_MR of P1 (o{owner}) (route m)" in told
    assert f"({troubled.number}) was first seen on the server." in told
    assert "It waits for a person: P1/S1/NEW_MR/scans/1/resources/NIFTI/files/2.nii: it was edited here" in told
    assert "It is looked at again in every run." in told


def test_what_no_tree_knows_is_an_error(troubled: MirrorBox) -> None:
    """As for a drop: 2, and where to look."""
    ran = troubled.command("why", "nobody.nii")

    assert (ran.code, "[XS-NOTHING-FOUND]" in ran.err) == (2, True)


def test_retry_says_that_an_owner_is_looked_at_anyway(troubled: MirrorBox) -> None:
    """By name, and among everything; nothing is released, so the next run does look."""
    troubled.command("sync")
    owner = troubled.command("status", "-o", "json").document["routes"][0]["tree"]["held"][0]["id"]

    named, everything = troubled.command("retry", f"o{owner}"), troubled.command("retry", "--all")

    for ran in (named, everything):
        assert ran.code == 0
        assert "there is nothing to release, it is looked at in every run" in one_line(ran.out)
    assert troubled.command("sync").code == 3
    free = troubled.command("retry", "o1")
    assert "is not held" in free.out
    assert troubled.command("retry", "o99").code == 2


def test_an_owner_is_not_dismissed(troubled: MirrorBox) -> None:
    """And it is said what to do instead."""
    troubled.command("sync")

    ran = troubled.command("dismiss", "o2", "--yes")

    assert ran.code == 2
    assert "what a tree keeps is looked at in every run" in ran.err


def test_history_tells_of_trees(troubled: MirrorBox) -> None:
    """The renaming and the hold are in the diary, without labels."""
    troubled.command("sync")

    ran = troubled.command("history")

    assert "entity.renamed" in ran.out
    assert "XS-TREE-EDITED" in ran.out


# --- documents ---------------------------------------------------------------------------------------------------


def _pushes(trees: MirrorBox) -> None:
    trees.more_routes(
        f'[routes.p]\nkind = "push"\nfolder = "{trees.tree}"\nserver = "s"\nproject = "P1"\nresources = ["QC"]\n'
        'settle = "0s"\n'
    )
    for session in ("NEW_MR", "NOBODY"):
        place = trees.tree / f"P1/S1/{session}/resources/QC/files/report.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"good")


DOCUMENTS: dict[str, list[str]] = {
    "plan": ["plan"],
    "sync": ["sync"],
    "status": ["status"],
    "history": ["history"],
    "why": ["why", "NEW_MR"],
    "why a path": ["why", "1.nii"],
    "retry": ["retry", "--all"],
    "mirror-ls": ["mirror", "ls", "m"],
    "mirror-ls -r": ["mirror", "ls", "m", "-r"],
    "mirror-diff": ["mirror", "diff", "m", "BEFORE"],
    "mirror-restore": ["mirror", "restore", "m", ".", "--at", "BEFORE", "--to", "OUT"],
    "mirror-manifest": ["mirror", "manifest", "m"],
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_exactly_the_fields_described(name: str, troubled: MirrorBox) -> None:
    """In a world where everything happened: each described field and no other."""
    before = now()
    if name != "plan":
        troubled.command("sync")
    _pushes(troubled)
    troubled.upload(troubled.url("newer.nii"), b"newer")
    replaced = {"BEFORE": before, "OUT": str(troubled.root / "out")}

    ran = troubled.command(*(replaced.get(word, word) for word in DOCUMENTS[name]), "-o", "json")

    assert ran.code in {0, 3}, ran.err
    assert ran.document["schema"] == f"xnatsync/{name.split(' ')[0]}/1"
    assert document_faults(ran.document) == []
    _is_full(name, ran.document)


def _is_full(name: str, document: dict[str, Any]) -> None:
    """The lists that the case is about are not empty: an empty one is as any page describes it."""
    match name:
        case "plan":
            (mirror,), (push,) = document["mirrors"], document["pushes"]
            assert any(step["troubles"] and step["fetch"] and step["trash"] for step in mirror["steps"])
            assert push["steps"]
            assert push["unplaced"]
            assert document["totals"]["store_files"] == 1
        case "sync":
            assert {part["kind"] for part in document["mirrors"]} == {"mirror", "push"}
            assert any(part["troubles"] and part["held"] for part in document["mirrors"])
            assert any(part["unplaced"] for part in document["mirrors"])
        case "status":
            assert any(route["tree"] and route["tree"]["troubles"] for route in document["routes"])
        case "why" | "why a path":
            assert document["trees"]
        case "retry":
            assert document["reminded"]
        case "mirror-diff":
            assert {"added", "removed", "moved"} <= {change["change"] for change in document["changes"]}
        case "mirror-restore":
            assert document["restored"]
            assert document["refused"]  # the edit in place left no copy of what it took the place of


def test_the_comparison_with_the_page_sees_a_wrong_document(trees: MirrorBox) -> None:
    """A field too many, one of another type, one that is missing."""
    trees.fill_one()
    document = trees.command("sync", "-o", "json").document
    assert document_faults(document) == []
    part = document["mirrors"][0]

    part["colour"], part["entities"] = "red", "three"
    del part["standing"]["files"]

    assert len(document_faults(document)) == 3


def test_no_credentials_are_in_a_list(troubled: MirrorBox, tmp_path: Path) -> None:
    """Neither the password nor the account."""
    troubled.command("sync")

    told = troubled.command("mirror", "manifest", "m", "-o", "json").out

    assert "secret" not in told
    assert "agent" not in told


# --- pushes ------------------------------------------------------------------------------------------------------


def test_a_push_is_planned_told_and_over(trees: MirrorBox) -> None:
    """What would be stored, what was, and what belongs to nothing on the server; a second run asks a person still."""
    trees.session_with()
    trees.config.write_text(trees.config.read_text().split("[routes.m]")[0])
    _pushes(trees)
    (trees.tree / "P1/S1/NEW_MR").rename(trees.tree / "P1/S1/S1_MR")

    plan, first, second = (trees.command(*words, "-q") for words in (["plan"], ["sync"], ["sync"]))

    nobody = (
        "! 1 file: the server has no such session in this project [XS-NOT-THERE]: "
        "P1/S1/NOBODY/resources/QC/files/report.txt what to do: "
    )
    assert (plan.code, first.code, second.code) == (0, 3, 3)
    assert "+ session S1_MR of P1: 1 file, 4 B to store\n" in plan.out
    assert nobody in one_line(plan.out)
    assert "1 file (4 B) to store, 1 in trouble\n" in plan.out
    assert trees.stable(first.out).startswith("p  ROOT/tree: 1 of 1 session looked at, 4 B sent\n  + 1 file sent")
    assert first.out.endswith("1 file sent (4 B), 1 file without a place on the server\n")
    assert trees.stable(second.out).startswith("p  ROOT/tree: 1 of 1 session looked at\n  now 1 session, 1 file, 4 B\n")
    assert nobody in one_line(second.out)
    (trees.tree / "P1/S1/NOBODY/resources/QC/files/report.txt").unlink()
    assert trees.command("sync", "-q").out == "nothing to do\n"
