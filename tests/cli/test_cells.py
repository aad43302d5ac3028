"""`-o csv` and `-o tsv`: a table for spreadsheets and for tools that read lines, whatever names are in it."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.test_start import ALL
from cli_fields import TABLES as DESCRIBED
from cli_world import REPOSITORY, World
from mirror_box import MirrorBox
from xnatsync.views.cells import OF_ITS_OWN, TABLES, cells_text, columns_of
from xnatsync.views.printable import printable

SEPARATORS = {"csv": ",", "tsv": "\t"}
FORMS = sorted(SEPARATORS)


def read(text: str, form: str) -> list[list[str]]:
    """The rows as any reader of such files takes them; a row is a line."""
    assert text.endswith("\n")
    rows = list(csv.reader(io.StringIO(text), delimiter=SEPARATORS[form]))
    assert len(rows) == len(text.split("\n")) - 1
    return rows


@given(st.lists(st.tuples(st.text(), st.text(), st.one_of(st.none(), st.integers())), max_size=5))
@pytest.mark.parametrize("form", FORMS)
def test_whatever_a_name_is_a_row_is_a_line_of_all_columns(form: str, rows: list[tuple[str, str, int | None]]) -> None:
    """Separators, quotes, line ends, control characters, formulas: each row has its columns, and nothing is run."""
    made = [{"id": one, "label": two, "sessions": three} for one, two, three in rows]

    head, *found = read(cells_text(form, made, columns_of("subject-list")), form)

    assert head == ["id", "label", "sessions"]
    assert len(found) == len(rows)
    for (one, _, number), cells in zip(rows, found, strict=True):
        assert len(cells) == 3
        assert all(cell == printable(cell) and not cell.startswith(("=", "+", "@")) for cell in cells[:2])
        assert not cells[0].startswith("-")
        assert cells[2] == ("" if number is None else str(number))
        if one.isprintable() and one[:1].isalnum():
            assert cells[0] == one


@pytest.mark.parametrize(
    ("name", "cell"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-1", "'-1"), ("'x", "''x"), ("a\nb", "a\\nb"), ("a\tb", "a\\tb"),
     ("\x1b[31m", "\\x1b[31m"), ("\t=1", "'\\t=1"), ('say "x", y', 'say "x", y'), ("Ärzte", "Ärzte"),
     ("\udcff", "\\udcff")],
)  # fmt: skip
@pytest.mark.parametrize("form", FORMS)
def test_hostile_names(form: str, name: str, cell: str) -> None:
    """As they are written, and read again."""
    made = [{"id": name, "label": "L", "sessions": 1}]

    assert read(cells_text(form, made, columns_of("subject-list")), form)[1] == [cell, "L", "1"]


def test_the_manual_lists_every_table() -> None:
    """Commands and columns, in their order; each column is a field that json.md describes."""
    page = (REPOSITORY / "docs" / "commands.md").read_text("utf-8")
    spelled = {"-".join(command): " ".join(command) for command in ALL}
    listed = dict(re.findall(r"^\| `([a-z -]+)` \| ((?:`\w+` ?)+) \|$", page, re.MULTILINE))

    assert {name: re.findall(r"`(\w+)`", columns) for name, columns in listed.items()} == {
        spelled.get(name, name): list(columns_of(name)) for name in TABLES
    }
    for name, (path, columns) in TABLES.items():
        kind = f"xnatsync/{name}/1" if path else name.replace("-", "/", 1)
        for part in path.split(".") if path else ():
            kind = DESCRIBED[kind][part].removeprefix("list of ")
        assert {column.partition(".")[0] for column in columns} <= set(DESCRIBED[kind]), name


COMMANDS = [
    *(["project", "list"], ["subject", "list", "-P", "DEMO"], ["session", "list", "-P", "DEMO"]),
    *(["scan", "list", "-P", "DEMO", "-E", "P1_MR_20260302"], ["resource", "list", "-P", "DEMO", "P1_MR_20260302"]),
    *(["status"], ["history"], ["doctor"], ["verify"]),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_table_is_the_document_in_rows(form: str, box: World) -> None:
    """The same rows as JSON has, with the same exit code and nothing else on stdout, also before the command."""
    box.study("good")
    box.study('=cmd|"x"\t\n', "", seed=2)
    box.run("sync")

    for words in COMMANDS:
        ran, before, told = box.run(*words, "-o", form), box.run("-o", form, *words), box.run(*words, "-o", "json")
        name = "-".join(word for word in words[:2] if word[0] not in "-P")
        path, _ = TABLES[name]
        rows = json.loads(told.out)
        for part in path.split(".") if path else ():
            rows = [below for row in rows for below in row[part]] if isinstance(rows, list) else rows[part]
        head, *found = read(ran.out, form)
        assert ran.code == before.code == told.code
        assert head == list(columns_of(name))
        assert len(found) == len(rows)
        if name not in {"doctor", "verify"}:
            assert before.out == ran.out
    status = read(box.run("status", "-o", form).out, form)
    assert [row[3] for row in status[1:]] == ['\'=cmd|"x"\\t\\n']


def test_an_empty_table_has_its_headings(box: World) -> None:
    """A script that reads columns by name finds them."""
    assert box.run("history", "-o", "csv").out == "id,at,level,code,text,route,run,item,unit,path,data\n"


@pytest.mark.parametrize("form", FORMS)
def test_trees_too(form: str, trees: MirrorBox) -> None:
    """`mirror ls`, `mirror diff`, `mirror manifest`; the form may stand before the command."""
    trees.command("sync")

    listed = read(trees.command("mirror", "ls", "m", "--recursive", "-o", form).out, form)
    changed = read(trees.command("mirror", "diff", "m", "2020-01-01", "-o", form).out, form)
    manifest = trees.command("-o", form, "mirror", "manifest", "m").out

    assert listed[0][:2] == ["path", "folder"]
    assert len(listed) == len(changed) > 1
    assert f"path{SEPARATORS[form]}size" in manifest


@pytest.mark.parametrize(
    "command", [name for name in ALL if "-".join(name) not in {*TABLES, "mirror-manifest", OF_ITS_OWN}], ids=" ".join
)
def test_what_prints_no_table_is_refused_before_anything_is_done(
    command: tuple[str, ...], box: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, stdout empty, nothing done: a script notices."""
    from cli.test_everywhere import NOWHERE

    more = {("demo",): ["-q"], ("sandbox",): ["--root", str(box.root / "s"), "--port", "0"],
            ("config", "add-profile"): ["x"], ("config", "init"): [], ("completion",): ["bash"]}  # fmt: skip
    if command == ("help",):
        return  # it prints help, in whatever form
    before = box.config.read_text("utf-8")

    ran = box.run(*command, *NOWHERE.get(command, more.get(command, [])), "-o", "csv")

    assert (ran.code, ran.out) == (2, "")
    assert "prints no table" in ran.err
    assert box.config.read_text("utf-8") == before
    assert not (box.root / "s").exists()
    assert not list(box.root.glob("ledger.db"))
