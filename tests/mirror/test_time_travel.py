"""What lay in a tree at a moment is told, compared, given back and listed: from the ledger and the trash alone."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mirror_box import FIRST, SCAN, MirrorBox, now
from mirror_world import some_bytes
from xnatsync.cli.program import run
from xnatsync.core.cells import uncelled
from xnatsync.core.moment import clock_words
from xnatsync.ledger.lock import hold
from xnatsync.ledger.open import open_ledger

OLD = "P1/S1/S1_MR"


@dataclass
class History:
    """A mirror with a past: what its tree showed at each moment."""

    box: MirrorBox
    shown: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)  # (moment, path -> content)

    def sync(self) -> None:
        assert self.box.mirror().exit_code == 0
        self.shown.append((now(), self.box.shown()))

    def restored(self, folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def past(trees: MirrorBox) -> History:
    """Pulled; then one file added and one replaced; a scan deleted; the session renamed; a file restored."""
    history = History(trees)
    trees.configure(policy="replica")
    number = trees.fill_one()
    history.sync()
    trees.upload(trees.url("new.nii"), b"fresh")
    trees.upload(trees.url(), b"another version", overwrite=True)
    history.sync()
    trees.delete(f"experiments/{number}/scans/2?removeFiles=true")
    history.sync()
    trees.put("/data/projects/P1/subjects/S1/experiments/S1_MR?label=NEW_MR")
    history.sync()
    (trees.tree / "P1/S1/NEW_MR/scans/1/resources/NIFTI/files/2.nii").unlink()
    history.sync()
    return history


# --- ls ----------------------------------------------------------------------------------------------------------


def test_every_moment_is_listed_as_it_was(past: History) -> None:
    """Names and sizes, for each moment of the past; before the first run there was nothing."""
    for moment, shown in past.shown:
        ran = past.box.command("mirror", "ls", "m", "-r", "--at", moment, "-o", "json")
        entries = ran.document["entries"]
        assert {entry["path"]: entry["bytes"] for entry in entries} == {p: len(c) for p, c in shown.items()}
        assert {entry["path"]: entry["version"]["sha256"] for entry in entries} == {
            path: hashlib.sha256(content).hexdigest() for path, content in shown.items()
        }
        lines = past.box.command("mirror", "ls", "m", "--recursive", "--at", moment).out.splitlines()
        assert lines == sorted(shown)
    assert "there was nothing in the tree" in past.box.command("mirror", "ls", "m", "--at", "2020-01-01").out


def test_a_folder_is_listed_like_a_folder(past: History) -> None:
    """What is directly in it; folders end with a slash."""
    moment = past.shown[0][0]

    def names(*path: str) -> list[str]:
        return past.box.command("mirror", "ls", "m", *path, "--at", moment).out.splitlines()

    assert names() == ["P1/"]
    assert names("P1") == names(f"{past.box.tree}/P1/") == ["P1/S1/", "P1/project.xml"]
    assert names(FIRST) == [FIRST]
    long = past.box.command("mirror", "ls", "m", OLD, "--at", moment, "--long").out
    assert "600 B  6 files" in long
    assert "trash, tree" in long


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ls", "nope"], "XS-ROUTE-UNKNOWN"),
        (["ls", "m", "P1/nobody"], "XS-NOTHING-FOUND"),
        (["ls", "m", "../etc"], "XS-USAGE"),
        (["ls", "m", "--at", "tomorrow"], "XS-USAGE"),
        (["diff", "m", "now", "2h ago"], "XS-USAGE"),
        (["diff", "m", "2999-01-01"], "XS-USAGE"),
        (["restore", "m", "P1/nobody", "--at", "now", "--to", "OUT"], "XS-NOTHING-FOUND"),
        (["manifest", "m", "--at", "2999-01-01"], "XS-USAGE"),
    ],
)
def test_what_cannot_be_answered_is_an_error(past: History, arguments: list[str], code: str) -> None:
    """With code and advice, and nothing is made."""
    out = past.box.root / "out"

    ran = past.box.command("mirror", *(str(out) if word == "OUT" else word for word in arguments))

    assert (ran.code, ran.out) == (2, "")
    assert f"[{code}]" in ran.err
    assert not out.exists()


def test_without_a_ledger_nothing_is_known(trees: MirrorBox) -> None:
    """And none is made."""
    for command in (["ls", "m"], ["diff", "m", "2h ago"], ["manifest", "m"]):
        ran = trees.command("mirror", *command)
        assert (ran.code, "[XS-NOTHING-FOUND]" in ran.err) == (2, True)
    assert not list(trees.root.glob("ledger.db*"))


# --- diff --------------------------------------------------------------------------------------------------------


def test_every_pair_of_moments_is_compared(past: History) -> None:
    """As the two trees themselves compare; what was moved counts as gone from here and come there."""
    for number, (before, old) in enumerate(past.shown):
        for after, new in past.shown[number:]:
            changes = past.box.command("mirror", "diff", "m", before, after, "-o", "json").document["changes"]
            told: dict[str, set[str]] = {"+": set(), "-": set(), "~": set()}
            for change in changes:
                if change["change"] == "moved":
                    told["-"].add(change["before"]["path"])
                    told["+"].add(change["path"])
                    assert new[change["path"]] == old[change["before"]["path"]]
                else:
                    told[change["sigil"]].add(change["path"])
            assert told["+"] == new.keys() - old.keys()
            assert told["-"] == old.keys() - new.keys()
            assert told["~"] == {path for path in old.keys() & new.keys() if old[path] != new[path]}


def test_a_difference_is_told_with_sizes(past: History) -> None:
    """`+`, `-`, `~` and `>`."""
    moments = [moment for moment, _ in past.shown]
    files = f"{OLD}/scans/1/resources/NIFTI/files"

    first = past.box.command("mirror", "diff", "m", moments[0], moments[1], "--path", files).out.splitlines()
    third = past.box.command("mirror", "diff", "m", moments[2], moments[3]).out
    none = past.box.command("mirror", "diff", "m", moments[1], moments[1]).out
    told = past.box.command("mirror", "diff", "m", moments[2], moments[3], "-o", "json").document

    assert first[:2] == [f"~ {files}/1.nii  100 B -> 15 B", f"+ {files}/new.nii  5 B"]
    shown = [clock_words(moment) for moment in moments]
    assert first[2] == f"1 added, 1 changed, from {shown[0]} to {shown[1]}"
    assert third.startswith("> P1/S1/S1_MR/ -> P1/S1/NEW_MR/  4 files, 220 B\n")  # not file by file
    assert [change["change"] for change in told["changes"]].count("moved") == 4
    assert none.startswith("nothing was another, from ")


# --- restore -----------------------------------------------------------------------------------------------------


def test_every_moment_is_given_back_to_the_byte(past: History) -> None:
    """From the tree and the trash, wherever the bytes went; and the tree stays as it is."""
    before = past.box.everything()
    for number, (moment, shown) in enumerate(past.shown):
        out = past.box.root / f"out{number}"
        ran = past.box.command("mirror", "restore", "m", ".", "--at", moment, "--to", str(out), "-o", "json")
        assert ran.code == 0, ran.out
        assert past.restored(out) == shown
        assert len(ran.document["restored"]) == len(shown)
    assert past.box.everything() == before


def test_what_lies_there_already_is_left(past: History) -> None:
    """The same is as wanted; anything else is named, and stays."""
    moment, shown = past.shown[0]
    out = past.box.root / "out"
    args = ("mirror", "restore", "m", OLD, "--at", moment, "--to", str(out))
    assert past.box.command(*args).code == 0
    (out / FIRST).write_bytes(b"x" * len(shown[FIRST]))

    again = past.box.command(*args)

    assert again.code == 3
    assert "= 6 files there already" in again.out
    words = " ".join(again.out.split())
    assert f"{FIRST}: something else exists there already; nothing was overwritten [XS-PLACE-TAKEN]" in words
    assert (out / FIRST).read_bytes() == b"x" * len(shown[FIRST])


@pytest.mark.parametrize("how", ["same size", "shorter", "gone", "a link"])
def test_a_trash_that_was_changed_is_not_believed(past: History, how: str) -> None:
    """One byte is enough: the file is not handed out and named, the others are, and no part of it is left."""
    moment, shown = past.shown[0]
    kept = next(
        path for path in (past.box.tree / ".xnatsync/trash").rglob("*")
        if path.is_file() and path.read_bytes() == shown[FIRST]
    )  # fmt: skip
    match how:
        case "same size":
            kept.write_bytes(b"X" + shown[FIRST][1:])
        case "shorter":
            kept.write_bytes(shown[FIRST][:-1])
        case "gone":
            kept.unlink()
        case "a link":
            twin = past.box.root / "twin"
            kept.rename(twin)
            kept.symlink_to(twin)
    out = past.box.root / "out"

    ran = past.box.command("mirror", "restore", "m", OLD, "--at", moment, "--to", str(out), "-o", "json")

    assert (ran.code, ran.document["exit_code"]) == (3, 3)
    (refused,) = ran.document["refused"]
    assert (refused["error"]["code"], refused["version"]["path"]) == ("XS-CONTENT-DIFFERS", FIRST)
    expected = {path: content for path, content in shown.items() if path.startswith(f"{OLD}/") and path != FIRST}
    assert past.restored(out) == expected


def test_another_copy_is_found_when_the_first_is_not_what_it_was(trees: MirrorBox) -> None:
    """The same bytes lie at two paths: when one was edited, they come from the other."""
    number = trees.session_with(scans=1)
    for name in ("a.nii", "b.nii"):
        trees.upload(f"experiments/{number}/scans/1/resources/NIFTI/files/{name}", b"the same")
    assert trees.mirror().exit_code == 0
    (trees.tree / SCAN.format(scan=1, name="a.nii")).write_bytes(b"not same")
    out = trees.root / "out"

    ran = trees.command("mirror", "restore", "m", SCAN.format(scan=1, name="a.nii"), "--at", "now", "--to", str(out))

    assert ran.code == 0, ran.out
    assert (out / SCAN.format(scan=1, name="a.nii")).read_bytes() == b"the same"


def test_what_is_nowhere_any_more_is_named(past: History) -> None:
    """The trash was emptied, as its time was over."""
    past.box.configure(policy="replica", trash_keep="0s")
    now()
    past.box.mirror()
    assert past.box.trash() == {}
    moment, _ = past.shown[0]
    out = past.box.root / "out"

    ran = past.box.command("mirror", "restore", "m", OLD, "--at", moment, "--to", str(out))

    assert ran.code == 3
    assert ran.out.count("[XS-NOTHING-FOUND]") == 5
    assert f"{FIRST}: its bytes are in the tree no longer, and in the trash no longer" in " ".join(ran.out.split())
    assert set(past.restored(out)) == {SCAN.format(scan=1, name=name) for name in ("2.nii", "3.nii")}
    long = past.box.command("mirror", "ls", "m", FIRST, "--at", moment, "--long").out
    assert "nowhere" in long


@pytest.mark.parametrize("where", ["tree", "tree/P1/deep", "drop", ".", "link"])
def test_nothing_is_restored_into_a_route(past: History, where: str) -> None:
    """Neither into the tree, nor into another route's folder, nor around one, nor through a link to one."""
    past.box.more_routes(f'[routes.d]\nkind = "drop"\nfolder = "{past.box.root}/drop"\nserver = "s"\nproject = "P1"\n')
    (past.box.root / "link").symlink_to(past.box.tree / "P1")
    before = past.box.everything()

    ran = past.box.command("mirror", "restore", "m", OLD, "--at", past.shown[0][0], "--to", str(past.box.root / where))

    assert (ran.code, "[XS-USAGE]" in ran.err) == (2, True)
    assert past.box.everything() == before
    assert list((past.box.root / "drop").iterdir()) == []


