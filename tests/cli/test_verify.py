"""`verify` as people and programs call it: words, documents, pages, exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cli_fields import document_faults
from cli_world import REPOSITORY, World
from xnatsync.core.errors import FolderMissing
from xnatsync.core.manifest import Level
from xnatsync.core.verification import Depth, Finding, Looked, Repair, Tally, Target, Verdict, VerifyReport
from xnatsync.views.verification_page import verification_page

LABEL = "P1_MR_20260302"


def words(text: str) -> str:
    """A text as it stands in the source."""
    import textwrap

    return textwrap.dedent(text).lstrip("\n")


def steady(box: World, text: str) -> str:
    """Replaces what differs from run to run."""
    import re

    return re.sub(r"in \d+ s\b", "in N s", box.stable(text))


@pytest.fixture
def delivered(box: World) -> World:
    """One study, delivered and filed."""
    box.study("good")
    assert box.run("sync").code == 0
    return box


def rot(box: World) -> Path:
    """Damages one filed file."""
    path = min((box.drop / "done").rglob("*.dcm"))
    data = bytearray(path.read_bytes())
    data[-5] ^= 0x40
    path.write_bytes(bytes(data))
    return path


def lose(box: World) -> None:
    """Takes one object out of the archive."""
    (session,) = box.server.site.experiments.values()
    resource = session.scans["1"].resources["DICOM"]
    resource.entries.pop(min(resource.entries))


def test_it_says_that_all_is_the_same(delivered: World) -> None:
    """How deeply it looked, how much it read, and how much there was."""
    ran = delivered.run("verify", "-q")

    assert (ran.code, ran.err) == (0, "")
    assert steady(delivered, ran.out) == words(
        """
        level: names on the server, bytes here
        0 B fetched, SIZE read here, in N s
        everything is the same: 1 target, 4 of 4 on the server and 4 of 4 here
        """
    )


def test_it_says_what_is_missing_and_what_differs(delivered: World) -> None:
    """By session, each with its reason, the names of some and the number of all."""
    rot(delivered)
    lose(delivered)

    ran = delivered.run("verify", "-q")

    assert ran.code == 4
    assert steady(delivered, ran.out) == words(
        """
        session P1_MR_20260302 of DEMO  (route scanner)
          1 differs in the filed copy: DAY/good/01_T1_head/0001.dcm (its content is not what was
            proven)
          1 missing on the server: UID
        level: names on the server, bytes here
        0 B fetched, SIZE read here, in N s
        not everything is the same: 1 target, 3 of 4 on the server and 3 of 4 here; 1 missing, 1 differs
        """
    )


def test_it_says_what_a_repair_would_do(delivered: World) -> None:
    """And that nothing was changed; then it does it."""
    lose(delivered)

    plan = delivered.run("verify", "-q", "--repair", "--dry-run")
    done = delivered.run("verify", "-q", "--repair")

    assert (plan.code, done.code) == (4, 4)
    assert steady(delivered, plan.out) == words(
        """
        session P1_MR_20260302 of DEMO  (route scanner)
          1 missing on the server: UID
        ~ session P1_MR_20260302 of DEMO: item 1 goes back into the drop folder as good; the next sync sends
          what is missing
        This is a plan: nothing was changed.
        level: names on the server, bytes here
        0 B fetched, SIZE read here, in N s
        not everything is the same: 1 target, 3 of 4 on the server and 4 of 4 here; 1 missing
        """
    )
    assert "This is a plan" not in done.out
    assert delivered.run("sync").code == 0
    assert delivered.run("verify").code == 0


def test_before_the_first_run_there_is_nothing_to_verify(box: World) -> None:
    """And no ledger is made."""
    ran = box.run("verify")

    assert (ran.code, ran.out) == (0, "0 targets: nothing to look at\n")
    assert not list(box.root.glob("ledger.db*"))


def test_the_scheduled_form(delivered: World) -> None:
    """One command, in a process of its own, night after night: a part each, 4 on a finding, files replaced whole."""
    manual = (REPOSITORY / "docs" / "commands.md").read_text("utf-8").partition("### On a schedule")[2]
    documented = next(line.split() for line in manual.splitlines() if line.startswith("    xnatsync verify "))
    out = delivered.root / "out"
    places = {"1/7": "1/2"} | {f"/var/lib/xnatsync/{name}": str(out / name) for name in ("verify.json", "verify.html")}
    command = [places.get(word, word) for word in documented[1:]]
    page, document = out / "verify.html", out / "verify.json"
    assert set(places.values()) < set(command)

    first = delivered.spawn(*command)
    before = document.stat().st_ino, page.read_text()
    lose(delivered)
    nights = [delivered.spawn(*command) for _ in range(2)]  # an empty part, and the first of the next round

    assert first.code == 0, first
    assert [night.code for night in nights] == [0, 4], nights
    assert (document.stat().st_ino, page.read_text()) != before
    told = json.loads(document.read_text())
    assert document_faults(told) == []
    assert told["exit_code"] == nights[-1].code
    assert sorted(path.name for path in page.parent.iterdir()) == ["verify.html", "verify.json"]


def test_exit_codes(delivered: World) -> None:
    """4 for a difference, 5 when it could not look, 7 when a disk is away; 8 for a repair beside another instance."""
    from xnatsync.ledger.lock import hold

    with hold(delivered.root / "ledger.db"):
        assert delivered.run("verify", "--repair").code == 8
        assert delivered.run("verify", "--repair", "--dry-run").code == 0
        assert delivered.run("verify").code == 0
    (delivered.drop / "done").rename(delivered.root / "away")
    assert delivered.run("verify").code == 7
    (delivered.root / "away").rename(delivered.drop / "done")
    assert delivered.run("verify").code == 0
    delivered.configure(url="http://127.0.0.1:9")
    down = delivered.run("verify", "-o", "json")
    assert (down.code, down.document["exit_code"]) == (5, 5)
    assert document_faults(down.document) == []
    assert [error["code"] for error in down.document["errors"]] == ["XS-SERVER-UNREACHABLE"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--level", "much"],
        ["--sample", "0"],
        ["--sample", "some"],
        ["--sample", "120%"],
        ["--sample", "2/7"],
        ["--sample", "1/0"],
        ["--session", "[x"],
        ["--dry-run"],
        ["--workers", "0"],
        ["nowhere"],
    ],
)
def test_what_makes_no_sense_is_refused(box: World, arguments: list[str]) -> None:
    """With what to write instead, before anything is asked of a server."""
    before = len(box.server.log)

    ran = box.run("verify", *arguments)

    assert (ran.code, len(box.server.log)) == (2, before)


def test_the_document_tells_everything(delivered: World) -> None:
    """With findings, repairs and errors, every field as described."""
    rot(delivered)
    lose(delivered)

    ran = delivered.run("verify", "--repair", "--dry-run", "-o", "json")

    document = ran.document
    assert document_faults(document) == []
    assert (ran.code, document["exit_code"], document["counts"]["missing"], document["rehearsed"]) == (4, 4, 1, True)
    assert {(part["side"], part["verdict"]) for part in document["findings"]} == {
        ("filed", "differs"),
        ("server", "missing"),
    }
    assert [part["session"] for part in document["targets"]] == [LABEL]
    assert [(part["action"], part["done"]) for part in document["repairs"]] == [("person", False)]


def test_reports_are_written_beside(delivered: World) -> None:
    """A page and a document, whole, and over nothing; refused before the work."""
    page, report = delivered.root / "out" / "page.html", delivered.root / "out" / "report.json"
    lose(delivered)

    ran = delivered.run("verify", "--html", str(page), "--report", str(report))
    runs = len(delivered.server.log)
    again = delivered.run("verify", "--html", str(page))

    assert (ran.code, again.code) == (4, 3)
    assert len(delivered.server.log) == runs
    assert "XS-PLACE-TAKEN" in again.err
    assert delivered.run("verify", "--html", str(page), "--force").code == 4
    document = json.loads(report.read_text())
    assert (document["schema"], document_faults(document)) == ("xnatsync/verify/1", [])
    assert LABEL in page.read_text()
    assert sorted(path.name for path in page.parent.iterdir()) == ["page.html", "report.json"]


def test_a_part_and_a_sample(delivered: World) -> None:
    """Options reach the work."""
    delivered.study("other", "P2", seed=2)
    delivered.run("sync")

    one = delivered.run("verify", "--session", "P2_*", "-o", "json").document
    sample = delivered.run("verify", "scanner", "--sample", "1", "--level", "counts", "-o", "json").document

    assert [part["subject"] for part in one["targets"]] == ["P2"]
    assert (sample["chosen"], sample["known"]) == (1, 2)
    assert {part["server_level"] for part in sample["targets"]} == {"counts"}


def test_strict_counts_what_is_extra(delivered: World) -> None:
    """An object that somebody else added is told, and a difference only then."""
    (session,) = delivered.server.site.experiments.values()
    entries = session.scans["1"].resources["DICOM"].entries
    name = min(entries)
    entries["1.2.3.4.dcm"] = replace(entries[name], path="1.2.3.4.dcm", uid="1.2.3.4")
    (stored,) = (delivered.root / "xnat").rglob(name)
    stored.with_name("1.2.3.4.dcm").write_bytes(stored.read_bytes())

    assert (delivered.run("verify").code, delivered.run("verify", "--strict").code) == (0, 4)


# --- the page ----------------------------------------------------------------------------------------------------

HOSTILE = '<script>alert("x")</script>&<img src=x onerror=y>\u202e\x07\ud800'


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, and what a person sees."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


def hostile_report() -> VerifyReport:
    """A report in which every word of a server or a disk is hostile."""
    target = Target(
        route=HOSTILE,
        server=HOSTILE,
        project=HOSTILE,
        subject=HOSTILE,
        session=HOSTILE,
        session_id=HOSTILE,
        ids=(1,),
        files=1,
    )
    report = VerifyReport("2026-03-01T12:00:00.000Z", "2026-03-01T12:00:01.000Z", HOSTILE, 7, routes=(HOSTILE,))
    findings = tuple(
        Finding(side, verdict, HOSTILE, HOSTILE) for side in ("server", "filed", "tree") for verdict in Verdict
    )
    report.add(Looked(target, Depth(Level.NAMES, Level.BYTES), Tally(1), Tally(2, 1, 3), findings))
    report.repairs = [Repair(target, HOSTILE, "person", HOSTILE), Repair(target, None, "fetch", HOSTILE)]
    report.errors = [FolderMissing(HOSTILE, advice=HOSTILE)]
    report.more = 5
    return report


def test_a_hostile_name_is_a_name_on_the_page_and_nothing_else() -> None:
    """No script, no element, no attribute but ours; what is not seen is spelled out."""
    page = verification_page(hostile_report(), HOSTILE)
    reader = Reader()
    reader.feed(page)

    assert reader.elements == {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "h2",
            "p",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        )
    }
    assert reader.attributes == {"lang", "charset", "http-equiv", "content", "class"}
    assert sum('<script>alert("x")</script>' in text for text in reader.seen) > 20
    assert "\\u202e\\x07\\ud800" in "".join(reader.seen)
    assert page.isascii()


def test_the_reader_of_the_page_sees_a_script() -> None:
    """What is not escaped is caught."""
    reader = Reader()
    reader.feed(verification_page(hostile_report(), "x").replace("&lt;", "<", 1).replace("&gt;", ">", 1))

    assert "script" in reader.elements


def test_the_page_tells_what_a_data_manager_files(delivered: World) -> None:
    """Date, ledger, levels, each session with its counts, what was found."""
    lose(delivered)
    page = delivered.root / "page.html"
    delivered.run("verify", "--html", str(page))

    reader = Reader()
    reader.feed(page.read_text())
    text = "\n".join(reader.seen)

    for word in (LABEL, "XNAT_E00001", "names/bytes", str(delivered.root / "ledger.db"), "missing", "xnatsync "):
        assert word in text
    assert "script" not in page.read_text().lower()
    assert "http" not in page.read_text().replace("http-equiv", "")
