"""A lookup table is text: what spreadsheets write is understood, and nothing that contradicts itself is used."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.lookup_table import Near, TableInvalid
from xnatsync.disk.table_text import read_table

GOOD = "patient,label\n007,A1\n8,A2\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD.replace("\n", "\r\n"),
        'patient;label;\n"007";"A1";\n;;\n8 ; A2;\n\n',
        "patient;label\n007;A1\n007;A1\n8;A2",
    ],
)
def test_what_spreadsheets_write_is_one_table(text: str) -> None:
    """Byte-order mark, semicolon, tab, line ends, empty columns and lines, quotes, a row twice."""
    table = read_table(text, keys=[("patient",)], wanted=["label"])

    assert table.find({"patient": "007"}) == {"patient": "007", "label": "A1"}
    assert table.find({"patient": " 8"}) == {"patient": "8", "label": "A2"}


def test_nothing_is_turned_into_a_number() -> None:
    """Zeros, exponents and dates stay what they are, and only the very text is found."""
    table = read_table("id,to\n007,a\n7,b\n1E5,c\n2026-03-01,d\n")

    assert table.find({"id": "007"}) == {"id": "007", "to": "a"}
    assert table.find({"id": "7"}) == {"id": "7", "to": "b"}
    assert table.find({"id": "100000"}) is None
    assert table.find({"id": "07"}) == Near((2, 3))
    assert table.find({"id": "1e5"}) == Near((4,))
    assert table.find({"id": ""}) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("patient,label\n007,A1\n007,A2\n", "lines 2 and 3"),
        ("patient,label\n,A1\n", "line 2 says nothing in the column patient"),
        ("patient,label\n007\n", "line 2 has fewer cells"),
        ("patient,label\n007,A1,x\n", "line 2 has more cells"),
        ("patient,patient\n007,A1\n", "two of its columns"),
        ("patient,,label\n1,2,3\n", "column 2 has no name"),
        ("id,label\n1,2\n", "no column patient"),
        ("patient,other\n1,2\n", "no column label"),
        ('patient,label\n"007,A1\n', "line"),
        ("patient,label\n1,a\0b\n", "zero bytes"),
    ],
)
def test_a_table_that_contradicts_itself_is_none(text: str, words: str) -> None:
    """The line is told, and never what stands in a cell."""
    with pytest.raises(TableInvalid) as refused:
        read_table(text, keys=[("patient",)], wanted=["label"])

    assert words in str(refused.value)
    assert "A1" not in str(refused.value)
    assert "007" not in str(refused.value)


def test_two_columns_tell_rows_apart() -> None:
    """A worklist: one patient on two days."""
    text = "patient,day,label\n1,20260301,a\n1,20260302,b\n"

    assert read_table(text).find({"patient": "1", "day": "20260302"}) == {
        "patient": "1",
        "day": "20260302",
        "label": "b",
    }
    with pytest.raises(TableInvalid, match="differ otherwise"):
        read_table(text, keys=[("patient",)])


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).map(str.strip).filter(bool)


@given(st.dictionaries(CELLS, CELLS, max_size=6), st.sampled_from(",;\t"))
def test_what_was_written_is_found_as_it_was(rows: dict[str, str], separator: str) -> None:
    """Whatever the cells hold, in any script; and nothing else is found."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerows([("key", "value"), *rows.items()])

    table = read_table(out.getvalue(), keys=[("key",)])

    assert all(table.find({"key": key}) == {"key": key, "value": value} for key, value in rows.items())
    assert table.find({"key": "nobody-has-this-key"}) is None
