"""The demonstration shows what it says, cleans up, and does not claim what did not happen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli_fields import document_faults
from cli_world import REPOSITORY, plain_environment
from xnatsync.app.demo_scene import Scenery
from xnatsync.cli.program import run
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demonstration puts its folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_fresh_machine_needs_nothing_else(tmp_path: Path) -> None:
    """As a process of its own, without configuration: exit 0, all as told, nothing left behind."""
    environment = {**plain_environment(), "TMPDIR": str(tmp_path), "HOME": str(tmp_path / "home")}

    done = subprocess.run(
        [sys.executable, "-m", "xnatsync", "demo"], capture_output=True, text=True, timeout=100, cwd=REPOSITORY,
        env=environment,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓ ") == 10
    assert "not so" not in done.stdout
    assert "caught: the damaged object 2.25." in done.stdout
    assert "Everything went as it should" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_your_own_folder_is_only_read(temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a folder of one's own: it is proven by its pixels, and is byte for byte and time for time as it was."""
    own, beside = tmp_path / "own", tmp_path / "beside[1]"
    make_study(own, StudyPlan("P9", "Secret^Name", "20260101", (SeriesPlan(1, "T1", 4),), size=(32, 32)), seed=9)
    (own / "notes.txt").write_text("mine", encoding="utf-8")
    beside.mkdir()
    (beside / "private.txt").write_text("not asked for", encoding="utf-8")
    before = sorted((path, path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*"))

    code = run(["demo", str(own)])

    out = capsys.readouterr().out
    assert code == 0, out
    assert "session P9_MR_20260101 of DEMO: 4 of 4 objects in the archive as XNAT_E00001" in out
    assert "proven by pixels" in " ".join(out.split())
    assert "1 file: not DICOM: notes.txt" in out
    assert "beside" not in out
    after = sorted((path, path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*"))
    assert [entry for entry in before if entry[0] != temporary] == [entry for entry in after if entry[0] != temporary]
    assert list(temporary.iterdir()) == []


def test_what_is_kept_can_be_looked_at(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--keep` leaves configuration and ledger, with which the other commands work."""
    assert run(["demo", "--keep"]) == 0
    (folder,) = temporary.iterdir()
    assert f"xnatsync --config {folder / 'demo.toml'} status" in " ".join(capsys.readouterr().out.split())

    code = run(["--config", str(folder / "demo.toml"), "why", "monday_scan"])

    assert code == 0
    assert "proven at level names" in " ".join(capsys.readouterr().out.split())
    assert run(["--config", str(folder / "demo.toml"), "config", "check"]) == 0
    assert run(["--config", str(folder / "careful.toml"), "config", "check"]) == 0


def test_damage_that_is_not_caught_fails_the_demonstration(
    temporary: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no object is damaged, nothing is caught: the demonstration says so and exits with 1."""
    monkeypatch.setattr(Scenery, "will_damage", lambda scene: None)

    code = run(["demo"])

    out = capsys.readouterr().out
    assert code == 1
    assert "✗ not so: caught: the damaged object" in out
    assert "did not go as they should" in out
    assert list(temporary.iterdir()) == []


def test_a_second_run_that_writes_fails_the_demonstration(
    temporary: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count of write requests is looked up, not claimed."""
    counts = iter([1, 2])
    monkeypatch.setattr(Scenery, "writes", lambda scene: next(counts))

    code = run(["demo"])

    assert code == 1
    assert "✗ not so: nothing was sent again" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_a_usage_error(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path that does not exist: 2, and nothing was begun."""
    code = run(["demo", str(temporary / "nowhere")])

    assert code == 2
    assert "[XS-USAGE]" in capsys.readouterr().err
    assert list(temporary.iterdir()) == []


def test_a_program_reads_what_went_as_told(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document, each expectation in it, and where the demonstration was kept."""
    code = run(["demo", "--keep", "-o", "json"])
    document = json.loads(capsys.readouterr().out)

    assert document_faults(document) == []
    assert code == document["exit_code"] == 0
    assert [one["met"] for one in document["expectations"]] == [True] * 10
    assert Path(document["config"]).is_file()
