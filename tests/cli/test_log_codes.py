"""Only codes of ours and names of requests are written to a log as they are (S8)."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.errors import XnatsyncError
from xnatsync.report.log import Log


def written(**data: object) -> dict[str, object]:
    stream = io.StringIO()
    Log(stream).event("x.y", "a text that stays in the ledger", **data)
    return {key: value for key, value in json.loads(stream.getvalue()).items() if key not in {"at", "code", "level"}}


@pytest.mark.parametrize(
    "text",
    ["XS-Doe^John", "XS-DISK-FULL Doe", "XS-", "xs-Doe", "XS-DISK-FULL\nDoe", "XS-JOHN_DOE", "xs-" + "0" * 33, "Doe"],
)
def test_what_only_begins_like_a_code_is_left_out(text: str) -> None:
    """A name behind a prefix is no code."""
    assert written(cause=text) == {}


@given(st.text(max_size=30))
def test_no_text_of_others_gets_through(text: str) -> None:
    """Behind a code, or alone."""
    assert written(a=text, b=f"XS-{text.lower()}", c=f"XS-DISK-FULL {text}") == {}


def family(root: type[XnatsyncError]) -> list[type[XnatsyncError]]:
    return [root, *(kind for below in root.__subclasses__() for kind in family(below))]


def test_every_code_and_request_is_written() -> None:
    """All that is in the catalogue, and what our requests are called."""
    for kind in family(XnatsyncError):
        if kind.__module__ == "xnatsync.core.errors":
            assert written(cause=kind.code) == {"cause": kind.code}
    assert written(request="xs-" + "0a" * 16) == {"request": "xs-" + "0a" * 16}
