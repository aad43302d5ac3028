"""Where the changes of a transfer are made: in this process, or by the workers of a Dask cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from xnatsync.app.app import App
from xnatsync.app.connecting import login_of
from xnatsync.config.model import TransferConfig
from xnatsync.routes.transfer.world import TransferWorld


@contextmanager
def engine_of(app: App, config: TransferConfig, world: TransferWorld, route: str) -> Iterator[int]:
    """Prepare a run, and give how many entities may be at work at the same time."""
    if config.engine == "local" or config.scheduler is None:
        yield config.workers
        return
    from xnatsync.app.dask_cluster import PLACES_MAX, DaskCluster
    from xnatsync.app.dask_worker import end_of

    names = (config.server, config.to_server)
    users = tuple((app.logins.get(name) or login_of(name, app.config.servers[name])).user for name in names)
    source, there = (
        end_of(name, app.config.servers[name], user or None) for name, user in zip(names, users, strict=True)
    )

    def told(code: str, text: str) -> None:
        world.note(route, code, text, level="warning")
        world.progress.failed(code, "a worker")

    with DaskCluster(config.scheduler, source, there, world.stopping, users, told) as cluster:
        world.cluster = cluster
        world.looking = threading.BoundedSemaphore(config.workers)
        try:
            yield PLACES_MAX
        finally:
            world.cluster = None
