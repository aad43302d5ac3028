"""The judge is judged: each kind of weak parser is planted, and caught."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile.oracle import Caught, judged
from xnatsync.core.errors import Bug, SourceDamaged, XnatsyncError


def test_a_value_and_an_error_of_ours_are_given_back(tmp_path: Path) -> None:
    """Both are good ends, and what is written below the root may be written."""

    def refuse() -> int:
        raise SourceDamaged("drop.zip: it is no zip")

    assert judged(lambda: (tmp_path / "x").write_text("x"), root=tmp_path) == 1
    ended = judged(refuse, naming="drop.zip", secrets=("Nobody",))
    assert isinstance(ended, SourceDamaged)


def _raise(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def _deep() -> None:
    _deep()


def _hang() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("weak", "words"),
    [
        (_raise(KeyError("Result")), "bare KeyError"),
        (_raise(ValueError("x")), "bare ValueError"),
        (_raise(OSError(22, "x")), "bare OSError"),
        (_raise(MemoryError()), "bare MemoryError"),
        (_deep, "bare RecursionError"),
        (_raise(Bug("drop.zip")), "mistake of ours"),
        (_raise(XnatsyncError("drop.zip")), "no code"),
        (_raise(SourceDamaged(" ")), "does not say"),
        (_raise(SourceDamaged("the archive is damaged")), "does not name 'drop.zip'"),
        (_raise(SourceDamaged("drop.zip" + "x" * 5000)), "5008 characters"),
        (_raise(SourceDamaged("drop.zip of Nobody^Nomen")), "gives 'Nobody' away"),
    ],
)
def test_a_weak_end_is_caught(weak: Callable[[], None], words: str) -> None:
    """One for each way in which a parser can end badly."""
    with pytest.raises(Caught, match=words):
        judged(weak, naming="drop.zip", secrets=("Nobody",))


def test_a_hang_is_interrupted_and_caught() -> None:
    """By a signal that no handler of the program catches."""
    with pytest.raises(Caught, match="hangs"):
        judged(_hang, seconds=0.2)


def test_memory_without_bound_is_caught() -> None:
    """By what the process held at most."""
    with pytest.raises(Caught, match="MB of memory"):
        judged(lambda: bytearray(b"x") * (700 << 20), growth_bytes=100 << 20)


def test_a_write_outside_is_caught(tmp_path: Path) -> None:
    """By every way that Python has to change a file system, links included."""
    inside = tmp_path / "inside"
    inside.mkdir()
    ways: list[Callable[[], object]] = [
        lambda: (inside / ".." / "evil").write_text("x"),
        lambda: (tmp_path / "evil.d").mkdir(),
        lambda: (tmp_path / "evil").rename(inside / "good"),
        lambda: (inside / "good").rename(tmp_path / "evil"),
        lambda: (tmp_path / "evil").chmod(0o600),
        lambda: (tmp_path / "evil").unlink(),
    ]
    if sys.platform != "win32":
        ways.append(lambda: (tmp_path / "link").symlink_to("evil"))
    for way in ways:
        with pytest.raises(Caught, match="writes where"):
            judged(way, root=inside)
    assert judged(lambda: (inside / "fine").write_text("x"), root=inside) == 1


def test_a_write_of_another_thread_is_caught_where_it_counts(tmp_path: Path) -> None:
    """A server's threads are its own; those of an earlier test are nobody's."""
    inside = tmp_path / "inside"
    inside.mkdir()

    def by_another() -> None:
        thread = threading.Thread(target=(tmp_path / "evil").write_text, args=("x",))
        thread.start()
        thread.join()

    judged(by_another, root=inside)
    with pytest.raises(Caught, match="writes where"):
        judged(by_another, root=inside, all_threads=True)
