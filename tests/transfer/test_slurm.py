"""The program for SLURM in docs/transfer-many-machines.md: the job script that dask-jobqueue makes of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cli_world import REPOSITORY


def test_the_job_script_starts_a_worker_and_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the files of the passwords, leaves before its walltime, and has a worker with TLS."""
    security = pytest.importorskip("distributed").Security
    pytest.importorskip("dask_jobqueue")
    from dask_jobqueue.slurm import SLURMJob

    monkeypatch.setenv("XNATSYNC_PROD_PASSWORD", "a-password-of-the-test")
    page = (REPOSITORY / "docs/transfer-many-machines.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"__name__": "a program"}
    exec(compile(program, "transfer-many-machines.md", "exec"), names)
    given: dict[str, Any] = {}
    names["SLURMCluster"] = lambda **keys: given.update(keys)
    names["cluster"]()

    tls = {
        f"tls_{whose}_{what}": f"/d/{what}" for whose in ("worker", "client", "scheduler") for what in ("cert", "key")
    }
    job = SLURMJob(
        scheduler="tls://head:8786", name="w1", protocol="tls://",
        security=security(require_encryption=True, tls_ca_file="/d/ca", **tls), **given,
    )  # fmt: skip
    script = job.job_script()

    assert "a-password-of-the-test" not in script
    assert '"$(cat ~/.secrets/prod)"' in script
    assert "distributed.cli.dask_worker tls://head:8786" in script
    assert "--tls-ca-file /d/ca" in script
    assert "--no-dashboard" in script
    hours, lifetime = re.search(r"-t (\d+):00:00", script), re.search(r"--lifetime (\d+)h30m", script)
    assert hours is not None
    assert lifetime is not None
    assert int(lifetime.group(1)) + 0.5 < int(hours.group(1))
