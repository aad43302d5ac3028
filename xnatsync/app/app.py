"""The application: one configuration, its ledger, its servers, its routes, put together in one place."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync import __version__
from xnatsync.app.clock import RandomIds, SystemClock
from xnatsync.app.connecting import connect, login_of
from xnatsync.app.messages import Sender, send
from xnatsync.app.rivals import lives, own_claim
from xnatsync.app.running import boot
from xnatsync.app.settings import drop_route
from xnatsync.config.model import Config, ServerConfig
from xnatsync.config.secrets import Credentials
from xnatsync.config.show import route_digest
from xnatsync.config.uploads import UploadConfig
from xnatsync.core.errors import RouteUnknown
from xnatsync.core.moment import stamp
from xnatsync.disk.local import LocalDisk
from xnatsync.disk.tables import LocalTables, kept_beside
from xnatsync.disk.tree import LocalTree
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.lock import hold
from xnatsync.ledger.open import copy_apart, open_ledger
from xnatsync.ports.drop import Clock, Disk, Ids
from xnatsync.ports.tree import Archive, Server, TreeDisk
from xnatsync.routes.drop.release import wake
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World

if TYPE_CHECKING:
    from xnatsync.app.certificates import Sign


class App:
    """Builds what a command needs.  The `make_` methods are the ports: the only things a test replaces."""

    def __init__(
        self,
        config: Config,
        stop: threading.Event | None = None,
        *,
        logins: Mapping[str, Credentials] | None = None,
        servers: Mapping[str, Server] | None = None,
        sign: Sign | None = None,
    ) -> None:
        self.config = config
        self.logins = logins or {}  # of servers that were named otherwise than in the configuration
        self.given = servers or {}  # connections of somebody else, who closes them
        self.sign = sign  # writes the certificates of transfers
        self.stop = stop or threading.Event()
        self._servers: dict[str, Server] = {}
        self._lock = threading.Lock()

    # --- ports ---------------------------------------------------------------------------------------------------

    def make_disk(self) -> Disk:
        """The local disk."""
        routes = [route for route in self.config.drop_routes.values() if not isinstance(route, UploadConfig)]
        return LocalDisk(*(Path(folder) for route in routes for folder in (route.folder, route.done_folder)))

    def make_tree_disk(self) -> TreeDisk:
        """The local disk, as mirrors see it."""
        return LocalTree()

    def make_clock(self) -> Clock:
        """The system's clock."""
        return SystemClock(self.stop)

    def make_ids(self) -> Ids:
        """Random names."""
        return RandomIds()

    def make_server(self, name: str, config: ServerConfig) -> Server:
        """A client for a server, with the credentials that belong to its URL."""
        login = self.logins.get(name) or login_of(name, config)
        return connect(name, config, login, stopping=self.stop.is_set, connections=config.connections)

    def make_sender(self) -> Sender:
        """Who sends notifications."""
        return send

    def make_ledger(self) -> Ledger:
        """The ledger, writable."""
        return open_ledger(self.config.ledger.path)

    # --- parts ---------------------------------------------------------------------------------------------------

    def archive(self, name: str) -> Archive:
        """Return the same client, as mirrors see it."""
        return self.server(name)

    def server(self, name: str) -> Server:
        """Return the one client of a server, made at its first use."""
        with self._lock:
            if name in self.given:
                return self.given[name]
            if name not in self._servers:
                if name not in self.config.servers:  # it was once: the ledger remembers it
                    raise RouteUnknown(
                        f"the server {name} is not configured any more",
                        advice=f"Configure it again under this name: `[servers.{name}]` with its address, and as the "
                        "`server` of the route. Under another name it is another server.",
                    )
                self._servers[name] = self.make_server(name, self.config.servers[name])
            return self._servers[name]

    def close(self) -> None:
        """Log out everywhere."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    def routes(self, names: Sequence[str] = (), settle_s: float | None = None) -> dict[str, DropRoute]:
        """Return the drop routes among those named, or all; RouteUnknown for a name that is not configured."""
        self.config.refuse_unknown(names)
        chosen = names or list(self.config.routes)
        drops = self.config.drop_routes
        return {name: drop_route(name, drops[name], settle_s) for name in chosen if name in drops}

    @contextmanager
    def world(
        self,
        routes: dict[str, DropRoute],
        progress: Progress,
        cause: str,
        ledger: Ledger | None = None,
        *,
        held: bool = False,
    ) -> Iterator[World]:
        """Open the ledger for one run of these routes, and for this process alone; `held`: the caller holds it."""
        with nullcontext() if held else hold(self.config.ledger.path):
            ledger = ledger or self.make_ledger()
            clock = self.make_clock()
            try:
                yield self._world(ledger, clock, routes, cause, progress)
            finally:
                self.close()
                ledger.close()

    @contextmanager
    def rehearsal(self, routes: dict[str, DropRoute], progress: Progress) -> Iterator[World]:
        """The same world on a copy of the ledger in memory: whatever is written there is forgotten."""
        ledger = copy_apart(self.config.ledger.path)
        clock = self.make_clock()
        try:
            yield self._world(ledger, clock, routes, "command", progress, keeps=False)
        finally:
            self.close()
            ledger.close()

    def _page_of(self, name: str) -> str:
        return self.config.servers[name].base_url if name in self.config.servers else ""

    def _world(
        self,
        ledger: Ledger,
        clock: Clock,
        routes: dict[str, DropRoute],
        cause: str,
        progress: Progress,
        *,
        keeps: bool = True,
    ) -> World:
        """Begin a run; a route whose settings changed lets go of what it held, in the transaction that notes it."""
        now = stamp(clock.now())
        run_id = ledger.start_run(cause, _pid(), boot(), __version__, now)
        for name, route in routes.items():
            with ledger.write():
                changed = ledger.remember_route(name, "drop", route_digest(self.config.routes[name]), now)
                if route.given is None:
                    ledger.note_drop_folder(name, str(route.folder), now)
                if changed or route.given is not None:  # whoever gives the same command again asks for another try
                    wake(ledger, name, now, selects=_selects(route))
        return World(
            ledger=ledger,
            disk=self.make_disk(),
            clock=clock,
            ids=self.make_ids(),
            server=self.server,
            routes=routes,
            run_id=run_id,
            progress=progress,
            stopping=self.stop.is_set,
            claim=own_claim(ledger, self.config.ledger.path),
            lives=lives,
            leaves=keeps,
            pages=self._page_of,
            tables=LocalTables(kept_beside(self.config.ledger.path), keeps=keeps),
        )


def _selects(route: DropRoute) -> bool:
    ignoring = any(rule.then == "ignore" for rule in route.routing.rules)
    return not route.wanted.is_everything or ignoring or (route.given is not None and route.given.unparsable == "leave")


def _pid() -> int:
    import os

    return os.getpid()
