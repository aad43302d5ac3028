"""What a command writes never costs anybody what lies there: a total table of commands and of what can lie there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from cli_world import REPOSITORY, Ran, plain_environment
from mirror_box import FIRST, MirrorBox
from xnatsync.cli.everywhere import spread
from xnatsync.cli.program import build
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")

CONFIGURATION = '# of somebody else\n[servers.theirs]\nurl = "https://x.example.org"\n'


def a_ledger(place: Path) -> None:
    with sqlite3.connect(place) as theirs:
        theirs.execute("pragma application_id = 0x584E5359")
        theirs.execute("create table receipt (id integer)")
    theirs.close()


def a_full_folder(place: Path) -> None:
    place.mkdir()
    (place / "precious.txt").write_text("theirs")


def a_link(place: Path) -> None:
    target = place.with_name("behind-the-link")
    target.write_text("theirs, behind a link")
    place.symlink_to(target)


THERE: dict[str, Callable[[Path], object]] = {
    "a file": lambda place: place.write_text("theirs\n"),
    "a folder": a_full_folder,
    "a link": a_link,
    "a link to nothing": lambda place: place.symlink_to("gone"),
    "another's ledger": a_ledger,
    "another's configuration": lambda place: place.write_text(CONFIGURATION),
}
FORCED = sorted(set(THERE) - {"a file"})  # what no report ever was stays, even when it is to be overwritten


@dataclass(frozen=True, slots=True)
class Writes:
    """A command that writes to a place, and which option of which command names it."""

    option: str  # as `command --option`
    place: str  # below the world's root
    words: tuple[str, ...]  # {place} {root} {session}
    force: bool = False  # there is --force
    follows: bool = False  # what a link leads to is made there: it is what the person means
    others: bool = False  # other files come beside it
    foreign_config: bool = False  # --config is among the words
    silent: bool = False  # it goes on without writing, and says so


TABLE = {
    "verify --html": Writes("verify --html", "out.html", ("verify", "--html", "{place}"), force=True),
    "verify --report": Writes("verify --report", "out.json", ("verify", "--report", "{place}"), force=True),
    "audit --init": Writes("audit --init", "out.json", ("audit", "-P", "P1", "--init", "{place}"), force=True),
    "audit --html": Writes(
        "audit --html", "out.html", ("audit", "-P", "P1", "--mirror", "m", "--html", "{place}"), force=True
    ),
    "mirror manifest": Writes(
        "mirror manifest --file", "out.csv", ("mirror", "manifest", "m", "--file", "{place}"), force=False
    ),
    "mirror restore": Writes(
        "mirror restore --to", f"back/{FIRST}", ("mirror", "restore", "m", FIRST, "--at", "now", "--to", "{root}/back")
    ),
    "download zips": Writes(
        "session download --out", "got/S/scans.zip",
        ("session", "download", "-E", "{session}", "--out", "{root}/got", "--name", "S"),
    ),
    "download files": Writes(
        "session download --out", "got/S/scans/1/resources/NIFTI/files/1.nii",
        ("session", "download", "-E", "{session}", "--out", "{root}/got", "--name", "S", "--unzip"), others=True,
    ),
    "download scans": Writes(
        "scan download --out", "got/S/scans.zip",
        ("scan", "download", "-E", "{session}", "-s", "1", "--out", "{root}/got", "--name", "S"),
    ),
    "download a resource": Writes(
        "resource download --file", "one.zip",
        ("resource", "download", "{session}", "NIFTI", "--scan", "1", "--file", "{place}"),
    ),
    "config init": Writes(
        "config init --config", "new.toml",
        ("--config", "{place}", "config", "init", "--url", "https://x.example.org", "--user", "u", "--project", "P1",
         "--folder", "/data", "--name", "box"), foreign_config=True,
    ),
    "ledger export": Writes(
        "ledger export --to", "out/run.csv", ("ledger", "export", "run", "--to", "{root}/out"), force=True
    ),
    "project transfer": Writes(
        "project transfer --to-folder", "disk",
        ("project", "transfer", "-P", "P1", "--to-folder", "{place}", "--yes"),
    ),
    "project transfer-init": Writes(
        "project transfer-init --output-file", "out.yaml",
        ("project", "transfer-init", "-P", "P1", "--dest-project", "P2", "-f", "{place}"),
    ),
    "metrics": Writes("metrics --to", "out.prom", ("metrics", "--to", "{place}")),
    "sandbox": Writes("sandbox --root", "xnat", ("sandbox", "--root", "{place}"), follows=True),
    "service install": Writes(
        "service install --folder", "units/xnatsync.service",
        ("service", "install", "--manager", "systemd", "--system", "--folder", "{root}/units"), force=True,
    ),
    "the log": Writes("--log-file", "run.log", ("--log-file", "{place}", "sync", "m"), follows=True, silent=True),
}  # fmt: skip
READ = {  # options that name a file or a folder which is only read, and where else each is tested
    *("project transfer --plan", "certificate check file"),
    *("project transfer --from-folder", "project transfer-check --from-folder", "project transfer-check --to-folder"),
    *("--config", "audit --schedule", "audit --mirror", "config init --folder", "mirror ls --path"),
    *(
        "mirror diff --path",
        "audit manifest",
        "demo path",
        "mirror ls path",
        "config add-profile --ca-bundle",
        "config import-xnatctl file",
    ),
    *(f"session upload-dicom --tls-{file}" for file in ("ca-bundle", "cert", "key")),
    *("session upload-dicom source", "session upload-exam folder", "subject rename --mapping"),
    *("dicom inspect file", "dicom validate path", "dicom list-tags file"),
    *(f"api {verb} path" for verb in ("get", "post", "put", "delete")),  # of the server
    *("api post --file", "api put --file"),
    *("service status --folder", "service uninstall --folder"),  # test_service.py: what is not ours is not removed
}


@pytest.fixture
def site(trees: MirrorBox) -> MirrorBox:
    """A mirror that is up to date."""
    trees.fill_one()
    assert trees.command("sync").code == 0
    return trees


def told(box: MirrorBox, how: Writes, *more: str) -> Ran:
    values = {"place": str(box.root / how.place), "root": str(box.root), "session": box.number}
    words = [word.format(**values) for word in how.words]
    if how.foreign_config:
        from xnatsync.cli.program import run

        box.read()
        return Ran(run([*words, *more]), *box.read())
    return box.command(*words, *more)


def everything(root: Path, but: Path) -> dict[str, object]:
    """All that lies around a place and at it, by content; `but` is where our own state is."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        ours = path.name.startswith("ledger.db") or ".xnatsync" in path.parts or path.is_relative_to(root / "site")
        if ours or path.is_relative_to(but):
            continue
        if path.is_symlink():
            found[str(path)] = os.readlink(path)
        elif path.is_file():
            found[str(path)] = path.read_bytes()
    return found