def test_a_link_in_the_target_is_not_followed(past: History) -> None:
    """Somebody put a link to the tree where a folder would be made."""
    out = past.box.root / "out"
    (out / "P1").mkdir(parents=True)
    (out / "P1" / "S1").symlink_to(past.box.tree)
    before = past.box.everything()

    ran = past.box.command("mirror", "restore", "m", FIRST, "--at", past.shown[0][0], "--to", str(out))

    assert (ran.code, "[XS-PLACE-TAKEN]" in ran.out) == (3, True)
    assert past.box.everything() == before


def test_a_remainder_of_a_killed_restore_is_in_nobodys_way(past: History) -> None:
    """What a process that is dead had begun is removed; what another restore writes in this moment is not."""
    moment, shown = past.shown[0]
    out = past.box.root / "out"
    place = out / FIRST
    place.parent.mkdir(parents=True)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    begun = place.with_name(f".{place.name}.{dead.pid}.part")
    begun.write_bytes(b"half of so")
    others = place.with_name(f".{place.name}.{os.getppid()}.part")
    others.write_bytes(b"half of what another writes")

    assert past.box.command("mirror", "restore", "m", FIRST, "--at", moment, "--to", str(out)).code == 0

    assert others.read_bytes() == b"half of what another writes"
    others.unlink()
    assert past.restored(out) == {FIRST: shown[FIRST]}


