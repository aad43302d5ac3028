"""`--columns --sort-by --limit --filter --no-headers`: one meaning on every listing, whatever its form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_world import World
from mirror_box import MirrorBox
from noun_world import NounWorld, furnish, here
from xnatsync.core.errors import Usage
from xnatsync.views.picking import Picking


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    """Two MR sessions of SUB001 and a PET session of SUB002."""
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


SESSIONS = ("session", "list", "-P", "NEUROIMAGING")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--sort-by", "label"], ["MR001", "MR002", "PET001"]),
        (["--sort-by", "label:desc"], ["PET001", "MR002", "MR001"]),
        (["--sort-by", "label", "--limit", "1"], ["MR001"]),
        (["--limit", "0"], []),
        (["--filter", "label:PET*"], ["PET001"]),
        (["--filter", "label:!PET*", "--sort-by", "label:asc"], ["MR001", "MR002"]),
        (["--filter", "label:MR*", "--filter", "label:*2"], ["MR002"]),
        (["--filter", "label:mr*"], []),
    ],
)
def test_rows_are_chosen_and_sorted(options: list[str], expected: list[str], far: NounWorld) -> None:
    """The same rows as JSON, as a table, as CSV, and as keys."""
    told = far.rows(*SESSIONS, *options)
    table = far.run(*SESSIONS, *options, "--no-headers", "--columns", "label")
    cells = far.run(*SESSIONS, *options, "-o", "csv", "--columns", "label")
    keys = far.run(*SESSIONS, *options, "-q")

    assert [row["label"] for row in told] == expected
    assert table.out.split() == (expected or ["nothing", "found"])
    assert cells.out.splitlines() == ["label", *expected]
    assert keys.out.splitlines() == [row["id"] for row in told]


def test_columns_are_those_asked_for_in_that_order(far: NounWorld) -> None:
    """Also such as the table does not show by itself."""
    words = (*SESSIONS, "--columns", "xsi_type,label,label", "--sort-by", "label", "--limit", "1")

    assert far.rows(*words) == [{"xsi_type": "xnat:mrSessionData", "label": "MR001"}]
    assert far.run(*words).out.splitlines() == ["xsi type            label", "xnat:mrSessionData  MR001"]
    assert far.run(*words, "-o", "tsv").out == "xsi_type\tlabel\nxnat:mrSessionData\tMR001\n"
    assert far.run(*words, "-o", "tsv", "--no-headers").out == "xnat:mrSessionData\tMR001\n"


@pytest.mark.parametrize(
    "options",
    [["--columns", "id,colour"], ["--sort-by", "colour:desc"], ["--filter", "colour:red"]],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_an_unknown_field_is_refused_before_anything_is_asked(form: str, options: list[str], far: NounWorld) -> None:
    """The error names the fields that there are, and no request was made."""
    far.server.stop()

    ran = far.run(*SESSIONS, *options, "-o", form)

    assert (ran.code, ran.out) == (2, "")
    assert "there is no field colour here" in ran.err
    assert "id, label, subject, date, modality, subject_id, project, xsi_type" in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--columns", "id,,label"], "a comma between two"),
        (["--sort-by", "label:down"], "`:desc`"),
        (["--limit", "-1"], "from 0 on"),
        (["--filter", "label"], "names no field"),
        (["--filter", "label:[a"], "not closed"),
    ],
)
def test_what_means_nothing_is_refused(options: list[str], words: str, far: NounWorld) -> None:
    """With what to write instead."""
    ran = far.run(*SESSIONS, *options)

    assert (ran.code, ran.out) == (2, "")
    assert words in " ".join(ran.err.split())


def test_other_listings(box: World) -> None:
    """Of the ledger, and of a question whose columns are its own."""
    box.study("good")
    box.run("sync")

    listed = box.run("ledger", "list", "--filter", "table:item", "--columns", "table,rows", "-o", "json")
    asked = box.run("ledger", "query", "select id, phase from item", "--columns", "phase", "-o", "csv")
    wrong = box.run("ledger", "query", "select id, phase from item", "--columns", "path")

    assert json.loads(listed.out) == [{"table": "item", "rows": 1}]
    assert asked.out == "phase\ndone\n"
    assert (wrong.code, "The fields are: id, phase." in wrong.err) == (2, True)


def test_a_tree(trees: MirrorBox) -> None:
    """`mirror ls`: the document keeps its form, and the rows are those that were chosen."""
    trees.fill_one()
    trees.command("sync")
    every = json.loads(trees.command("mirror", "ls", "m", "-r", "-o", "json").out)["entries"]
    words = ("mirror", "ls", "m", "--recursive", "--filter", "path:*.xml", "--sort-by", "bytes:desc", "--limit", "1")
    biggest = max((one for one in every if one["path"].endswith(".xml")), key=lambda one: int(one["bytes"]))

    told = json.loads(trees.command(*words, "-o", "json").out)
    cells = trees.command(*words, "-o", "csv", "--columns", "path,version_sha256").out

    assert told["entries"] == [biggest]
    assert list(csv.DictReader(io.StringIO(cells))) == [
        {"path": biggest["path"], "version_sha256": biggest["version"]["sha256"]}
    ]
    assert trees.command(*words, "--columns", "path", "--no-headers").out.split() == [biggest["path"]]


def test_headings_go_from_every_table(box: World) -> None:
    """Also of commands that are no listings."""
    box.study("good")
    box.run("sync")

    assert (
        box.run("history", "-o", "csv", "--no-headers").out.splitlines()
        == (box.run("history", "-o", "csv").out.splitlines()[1:])
    )


# --- the rule ----------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(max_size=6), "size": st.one_of(st.none(), st.integers(), st.text("0123456789a", max_size=5))}
    ),
    max_size=8,
)


@given(ROWS, st.sampled_from(["name", "size"]), st.booleans())
def test_sorting_loses_nothing_and_knows_one_order(rows: list[dict[str, object]], field: str, desc: bool) -> None:
    """Whatever the values are: the same rows, what is unknown last, downwards the reverse of upwards."""
    down, up = (Picking.parse(sort_by=f"{field}:{order}").rows(rows) for order in ("desc", "asc"))
    known = [row[field] for row in up if row[field] not in (None, "")]

    assert sorted(map(repr, up)) == sorted(map(repr, rows)) == sorted(map(repr, down))
    assert [row[field] for row in up[: len(known)]] == known
    assert [row[field] for row in down[: len(known)]] == known[::-1]


@given(st.lists(st.integers(min_value=0, max_value=10**30), max_size=8))
def test_numbers_in_texts_count_by_value(numbers: list[int]) -> None:
    """Scan 2 before scan 10."""
    rows = [{"id": f"S{number}-MR"} for number in numbers]

    assert [row["id"] for row in Picking.parse(sort_by="id").rows(rows)] == [f"S{n}-MR" for n in sorted(numbers)]


def test_a_number_of_any_length_is_sorted() -> None:
    """An ID of thousands of digits is a text like another."""
    rows = [{"id": "9" * 6000}, {"id": "1" * 6001}, {"id": "00002"}]

    assert [len(str(row["id"])) for row in Picking.parse(sort_by="id").rows(rows)] == [5, 6000, 6001]


def test_an_empty_pattern_is_what_is_unknown() -> None:
    """`date:` are the rows without one."""
    rows = [{"date": ""}, {"date": None}, {"date": "2026-01-01"}]

    assert Picking.parse(filters=["date:"]).rows(rows) == rows[:2]
    assert Picking.parse(filters=["date:?*"]).rows(rows) == rows[2:]


def test_the_fields_are_named() -> None:
    """In the advice, which is what to do next."""
    with pytest.raises(Usage) as caught:
        Picking.parse(columns="x").check(["id", "label"])

    assert caught.value.remedy == "The fields are: id, label."