def put(there: str, place: Path) -> Iterator[None]:
    """Let something lie at a place for as long as the block lasts."""
    place.parent.mkdir(parents=True, exist_ok=True)
    THERE[there](place)
    yield
    for left in (place, place.with_name("behind-the-link")):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


@pytest.mark.parametrize("name", TABLE)
def test_what_lies_there_stays(name: str, site: MirrorBox) -> None:
    """Refused with a way on, and each byte of it is there afterwards; nothing else lies beside it."""
    how = TABLE[name]
    place = site.root / how.place
    for there in THERE:
        if how.follows and there == "a link to nothing":
            continue
        with contextmanager(put)(there, place):
            before = everything(site.root, site.tree)

            ran = told(site, how)

            after = everything(site.root, site.tree)
            assert {path: after.get(path) for path in before} == before, there
            assert how.others or after.keys() == before.keys(), there
            said = " ".join((ran.out + ran.err).split())
            if how.silent:  # behind a link lies what the person means
                assert "cannot be written" in said
                continue
            assert ran.code in {2, 3}, (there, ran.code, said)
            assert "what to do:" in said, (there, said)


@pytest.mark.parametrize("name", [name for name, how in TABLE.items() if how.force])
def test_force_replaces_text_alone(name: str, site: MirrorBox) -> None:
    """Never a folder, what a link leads to, a ledger or a configuration."""
    how = TABLE[name]
    place = site.root / how.place
    for there in FORCED:
        with contextmanager(put)(there, place):
            before = everything(site.root, site.tree)

            ran = told(site, how, "--force")

            assert everything(site.root, site.tree) == before, there
            assert (ran.code, "[XS-PLACE-TAKEN]" in ran.err) == (3, True), (there, ran.err)
            assert "Name another file" in " ".join(ran.err.split())
    place.write_text("a report of yesterday")
    assert told(site, how, "--force").code in {0, 4}
    assert place.read_text() != "a report of yesterday"


