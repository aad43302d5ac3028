"""Cells of tables: no text becomes a formula, and each is read back as it was."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.cells import cell, uncelled

_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


@given(st.text() | st.tuples(st.sampled_from([*_FORMULA, "'"]), st.text()).map("".join))
def test_no_text_begins_a_formula_and_each_is_read_back(text: str) -> None:
    """Whatever it begins with; what begins with nothing of the kind stays as it is."""
    written = cell(text)
    assert not written.startswith(tuple(_FORMULA))
    assert uncelled(written) == text
    assert (written == text) == (not text.startswith((*_FORMULA, "'")))


@given(st.integers() | st.none() | st.booleans())
def test_what_is_no_text_stays(value: object) -> None:
    """A negative number is no formula."""
    assert cell(value) is value


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_table_written_and_read_holds_no_formula(separator: str) -> None:
    """Behind the quotes of CSV too."""
    out = io.StringIO()
    names = ['=cmd|"/c calc"!A0', "@SUM(A1)", "+1", "-1", "\tx", "'=x", "plain", "=a,b"]
    csv.writer(out, delimiter=separator).writerow([cell(name) for name in names])
    (row,) = csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=separator)
    assert all(text[:1] not in _FORMULA for text in row)
    assert [uncelled(text) for text in row] == names
