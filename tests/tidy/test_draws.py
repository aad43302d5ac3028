"""Nothing in a landing run is drawn anew: two runs try the same examples, in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conftest
import draws

TESTS = Path(__file__).parents[1]
OWN_NUMBER = re.compile(r"\b(max_examples=|derandomize=|deadline=None|register_profile|load_profile)")


def _drawn(wanted: settings) -> list[tuple[int, str]]:
    """What a test is given under these settings."""
    found: list[tuple[int, str]] = []

    @wanted
    @given(st.integers(), st.text())
    def look(number: int, text: str) -> None:
        found.append((number, text))

    look()
    return found


@pytest.mark.skipif(draws.EXPLORING, reason="exploring is drawing anew")
def test_a_landing_run_tries_the_same_examples_each_time() -> None:
    """And keeps none from run to run."""
    assert settings.default.derandomize
    assert settings.default.database is None
    assert _drawn(draws.examples(50)) == _drawn(draws.examples(50))


def test_drawing_anew_would_be_seen() -> None:
    """The same look at settings that are not fixed."""
    anew = settings(max_examples=50, derandomize=False, database=None)
    assert _drawn(anew) != _drawn(anew)


def _own_settings(files: Iterator[Path]) -> list[str]:
    """Finds tests that decide for themselves how many examples there are; exploring would not reach them."""
    return [
        f"{path.name}:{number}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if OWN_NUMBER.search(line)
    ]


def test_no_test_has_settings_of_its_own() -> None:
    """How much and how is drawn is said in one place; a test says only how much more or less than usual."""
    others = {TESTS / "draws.py", Path(__file__)}
    assert _own_settings(path for path in sorted(TESTS.rglob("*.py")) if path not in others) == []


def test_a_planted_one_is_caught(tmp_path: Path) -> None:
    """In a decorator or as a profile."""
    (tmp_path / "a.py").write_text("x = 1\n@settings(max_examples=3)\n")
    (tmp_path / "b.py").write_text("settings.load_profile('x')\n")
    assert _own_settings(iter(sorted(tmp_path.glob("*.py")))) == ["a.py:2", "b.py:1"]


class _Config:
    """As much of a configuration as the seed of the order needs."""

    def __init__(self, **options: Any) -> None:
        self.option = type("Options", (), options)()


@pytest.mark.skipif(draws.EXPLORING, reason="exploring is another order each time")
def test_the_order_has_a_fixed_seed_that_can_be_overruled() -> None:
    """And a run without the plugin is left alone."""
    usual, asked, without = _Config(randomly_seed="default"), _Config(randomly_seed=7), _Config()
    for config in (usual, asked, without):
        conftest.pytest_configure(config)  # type: ignore[arg-type]
    assert usual.option.randomly_seed == draws.ORDER
    assert asked.option.randomly_seed == 7
    assert not hasattr(without.option, "randomly_seed")


def test_a_profile_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt wish to explore must not pass for having explored."""
    monkeypatch.setattr(draws, "PROFILE", "explor")
    with pytest.raises(KeyError, match="landing, explore"):
        draws.begin()
