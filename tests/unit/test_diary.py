"""What happened is told after the outermost commit, once, in order; what was rolled back is told to nobody."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from unit.ledger_example import NOW, fresh
from xnatsync.core.errors import Bug, LedgerMoved
from xnatsync.engine.diary import Diary
from xnatsync.engine.progress import Happening, Noted, Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import open_ledger
from xnatsync.report.log import Log


class Undone(Exception):
    """Something went wrong inside a transaction."""


class Heard:
    """An observer that remembers, and looks at once whether another process can read what it was told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[tuple[str, bool]] = []

    def hear(self, happening: Happening) -> None:
        if isinstance(happening, Noted):
            self.told.append((happening.event.text, happening.event.text in texts(self.path)))


def texts(path: Path) -> list[str]:
    with closing(open_ledger(path, read_only=True)) as reader:
        return [event.text for event in reader.events()]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with closing(fresh(tmp_path_factory.mktemp("diary"))) as opened:
        yield opened


# A history: a line is a note; a block is a transaction of its parts, which may fail at its end.
Block = tuple[list[Any], bool]
HISTORIES = st.lists(
    st.recursive(
        st.just("note"), lambda parts: st.tuples(st.lists(parts, max_size=3), st.booleans()), max_leaves=8
    ),
    max_size=4,
)  # fmt: skip


def play(diary: Diary, parts: list[Any], numbers: Iterator[int]) -> list[str]:
    """Play a history; return what happened in the end."""
    happened: list[str] = []
    for part in parts:
        if part == "note":
            text = f"line {next(numbers)}"
            diary.note("test", text)
            happened.append(text)
            continue
        inner, fails = part
        with suppress(Undone), diary.ledger.write():
            kept = play(diary, inner, numbers)
            if fails:
                raise Undone
            happened += kept
    return happened


@examples(40)
@given(parts=HISTORIES)
def test_what_is_committed_is_told_and_nothing_else(parts: list[Any], ledger: Ledger) -> None:
    """However transactions are nested, and whichever of them are undone: by the ledger's own order."""
    told: list[str] = []
    before = len(ledger.events(limit=1_000_000))
    diary = Diary(ledger, lambda: NOW, Progress(lambda h: told.append(h.event.text) if isinstance(h, Noted) else None))

    happened = play(diary, parts, iter(range(1000)))

    written = [event.text for event in ledger.events(limit=1_000_000)[before:]]
    assert told == happened == written


def test_it_is_told_when_another_process_can_read_it(tmp_path: Path) -> None:
    """Not inside the transaction: an observer that acts on what it hears may rely on it."""
    with closing(fresh(tmp_path)) as ledger:
        heard = Heard(tmp_path / "ledger.db")
        diary = Diary(ledger, lambda: NOW, Progress(heard.hear))

        with ledger.write():
            diary.note("test", "one")
            with ledger.write():
                diary.note("test", "two")
            assert heard.told == []

        assert heard.told == [("one", True), ("two", True)]


def test_a_commit_that_fails_tells_nobody(tmp_path: Path) -> None:
    """The ledger's file was replaced meanwhile: the transaction is undone at its very end."""
    told: list[Happening] = []
    with closing(fresh(tmp_path)) as ledger:
        diary = Diary(ledger, lambda: NOW, Progress(told.append))

        def moved() -> None:
            with ledger.write():
                diary.note("test", "never")
                (tmp_path / "ledger.db").rename(tmp_path / "elsewhere.db")

        with pytest.raises(LedgerMoved):
            moved()
        (tmp_path / "elsewhere.db").rename(tmp_path / "ledger.db")
        diary.note("test", "later")

    assert [happening.event.text for happening in told if isinstance(happening, Noted)] == ["later"]
    assert texts(tmp_path / "ledger.db") == ["later"]


def test_an_observer_that_fails_harms_neither_the_line_nor_the_others(tmp_path: Path) -> None:
    """Whatever it raises: the line stays, the next observer is told, and so is the next line."""

    def broken(happening: Happening) -> None:
        raise OSError("nobody reads")

    told: list[Happening] = []
    with closing(fresh(tmp_path)) as ledger:
        diary = Diary(ledger, lambda: NOW, Progress(broken, told.append))
        diary.note("test", "one")
        diary.note("test", "two")

    assert len(told) == 2
    assert texts(tmp_path / "ledger.db") == ["one", "two"]


def test_an_observer_may_use_the_ledger(tmp_path: Path) -> None:
    """From another thread too, and wait for it: nobody holds the ledger while observers are told."""
    with closing(fresh(tmp_path)) as ledger:
        seen: list[int] = []

        def asks(happening: Happening) -> None:
            asker = threading.Thread(target=lambda: seen.append(len(ledger.events())))
            asker.start()
            asker.join(timeout=20)

        Diary(ledger, lambda: NOW, Progress(asks)).note("test", "one")

        assert seen == [1]


def test_there_is_no_commit_without_a_transaction(tmp_path: Path) -> None:
    """What is to follow a commit is said inside one."""
    with closing(fresh(tmp_path)) as ledger, pytest.raises(Bug):
        ledger.after_commit(lambda: None)


def test_the_log_holds_numbers_and_codes_of_a_line_and_nothing_else(tmp_path: Path) -> None:
    """S8: neither the text nor what others wrote; numbers of the line win over its data."""
    stream = io.StringIO()
    with closing(fresh(tmp_path)) as ledger:
        data = {"many": 3, "cause": "XS-DISK-FULL", "patient": "Doe^John", "event": "forged", "uids": ["1.2.3"]}
        Diary(ledger, lambda: NOW, Progress(Log(stream).hear), run_id=1).note(
            "item.seen", "Doe^John", route="scanner", data=data
        )

    line = json.loads(stream.getvalue())
    del line["at"]
    assert line == {
        "code": "item.seen", "event": 1, "level": "info", "route": "scanner", "run": 1, "many": 3,
        "cause": "XS-DISK-FULL",
    }  # fmt: skip
