"""The benchmarks run, and what they show without a clock holds: memory, temporary files, complete proofs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is what everything is compared with"),
    pytest.mark.skipif(sys.platform == "win32", reason="os.wait4 tells what a process has used"),
]


def report_of(script: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / script), "--json", *arguments],
        capture_output=True, text=True, timeout=300, cwd=HERE.parents[1], env=_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _environment() -> dict[str, str]:
    sys.path.insert(0, str(HERE))
    from processes import environment

    sys.path.remove(str(HERE))
    return environment()


def test_an_upload_is_compared_with_curl_and_writes_no_temporary_file(tmp_path: Path) -> None:
    """Both contestants run, ours to a receipt, and it opens no file for writing but its ledger."""
    seen = report_of("bench_upload.py", "--objects", "24", "--rounds", "1", "--big-mb", "0", "--folder", str(tmp_path))

    compared = seen["compare"]
    assert compared["objects"] == 24
    assert set(compared["median_s"]) == {"ours", "curl", "curl, archived"}
    assert all(seconds > 0 for seconds in compared["median_s"].values())
    assert compared["other_files_written"] == []
    assert compared["left_in_tmpdir"] == []
    assert compared["requests"] > 0


def test_the_slow_line_carries_a_whole_upload(tmp_path: Path) -> None:
    """With a line of 1 Gbit/s before the server, everything arrives all the same."""
    seen = report_of(
        "bench_upload.py",
        "--objects",
        "24",
        "--rounds",
        "1",
        "--big-mb",
        "0",
        "--mbit",
        "1000",
        "--folder",
        str(tmp_path),
    )

    assert seen["compare"]["mbit"] == 1000


def test_a_big_session_is_filed_and_its_memory_is_told(tmp_path: Path) -> None:
    """The session is moved to `done`, and the peak memory is that of the whole process."""
    seen = report_of("bench_upload.py", "--objects", "0", "--big-mb", "8", "--folder", str(tmp_path))

    assert 7e6 < seen["big"]["bytes"] < 9e6
    assert 10 < seen["big"]["peak_mb"] < 200


def test_the_sandbox_is_compared_with_plain_servers(tmp_path: Path) -> None:
    """All rates are measured, alone and in parallel."""
    seen = report_of(
        "bench_sandbox.py", "--megabytes", "4", "--parallel", "2", "--rounds", "1", "--folder", str(tmp_path)
    )

    assert len(seen["mb_per_s"]) == 10
    assert all(rate > 0 for rate in seen["mb_per_s"].values())


def test_a_look_at_a_tree_is_compared_with_find(tmp_path: Path) -> None:
    """Both see every file, and the ledger expects just those."""
    seen = report_of("bench_tree_look.py", "--files", "300", "--rounds", "1", "--folder", str(tmp_path))

    assert seen["found_by_find"] == seen["files"] == 300
    assert set(seen["median_s"]) == {"find", "look", "living", "all of it"}
    assert all(seconds > 0 for seconds in seen["median_s"].values())


def test_a_temporary_file_would_be_seen(tmp_path: Path) -> None:
    """The audit that finds no temporary file finds one that is written."""
    (tmp_path / "drop").mkdir()
    config, log = tmp_path / "c.toml", tmp_path / "other.log"
    config.write_text(
        f'[ledger]\npath = "{tmp_path}/ledger.db"\n[servers.s]\nurl = "http://127.0.0.1:9"\nuser = "u"\n'
        f'[routes.r]\nkind = "drop"\nfolder = "{tmp_path}/drop"\nserver = "s"\nproject = "P"\n'
    )
    command = [sys.executable, str(HERE / "audited.py"), "--config", str(config), "--log-file", str(log), "sync"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=_environment())

    assert f"wrote {log}" in done.stdout


def test_a_resource_upload_is_compared_with_curl_and_writes_no_temporary_file(tmp_path: Path) -> None:
    """Few requests for many files, and nothing on this disk."""
    seen = report_of(
        "bench_resource_upload.py", "--files", "120", "--kb", "2", "--big-mb", "8", "--rounds", "1",
        "--folder", str(tmp_path),
    )  # fmt: skip

    for part in ("many", "big"):
        assert seen[part]["left_in_tmpdir"] == []
        assert seen[part]["median_s"]["ours"] > 0
        assert seen[part]["peak_mb"] < 200
    assert seen["many"]["requests"] < 12


def test_a_line_of_a_gigabit_is_the_kernels_or_why_it_is_not_is_said(tmp_path: Path) -> None:
    """Where a network of one's own is allowed, everything is compared over it; else the reason is in the report."""
    seen = report_of(
        "bench_line.py", "--objects", "24", "--files", "40", "--big-mb", "4", "--pull-files", "12", "--pull-big", "0",
        "--rounds", "1", "--folder", str(tmp_path),
    )  # fmt: skip

    if seen["skipped"]:
        pytest.skip(seen["skipped"])
    assert set(seen["24 objects"]["ratio"]) == {
        *("sync to curl", "sync to curl, archived", "session upload to curl", "session upload to curl, archived"),
    }
    assert seen["resources"]["large file"]["ratio"]["resource upload to curl"] > 0
    assert seen["pull, small files"]["requests"] > 0


def test_a_line_that_is_slow_is_slow(tmp_path: Path) -> None:
    """Over 100 Mbit/s, 4 MB take a third of a second at least: the line is there, and not the loopback as it is."""
    seen = report_of(
        "bench_line.py", "--mbit", "100", "--objects", "--files", "0", "--big-mb", "4", "--pull-files", "0",
        "--pull-big", "0", "--rounds", "1", "--folder", str(tmp_path),
    )  # fmt: skip

    if seen["skipped"]:
        pytest.skip(seen["skipped"])
    assert min(seen["resources"]["large file"]["wall_s"]["curl"]) > 0.33


def test_a_transfer_is_compared_with_curl_and_keeps_nothing(tmp_path: Path) -> None:
    """Everything is proven, memory is flat for a file of 100 MB, and nothing is written to this disk."""
    seen = report_of(
        "bench_transfer.py", "--sessions", "2", "--scans", "2", "--files", "20", "--big", "1", "--big-mb", "100",
        "--workers", "1",
    )  # fmt: skip

    for name, files in (("small", 80), ("big", 1)):
        ours = seen[name]["1 workers"]
        assert ours["proven"] == files
        assert ours["problems"] == 0
        assert ours["temporary_bytes"] < 200_000  # compiled modules, the first time
        assert set(ours["source_requests"]) == {"GET"}
        assert ours["peak_mb"] < 120
        assert seen[name]["curl"]["wall_s"] > 0
