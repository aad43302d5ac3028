"""`sandbox` serves until it is told to stop, and keeps its state."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli_fields import document_faults
from cli_world import REPOSITORY, plain_environment


@contextmanager
def serving(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "xnatsync", "sandbox", "--root", str(root), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=plain_environment()
    ) as process:
        assert process.stdout is not None
        try:
            ready, url = process.stdout.readline().split()
            assert ready == "ready"
            yield process, url
        finally:
            if process.poll() is None:
                process.terminate()


def ask(url: str, path: str, *, method: str = "GET", password: str = "admin") -> tuple[int, str]:
    login = b64encode(f"admin:{password}".encode()).decode()
    request = urllib.request.Request(f"{url}{path}", method=method, headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals, tmp_path: Path) -> None:
    """It says when it is ready, answers, and ends with 0 on SIGTERM and SIGINT."""
    with serving(tmp_path) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert ((found := ask(url, "/data/auth"))[0], "admin" in found[1]) == (200, True)

        process.send_signal(number)

        assert process.wait(timeout=20) == 0


def test_it_keeps_its_state(tmp_path: Path) -> None:
    """What was made in one life is there in the next, with the password that one was given."""
    with serving(tmp_path) as (_, url):
        ask(url, "/data/projects/KEPT", method="PUT")

    with serving(tmp_path, "--password", "another") as (_, url):
        status, text = ask(url, "/data/projects?format=csv", password="another")

    assert status == 200
    assert "KEPT" in text


def test_a_port_that_is_taken_is_a_usage_error(tmp_path: Path) -> None:
    """Somebody else serves there: 2, with advice."""
    with serving(tmp_path / "one") as (_, url):
        port = url.rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-m", "xnatsync", "sandbox", "--root", str(tmp_path / "two"), "--port", port],
            capture_output=True, text=True, timeout=60, cwd=REPOSITORY, env=plain_environment(),
        )  # fmt: skip

    assert done.returncode == 2
    assert "[XS-USAGE]" in done.stderr
    assert "--port 0" in done.stderr


def test_two_sandboxes_never_serve_one_folder(tmp_path: Path) -> None:
    """Each would write over the other's state; the second is told so at once, and killing the first frees it."""
    root = tmp_path / "site"
    with serving(root) as (first, url):
        second = subprocess.run(
            [sys.executable, "-m", "xnatsync", "sandbox", "--root", str(root)],
            capture_output=True, text=True, cwd=REPOSITORY, env=plain_environment(), timeout=60, check=False,
        )  # fmt: skip
        assert (second.returncode, second.stdout) == (2, "")
        assert f"another sandbox serves from {root}" in " ".join(second.stderr.split())
        assert ask(url, "/data/JSESSION")[0] == 200
        first.kill()
        first.wait()
    with serving(root) as (_, url):
        assert ask(url, "/data/JSESSION")[0] == 200


def test_a_program_reads_where_it_serves(tmp_path: Path) -> None:
    """One document when it is ready; then it serves."""
    command = [sys.executable, "-m", "xnatsync", "sandbox", "--root", str(tmp_path), "-o", "json", "--dicom-port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=plain_environment()
    ) as process:
        assert process.stdout is not None
        try:
            lines = ""
            while not lines.endswith("}\n"):
                lines += process.stdout.readline()
            document = json.loads(lines)
            assert document_faults(document) == []
            assert (document["root"], document["user"]) == (str(tmp_path), "admin")
            assert ask(document["url"], "/data/auth")[0] == 200
        finally:
            process.terminate()
        assert process.wait(timeout=20) == 0
