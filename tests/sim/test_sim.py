"""Thousands of histories of the whole engine, each from a seed: nothing that was promised is ever broken.

A failing seed names itself; `python -m sim.run --seed N` (from `tests/`) tells its story and shrinks it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sim import places
from sim.figures import Figures, met_together
from sim.run import batch, fill
from sim.world import History

SEEDS = int(os.environ.get("XNATSYNC_SIM_SEEDS", "2000"))
BLOCK = 25
BLOCKS = SEEDS // BLOCK


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_history_breaks_a_promise(block: int, played: Path) -> None:
    """S1 S2 S3 S5 S7 S8 S9 after every tick, L1 L2 L3 L5 at the end: whatever fails, whoever acts, whenever it dies.

    Whoever finds that all blocks have been played also judges what they met together: every fault every method of a
    port, or docs/testing.md says why not.
    """
    figures = batch(block * BLOCK, (block + 1) * BLOCK)

    assert figures.failed == []
    if (met := met_together(played, block, BLOCKS, figures.fired)) is not None:
        _every_fault_met_every_method(met)


def _every_fault_met_every_method(met: Counter[places.Cell]) -> None:
    assert places.unexpected(met) == []
    more = fill(Figures(fired=met))
    assert more.failed == []
    assert places.empty(met + more.fired) == []


def test_a_cell_that_stays_empty_is_found() -> None:
    """And so is one that is filled although the documents say why it never is."""
    met = Counter(dict.fromkeys(places.possible(), 1))
    assert (places.empty(met), places.unexpected(met)) == ([], [])

    del met["twice", "xnat.commit"]
    met["conflict", "xnat.build"] += 1

    assert places.empty(met) == [("twice", "xnat.commit")]
    assert places.unexpected(met) == [("conflict", "xnat.build")]


def test_an_empty_cell_is_gone_for() -> None:
    """Chance may leave a rare cell empty: histories in which that very fault is frequent there meet it."""
    met = Counter(dict.fromkeys(places.possible(), 1))
    rare = ("refused", "xnat.prearchive_log")
    del met[rare]

    more = fill(Figures(fired=met))

    assert more.fired[rare]
    assert more.failed == []


def test_the_table_of_the_documents_has_the_same_rows_columns_and_reasons() -> None:
    """Numbers change with every change of the engine; which cells are filled, and why the others are not, must not."""
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")

    assert places.GRID.missing(text) == []
    assert places.GRID.missing(text.replace("| login page |", "| page |")) != []


def test_a_seed_replays_exactly() -> None:
    """Otherwise no failure could be examined: the same boundaries, at the same moments, in the same order."""
    for seed in range(12):
        assert History(seed).play().trace == History(seed).play().trace


def test_a_seed_replays_exactly_in_another_process() -> None:
    """Nothing depends on the order of sets, which is another one in every process."""
    code = (
        "from hashlib import sha256; from sim.world import History; "
        "print([sha256('\\n'.join(History(seed).play().trace).encode()).hexdigest() for seed in range(6)])"
    )
    tests = Path(__file__).parents[1]
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)]), "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]

    assert said[0] == said[1]


def _drops(history: History) -> None:
    """Two studies, the first in two parts, and nobody who changes anything afterwards."""
    from sim import content

    first, second, _ = content.studies()
    for number, (name, things) in enumerate((("a", first[:2]), ("b", first), ("c", second))):
        for thing in things:
            history.later(number * 100_000, Path(name) / thing.path, thing.data, None)


CALM = {"settle_s": 5.0, "collision": "hold", "other": "keep", "member_names": "uid", "destination": "archive"}


@pytest.mark.parametrize("after", ["move", "delete", "keep"])
def test_kills_anywhere_end_in_the_same_state(after: str) -> None:
    """L4: the process dies at any boundaries, any number of times: the same end as undisturbed.

    What no server acknowledged, because the process died with the answer, is filed instead of removed where the server
    changed its head: nothing shows that it is our version (ADR 8).
    """
    from xnatsync.core.manifest import Level

    settings = {**CALM, "after": after, "level": Level.PIXELS, "done": Path("/filed")}
    calm = History(0, only=frozenset(), script=_drops, settings=settings).play()
    assert len(calm.outcome()["archived"]) == 8
    killed = spared = 0
    for seed in range(60):
        history = History(seed, only=frozenset({"crash"}), script=_drops, settings=settings, ticks=80).play()
        killed += history.crashes
        end = _names(history)
        if after == "delete":
            assert end["filed"] == _unanswered(history), f"seed {seed}"
            spared += len(end.pop("filed"))
            end["filed"] = []
        assert end == _names(calm), f"seed {seed}"
    assert killed > 50
    assert (spared > 0) == (after == "delete")


def _unanswered(history: History) -> list[str]:
    """Lists the files whose objects no server acknowledged, and of which not every byte was found there."""
    sql = (
        "select f.item_id, f.path from file f join evidence e on e.unit_id = f.unit_id and e.key = f.key "
        "where e.acknowledged = 0 and e.compared <> 'bytes'"
    )
    return sorted(f"{history.ledger.item(number).path}/{path}" for number, path in history.questions(sql))


@pytest.mark.parametrize("after", ["move", "delete"])
def test_neither_order_nor_workers_matter(after: str) -> None:
    """O1: whatever key is taken first, and whatever runs beside it: the same end."""
    from xnatsync.core.manifest import Level

    settings = {**CALM, "after": after, "level": Level.PIXELS, "done": Path("/filed")}
    ends = []
    for seed in range(40):
        history = History(seed, only=frozenset({"worker"}), script=_drops, settings=settings, order=seed, ticks=60)
        ends.append(_names(history.play()))
    assert all(end == ends[0] for end in ends)
    assert any(History(seed, only=frozenset({"worker"})).faults.rates["worker"] > 0 for seed in range(40)), (
        "there never was a second worker"
    )


def _names(history: History) -> dict[str, list[str]]:
    """The outcome without sizes: the server's anonymisation, on in half of the worlds, changes heads."""
    outcome = history.outcome()
    return {**outcome, "archived": [line.rpartition(" ")[0] for line in outcome["archived"]]}
