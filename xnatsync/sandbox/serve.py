"""The sandbox as a process: a folder, a port, an administrator."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site


def serve(
    root: Path, port: int, user: str, password: str, on_ready: Callable[[str], None], stop: threading.Event
) -> None:
    """Serves the site kept in `root` until `stop` is set; calls `on_ready` with the URL once it accepts logins.

    The administrator is created, or given this password, at every start.  When this returns, all state is on disk.
    """
    root.mkdir(parents=True, exist_ok=True)
    site = Site.on_disk(root)
    try:
        site.accounts.add(user, password, admin=True)
        site.save_accounts()
        with SandboxServer(site, port, root) as server:
            on_ready(server.url)
            stop.wait()
    finally:
        site.close()
