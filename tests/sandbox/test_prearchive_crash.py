"""A sandbox that is killed knows afterwards what its disk holds: rows with their senders' wishes, archived sessions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.dicom_study import landed, project, rows, study

SERVE = """
import sys, threading
from pathlib import Path
from xnatsync.sandbox.serve import serve
serve(Path(sys.argv[1]), 0, "admin", "secret", lambda url: print(url, flush=True), threading.Event())
"""
E1 = "/data/projects/P1/subjects/S1/experiments/E1"


@contextmanager
def served(root: Path) -> Iterator[tuple[httpx.Client, int]]:
    home = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(home)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(root)], stdout=subprocess.PIPE, text=True, env=environment, cwd=home
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            with httpx.Client(base_url=url, auth=("admin", "secret"), timeout=30) as client:
                yield client, process.pid
        finally:
            process.kill()


def test_a_row_keeps_its_senders_wishes_over_a_kill(tmp_path: Path) -> None:
    with served(tmp_path) as (client, pid):
        project(client)
        query = "project=P1&subject=S1&session=E1&prevent_auto_commit=true&SOURCE=uploader"
        uri = landed(client, study(), query)
        os.kill(pid, signal.SIGKILL)
    with served(tmp_path) as (client, _):
        row = rows(client.get("/data/prearchive?format=json"))[0]
        assert (f"/data{row['url']}", row["SOURCE"], row["prevent_auto_commit"]) == (uri, "uploader", "true")
        assert client.post(f"{uri}?action=build").status_code == 200
        assert len(rows(client.get(f"{uri}/scans?format=json"))) == 2


@pytest.mark.parametrize("way", ["commit", "service"])
def test_an_archived_session_is_there_after_a_kill(tmp_path: Path, way: str) -> None:
    with served(tmp_path) as (client, pid):
        project(client)
        uri = landed(client, study(), "project=P1&subject=S1&session=E1")
        client.post(f"{uri}?action=build").raise_for_status()
        if way == "commit":
            assert client.post(f"{uri}?action=commit&AA=true").status_code == 301
        else:
            archived = client.post("/data/services/archive", data={"src": uri, "auto-archive": "false"})
            assert archived.status_code == 200
        os.kill(pid, signal.SIGKILL)
    with served(tmp_path) as (client, _):
        assert rows(client.get("/data/prearchive?format=json")) == []
        listed = rows(client.get(f"{E1}/scans/ALL/files?format=json"))
        assert len(listed) == 4
        assert all(client.get(f"/data{row['URI'].removeprefix('/data')}").status_code == 200 for row in listed)