# --- manifest ----------------------------------------------------------------------------------------------------


def parsed(text: str, separator: str = ",") -> tuple[dict[str, str], list[dict[str, str]]]:
    """The head and the rows of a list."""
    lines = text.splitlines(keepends=True)
    head = dict(line[2:].rstrip("\n").split(": ", 1) for line in lines[:7])
    return head, list(csv.DictReader(io.StringIO("".join(lines[7:])), delimiter=separator))


def test_a_list_tells_everything_of_every_file(past: History) -> None:
    """CSV, TSV and JSON say the same; every row is what lay there, and whose it was then."""
    moment, shown = past.shown[0]
    head, rows = parsed(past.box.command("mirror", "manifest", "m", "--at", moment).out)
    tsv = parsed(past.box.command("mirror", "manifest", "m", "--at", moment, "-o", "tsv").out, "\t")
    document = past.box.command("mirror", "manifest", "m", "--at", moment, "-o", "json").document

    assert tsv == (head, rows)
    assert [{key: str(value) for key, value in row.items()} for row in document["entries"]] == rows
    assert {key: str(document[key]) for key in head} == head
    assert (head["route"], head["moment"], head["files"]) == ("m", moment, str(len(shown)))
    assert (head["server"], head["bytes"]) == (past.box.server.url, str(sum(map(len, shown.values()))))
    assert [row["path"] for row in rows] == sorted(shown)
    for row in rows:
        content = shown[row["path"]]
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["md5"] == hashlib.md5(content).hexdigest()
    first = next(row for row in rows if row["path"] == FIRST)
    facts = {key: first[key] for key in ("project", "subject", "session", "accession", "scan", "resource", "name")}
    assert list(facts.values()) == ["P1", "S1", "S1_MR", past.box.number, "1", "NIFTI", "1.nii"]