def test_each_option_that_names_a_place_is_in_a_table() -> None:
    """A command that writes to another place has to be thought of here."""
    program = typer.main.get_command(build())
    spread(program)
    named: set[str] = set()

    def walk(command: object, words: tuple[str, ...]) -> None:
        for parameter in command.params:  # type: ignore[attr-defined]
            kind = type(getattr(parameter, "type", None)).__name__.lower()
            if "path" in kind or (parameter.metavar or "").strip("[]") in {"FILE", "DIR", "FOLDER", "PATH"}:
                long = next((text for text in parameter.opts if text.startswith("--")), parameter.name)
                named.add(" ".join((*words, str(long))) if str(long) not in {"--config", "--log-file"} else str(long))
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(program, ())
    assert named - READ == {how.option for how in TABLE.values()} - {"config init --config"}


@pytest.mark.parametrize("first", ["session", "folder"])
def test_a_download_of_one_session_never_replaces_that_of_another(first: str, trees: MirrorBox) -> None:
    """Neither its zip nor its files, although we wrote both."""
    one, two = trees.session_with("A"), trees.session_with("B")
    trees.fill(one)
    trees.fill(two)
    more = ("--unzip",) if first == "folder" else ()
    words = ("session", "download", "--out", str(trees.root / "got"), "--name", "S", *more)
    assert trees.command(*words, "-E", one).code == 0
    before = everything(trees.root, trees.tree)

    ran = trees.command(*words, "-E", two)

    assert ran.code == 3, ran.err
    assert "[XS-PLACE-TAKEN]" in ran.err
    assert everything(trees.root, trees.tree) == before
    assert trees.command(*words, "-E", one).code == 0


@pytest.mark.parametrize("name", ["other.db", "fresh.db.lock"])
def test_a_ledger_is_made_over_nothing(name: str, site: MirrorBox) -> None:
    """Where it shall be, and where its lock has to be."""
    text = site.config.read_text()
    path = site.root / name.removesuffix(".lock")
    for there in ("a file", "a folder", "a link", "another's configuration"):
        with contextmanager(put)(there, site.root / name):
            before = everything(site.root, site.tree)
            site.config.write_text(text.replace(str(site.root / "ledger.db"), str(path)))

            ran = site.command("sync")

            site.config.write_text(text)
            for left in site.root.glob("*.db*"):  # what was made new beside it
                if left.is_file() and str(left) not in before and not left.name.startswith("ledger.db"):
                    left.unlink()
            (site.root / "behind-the-link.lock").unlink(missing_ok=True)
            assert ran.code in {1, 3, 5, 7}, (there, ran.code, ran.err)
            assert "what to do:" in ran.err
            assert everything(site.root, site.tree) == before, there


# --- completion --------------------------------------------------------------------------------------------------

SCRIPTS = {
    "bash": (".bash_completions/xnatsync.sh", ".bashrc"),
    "zsh": (".zfunc/_xnatsync", ".zshrc"),
    "fish": (".config/fish/completions/xnatsync.fish", ""),
}
STARTS = {
    "text": b"alias x=y\n",
    "no end": b"alias x=y",
    "another encoding": b"# caf\xe9\r\nalias x=y\r\n\n\n",
    "nothing": b"",
}


