"""Histories of a route that selects: what it leaves out neither moves on nor gets lost, wherever the process dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim import choices, content
from sim.test_sim import CALM
from sim.world import History
from xnatsync.core.manifest import Level

SERIES_1 = choices.CHOICES[0]


def _drops(history: History) -> None:
    """A study of which a part is selected, twice, and one of which nothing will be."""
    first, second, _ = content.studies()
    for number, (name, things) in enumerate((("a", first), ("b", first), ("c", second[2:]))):
        for thing in things:
            history.later(number * 100_000, Path(name) / thing.path, thing.data, None)


@pytest.mark.parametrize("after", ["move", "delete", "keep"])
def test_kills_anywhere_end_in_the_same_state(after: str) -> None:
    """L4, S10, ADR 8: as undisturbed, only what is selected is in the archive, and all the rest is on the disk."""
    settings = {**CALM, "after": after, "level": Level.PIXELS, "done": Path("/filed")}
    settings["wanted"] = SERIES_1.wanted
    calm = History(0, only=frozenset(), script=_drops, settings=settings, choice=SERIES_1).play()
    assert len(calm.outcome()["archived"]) == 2
    assert len([name for name in calm.outcome()["left"] if "/c/" in name]) == 2
    assert len(calm.outcome()["filed"]) == {"move": 8, "delete": 4, "keep": 0}[after]
    killed = filed_instead = 0
    for seed in range(40):
        history = History(
            seed, only=frozenset({"crash"}), script=_drops, settings=settings, ticks=80, choice=SERIES_1
        ).play()
        killed += history.crashes
        ended, wanted = _names(history), _names(calm)
        if after == "delete":  # what a kill left unacknowledged is filed, not removed
            instead = [name for name in ended["filed"] if name not in wanted["filed"]]
            assert all("/1/" in name for name in instead), f"seed {seed}"  # of the selected series, proven
            assert not instead or history.crashes, f"seed {seed}"
            ended["filed"] = [name for name in ended["filed"] if name not in instead]
            filed_instead += bool(instead)
        assert ended == wanted, f"seed {seed}"
    assert killed > 30
    assert filed_instead < 20  # most are removed all the same


def _names(history: History) -> dict[str, list[str]]:
    outcome = history.outcome()
    return {**outcome, "archived": [line.rpartition(" ")[0] for line in outcome["archived"]]}


def test_what_the_judge_takes_for_selected_is_what_the_names_say() -> None:
    """Each choice takes some of the objects of all studies and leaves others, but for all and nothing."""
    objects = [thing.data for study in content.studies() for thing in study]

    counts = [sum(choice.leaves(data) for data in objects) for choice in (choices.EVERYTHING, *choices.CHOICES)]

    assert counts == [0, 6, 6, 8, 4, 8, 12]
    assert not choices.CHOICES[-1].leaves(b"no object")