def test_the_same_moment_gives_the_same_bytes(past: History) -> None:
    """Whenever it is asked, after later runs and a rename too; and without a moment, as long as nothing changes."""
    lists = {
        moment: past.box.command("mirror", "manifest", "m", "--at", moment, "-o", form).out
        for moment, _ in past.shown
        for form in ("csv", "json")
    }
    bare = past.box.command("mirror", "manifest", "m").out
    assert past.box.mirror().exit_code == 0
    assert past.box.command("mirror", "manifest", "m").out == bare

    past.box.put("/data/projects/P1/subjects/S1/experiments/NEW_MR?label=THIRD_MR")
    past.box.upload(past.box.url("later.nii"), b"later")
    assert past.box.mirror().exit_code == 0

    assert lists == {
        moment: past.box.command("mirror", "manifest", "m", "--at", moment, "-o", form).out
        for moment, _ in past.shown
        for form in ("csv", "json")
    }
    assert past.box.command("mirror", "manifest", "m").out != bare


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_the_digest_can_be_had_without_this_program(past: History) -> None:
    """The command of the manual gives it; with one other byte it gives another."""
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    (command,) = [line.strip() for line in page.splitlines() if "sha256sum | sha256sum" in line]
    command = command.replace("/data/mirror", f'"{past.box.tree}"')
    head, _ = parsed(past.box.command("mirror", "manifest", "m").out)

    def told() -> str:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        return "sha256:" + done.stdout.split()[0]

    assert told() == head["digest"]
    (past.box.tree / "P1/project.xml").write_bytes(b"other")
    assert told() != head["digest"]