def completed(home: Path, shell: str) -> subprocess.CompletedProcess[str]:
    words = f"from pathlib import Path; from xnatsync.cli.completing import install; install({shell!r}, Path.home())"
    return subprocess.run(
        [sys.executable, "-c", words],
        capture_output=True, text=True, cwd=REPOSITORY, env={**plain_environment(), "HOME": str(home)}, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("shell", SCRIPTS)
@pytest.mark.parametrize("text", STARTS)
def test_completion_adds_one_line_and_changes_nothing(text: str, shell: str, tmp_path: Path) -> None:
    """The start file keeps each byte, as a link to one does; a second time adds nothing."""
    script, start = SCRIPTS[shell]
    real = tmp_path / "dotfiles"
    real.write_bytes(STARTS[text])
    if start:
        (tmp_path / start).symlink_to(real)

    for _ in range(2):
        done = completed(tmp_path, shell)
        assert done.returncode == 0, done.stderr
        assert "XNATSYNC_COMPLETE" in (tmp_path / script).read_text()
        found = real.read_bytes()
        assert found.startswith(STARTS[text])
        added = found[len(STARTS[text]) :].split()
        assert len(b" ".join(added).split(b"\n")) == 1
        assert (not added) == (not start)
    assert not start or (tmp_path / start).is_symlink()


def test_the_option_itself_installs_it_for_the_shell_it_is_called_in(tmp_path: Path) -> None:
    """In bash, for bash."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m xnatsync --install-completion; exit $?"],
        capture_output=True, text=True, cwd=REPOSITORY, env={**plain_environment(), "HOME": str(tmp_path)}, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert (tmp_path / SCRIPTS["bash"][0]).exists()
    assert str(tmp_path / ".bashrc") in done.stdout


@pytest.mark.parametrize("there", ["a file", "a folder", "a link", "a link to nothing", "another's configuration"])
@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_of_somebody_else_stays(shell: str, there: str, tmp_path: Path) -> None:
    """And the start file is not touched then."""
    script, start = SCRIPTS[shell]
    place = tmp_path / script
    place.parent.mkdir(parents=True)
    THERE[there](place)
    if start:
        (tmp_path / start).write_bytes(b"mine\n")
    before = everything(tmp_path, tmp_path / "no")

    assert "PlaceTaken" in completed(tmp_path, shell).stderr

    assert everything(tmp_path, tmp_path / "no") == before


# --- what a repair and its run find in the way -------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["add", "replica"])
@pytest.mark.parametrize("there", sorted(set(THERE) - {"a link to nothing"}))
def test_a_repair_takes_nothing_away_from_anybody(there: str, policy: str, trees: MirrorBox) -> None:
    """Where a mirrored file was, somebody put something else: it is there afterwards, or kept beside the file."""
    trees.configure(policy=policy)
    trees.fill_one()
    assert trees.command("sync").code == 0
    place = trees.tree / FIRST
    place.unlink()
    THERE[there](place)
    mine = {str(path): kept for path in trees.tree.rglob("*") if (kept := _content(path)) is not None}
    ours = {path for path in mine if "/.xnatsync/" in path}

    for _ in range(2):
        trees.command("verify", "--repair")
        trees.command("sync")

    after = [kept for path in trees.tree.rglob("*") if (kept := _content(path)) is not None]
    assert [path for path in mine.keys() - ours if mine[path] not in after] == []


def _content(path: Path) -> object:
    return os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None


def test_what_somebody_keeps_among_our_own_things_in_a_drop_folder_stays(trees: MirrorBox) -> None:
    """A file, a folder or a link of theirs in `.xnatsync` and in `done`, under names that we use too."""
    drop = trees.root / "drop"
    (drop / ".xnatsync").mkdir(parents=True)
    (drop / ".xnatsync" / "notes.txt").write_text("theirs")
    (drop / "done").mkdir()
    (drop / "done" / "exam").write_text("theirs")
    text = trees.config.read_text()
    trees.config.write_text(
        text + f'\n[routes.d]\nkind = "drop"\nfolder = "{drop}"\nserver = "s"\nproject = "P1"\nsettle = "0s"\n'
    )
    plan = (SeriesPlan(1, "T1", 2),)
    make_study(drop / "exam", StudyPlan("P9", "Nobody^At", "20260302", plan, size=(16, 16)), seed=3)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    (drop / "done" / day).mkdir()
    (drop / "done" / day / "exam").write_text("theirs of today")

    trees.command("sync", "d")

    assert (drop / ".xnatsync" / "notes.txt").read_text() == "theirs"
    assert (drop / "done" / "exam").read_text() == "theirs"
    assert (drop / "done" / day / "exam").read_text() == "theirs of today"
    assert len(list((drop / "done").rglob("*.dcm")) + list((drop / "exam").rglob("*.dcm"))) == 2
