"""One connection for everything, and scans whose folders in a zip can only be told apart by asking once more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cli_world import World
from drop.test_scan_names import SERIES_NUMBER, stored
from hostile.oracle import watchdog
from hostile.test_odd_rows_everywhere import LABEL, objects

PAIRS = [(b"4", b"4-MR1"), (b"4", b"4-T1_head"), (b"4-MR1", b"4-MR1-x"), (b"1", b"1-1")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].decode()} and {pair[1].decode()}")
@pytest.mark.parametrize("connections", [1, 2])
def test_nothing_waits_for_itself(
    box: World, pair: tuple[bytes, bytes], connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drop, its verification, a mirror, a push and downloads with more workers than connections: whole and soon."""
    monkeypatch.chdir(box.root)
    tree, pushed = box.root / "tree", box.root / "pushed"
    tree.mkdir()
    pushed.mkdir()
    box.configure(
        server=f"connections = {connections}",
        route=f'quiet = "1s"\n'
        f'[routes.mine]\nkind = "mirror"\nfolder = "{tree}"\nserver = "box"\nproject = "DEMO"\n'
        f'[routes.back]\nkind = "push"\nfolder = "{pushed}"\nserver = "box"\nproject = "DEMO"\n'
        'resources = ["NOTES"]\nsettle = "0s"\n',
    )
    exam = box.study("exam")
    series = sorted(exam.iterdir())
    for folder, number in zip(series, pair, strict=True):
        for path in folder.iterdir():
            stored(SERIES_NUMBER, number)(path)
    box.study("another", "P2", seed=2)
    box.study("third", "P3", seed=3)
    began = time.monotonic()
    with watchdog(90):
        told = [box.run("sync", "scanner", "--workers", "8")]
        (session,) = [one for one in box.server.site.experiments.values() if one.label == LABEL]
        assert sorted(session.scans) == sorted(number.decode() for number in pair)
        for resource in ("1", "2", "3"):
            note(pushed / "DEMO" / f"P{resource}" / LABEL.replace("P1", f"P{resource}"))
        told += [box.run("sync", "mine", "back", "--workers", "8")]
        told += [box.run("verify", "--level", "pixels", "--workers", "8")]
        told += [box.run("session", "download", "-P", "DEMO", "-E", LABEL, "--out", "got", "--unzip", "-w", "6")]
        told += [box.run("session", "download", "-P", "DEMO", "-E", LABEL, "--out", "zips")]
    assert [ran.code for ran in told] == [0] * 5, "\n".join(ran.out + ran.err for ran in told if ran.code)
    assert all("XS-CONNECTIONS-TAKEN" not in ran.out + ran.err for ran in told)
    assert time.monotonic() - began < 60
    assert len(objects(box.root / "got")) == 4
    assert objects(box.root / "got") <= objects(tree) == objects(box.root / "xnat")


def note(session: Path) -> None:
    """Puts a file there that is to be pushed."""
    path = session / "resources" / "NOTES" / "files" / "a.txt"
    path.parent.mkdir(parents=True)
    path.write_text("seen")