def test_a_list_is_written_to_a_new_file_and_to_no_other(past: History) -> None:
    """The same again is as wanted; something else is never replaced; nothing is written into a tree."""
    file = past.box.root / "list.csv"
    moments = [moment for moment, _ in past.shown]
    args = ("mirror", "manifest", "m", "--at")

    first = past.box.command(*args, moments[0], "--file", str(file))
    text = past.box.command(*args, moments[0]).out
    again = past.box.command(*args, moments[0], "--file", str(file))
    other = past.box.command(*args, moments[1], "--file", str(file))
    inside = past.box.command(*args, moments[1], "--file", str(past.box.tree / "list.csv"))

    assert (first.code, again.code, other.code, inside.code) == (0, 0, 3, 2)
    assert (first.out, file.read_text()) == ("", text)
    assert first.err.startswith("written to ")
    assert again.err.startswith("is already in ")
    assert "[XS-PLACE-TAKEN]" in other.err
    assert not (past.box.tree / "list.csv").exists()
    assert [path.name for path in past.box.root.iterdir() if "list" in path.name] == ["list.csv"]


def test_names_of_every_kind_are_listed_whole(trees: MirrorBox) -> None:
    """Commas, quotes, hashes, blanks, accents: the table is read back as it was; the output is UTF-8 everywhere."""
    number = trees.session_with(scans=1)
    names = ['a,b "c".txt', "# d.txt", "é ü.txt", "=1+1.txt"]
    for name in names:
        trees.upload(_quoted(f"experiments/{number}/scans/1/resources/NIFTI/files/{name}"), name.encode())
    assert trees.mirror().exit_code == 0

    _, rows = parsed(trees.command("mirror", "manifest", "m").out)

    listed = [row["name"] for row in rows if row["resource"]]
    assert {uncelled(name) for name in listed} == set(names)
    assert sorted(name for name in listed if name not in names) == ["'=1+1.txt"]
    assert [row["path"] for row in rows] == sorted(trees.shown(), key=lambda path: path.encode())


def _quoted(url: str) -> str:
    from urllib.parse import quote

    return quote(url)


# --- beside others -----------------------------------------------------------------------------------------------


def reading_commands(past: History) -> list[list[str]]:
    moment = past.shown[1][0]
    return [
        ["ls", "m", "-r", "--long", "--at", moment],
        ["diff", "m", past.shown[0][0], moment],
        ["manifest", "m", "--at", moment],
        ["restore", "m", OLD, "--at", moment, "--to", str(past.box.root / "out")],
    ]


