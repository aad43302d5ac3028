"""What the agent needs beside the configuration, as far as that can be seen without asking a server."""

from __future__ import annotations

from collections.abc import Iterator

from xnatsync.app.doctor import Check, problem
from xnatsync.config.model import Config, DropConfig, JobConfig, ServerConfig
from xnatsync.core.errors import XnatsyncError


def lookups(config: Config, name: str, route: DropConfig) -> Iterator[Check]:
    """Say which lookup tables cannot be used as they are now."""
    from xnatsync.app.settings import drop_route
    from xnatsync.disk.tables import LocalTables, kept_beside

    tables = LocalTables(kept_beside(config.ledger.path), keeps=False)
    for use in drop_route(name, route).tables:
        if (seen := tables(use)).refused:
            stays = "the last good one stays in force" if seen.table is not None else "there is no good one"
            yield Check(f"route {name}", "warning", f"the lookup table {use.file}: {seen.refused}; {stays}")


def manifest(name: str, job: JobConfig) -> Iterator[Check]:
    """Say whether the manifest of a job can be read."""
    from xnatsync.app.audit_files import read_manifest

    if job.manifest is None:
        return
    try:
        read_manifest(job.manifest)
    except XnatsyncError as error:
        yield problem(f"job {name}", error)
    else:
        yield Check(f"job {name}", "ok", f"{job.manifest} can be read")


def account(name: str, config: ServerConfig) -> Iterator[Check]:
    """Say whether there is a password, or a session, without asking the server."""
    from xnatsync.app.connecting import login_of

    try:
        login = login_of(name, config)
    except XnatsyncError as error:
        yield problem(f"server {name}", error)
        return
    yield Check(f"server {name}", "ok", f"account {login.user} from {login.source}; the server was not asked")