def test_nothing_is_asked_and_nothing_is_written(past: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server needs to be there, and no password; tree, trash and ledger stay as they are."""
    before = past.box.everything()
    monkeypatch.delenv("XNATSYNC_S_PASSWORD")
    past.box.config.write_text(past.box.config.read_text().replace(past.box.server.url, "http://127.0.0.1:9"))

    for command in reading_commands(past):
        assert past.box.command("mirror", *command).code == 0

    assert past.box.everything() == before
    assert past.box.command("sync").code == 6  # which does need them


def test_it_works_while_a_run_goes_on(past: History) -> None:
    """Another instance holds the ledger, in the middle of a write."""
    path = past.box.root / "ledger.db"
    alone = [past.box.command("mirror", *command).out for command in reading_commands(past)[:3]]
    with hold(path):
        ledger = open_ledger(path)
        try:
            with ledger.write():
                ledger.event("test", "in the middle", level="info", now=past.shown[-1][0])
                beside = [past.box.command("mirror", *command) for command in reading_commands(past)]
                blocked = past.box.command("sync")
        finally:
            ledger.close()

    assert [ran.code for ran in beside] == [0, 0, 0, 0]
    assert [ran.out for ran in beside[:3]] == alone
    assert blocked.code == 8


def test_an_interrupted_restore_goes_on(past: History, monkeypatch: Any) -> None:
    """Asked to stop after the first file, it says so (5); the next call brings the rest."""
    from xnatsync.app import restore as restoring
    from xnatsync.app.app import App
    from xnatsync.config.load import load

    moment, shown = past.shown[0]
    out = past.box.root / "out"
    app = App(load(past.box.config))
    real = restoring.hand_out

    def once(*arguments: Any) -> None:
        real(*arguments)
        app.stop.set()

    monkeypatch.setattr(restoring, "hand_out", once)
    report = restoring.restore(app, "m", [OLD], moment, out, now=now())
    monkeypatch.undo()

    assert (report.exit_code, report.interrupted, len(report.restored)) == (5, True, 1)
    assert len(past.restored(out)) == 1
    ran = run(["--config", str(past.box.config), "mirror", "restore", "m", OLD, "--at", moment, "--to", str(out)])
    assert ran == 0
    assert past.restored(out) == {path: content for path, content in shown.items() if path.startswith(f"{OLD}/")}


def test_a_push_has_a_past_too(trees: MirrorBox) -> None:
    """What was sent from here is listed with its digest, and given back."""
    trees.session_with()
    trees.more_routes(
        f'[routes.p]\nkind = "push"\nfolder = "{trees.tree}"\nserver = "s"\nproject = "P1"\nresources = ["QC"]\n'
        'settle = "0s"\n'
    )
    place = trees.tree / "P1/S1/S1_MR/resources/QC/files/report.txt"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"good")
    assert trees.command("sync").code == 0
    moment = now()

    ran = trees.command("mirror", "ls", "p", "-r", "--at", moment, "-o", "json")

    (entry,) = ran.document["entries"]
    assert (entry["version"]["origin"], entry["bytes"]) == ("tree", 4)
    assert json.loads(trees.command("mirror", "manifest", "p", "-o", "json").out)["files"] == 1


def test_the_comparison_with_the_tree_sees_a_wrong_version(past: History) -> None:
    """The checks above are no formality: another content in the tree is another answer."""
    moment, shown = past.shown[0]
    out = past.box.root / "out"
    past.box.command("mirror", "restore", "m", ".", "--at", moment, "--to", str(out))
    assert past.restored(out) == shown
    assert past.restored(out) != past.shown[1][1]
    assert shown[FIRST] == some_bytes(f"{past.box.number}/1/1", 100)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit for the size of a file here")
def test_a_full_disk_ends_a_restore(trees: MirrorBox) -> None:
    """In a process that may write no large file: the code of the disk, nothing of the file is left, the rest came."""
    number = trees.session_with(scans=1)
    trees.upload(f"experiments/{number}/scans/1/resources/NIFTI/files/a.nii", b"small")
    trees.upload(f"experiments/{number}/scans/1/resources/NIFTI/files/b.nii", b"x" * 3_000_000)
    assert trees.mirror().exit_code == 0
    out = trees.root / "out"
    words = [sys.executable, "-m", "xnatsync", "--config", str(trees.config), "mirror", "restore", "m", "."]
    words += ["--at", "now", "--to", str(out)]

    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 1024; exec "$@"', "sh", *words], capture_output=True, text=True, check=False
    )

    assert (done.returncode, "[XS-DISK-FULL]" in done.stderr) == (5, True), done.stderr
    assert [path.name for path in out.rglob("*") if path.is_file()] == ["a.nii"]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    assert len([path for path in out.rglob("*") if path.is_file()]) == len(trees.shown())


def test_times_are_shown_as_every_command_shows_them(past: History) -> None:
    """`2026-03-01 12:00:00 UTC`, and not as the ledger writes them; documents have the whole timestamp."""
    moment, to = past.shown[1][0], str(past.box.root / "handed-out")
    for words in (
        ("ls", "m", "-r", "-l", "--at", moment),
        ("ls", "m", "nowhere", "--at", moment),
        ("diff", "m", past.shown[0][0], moment),
        ("restore", "m", ".", "--at", moment, "--to", to),
        ("manifest", "m", "--file", f"{to}.csv", "--at", moment),
    ):
        ran = past.box.command("mirror", *words)
        assert not re.search(r"\dT\d\d:", ran.out + ran.err), ran
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", " ".join((ran.out + ran.err).split())), ran
