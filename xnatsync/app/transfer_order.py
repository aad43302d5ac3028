"""The route that a command orders: between two servers, or between one and a folder on disk."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from xnatsync.app.app import App
from xnatsync.app.profile import Profile
from xnatsync.app.transfer import TransferOrder, Transfers
from xnatsync.app.transfer_ends import ends_of
from xnatsync.app.upload import server_name
from xnatsync.config.model import Config, ServerConfig, TransferConfig
from xnatsync.config.words import duration
from xnatsync.core.errors import LabelUnusable, Usage
from xnatsync.core.given import Transferred
from xnatsync.core.labels import is_valid_label


def transfers_between(
    config: Config, source: Profile | Path, destination: Profile | Path, order: TransferOrder, stop: Event
) -> Transfers:
    """Make the route of an order; a path is a folder.  An error names what of it cannot be meant."""
    for what, label in (("project", order.project), ("destination project", order.to_project)):
        if not is_valid_label(label):
            raise LabelUnusable(f"{label!r} is no ID of a {what} that XNAT keeps as it is")
    profiles = [end for end in (source, destination) if isinstance(end, Profile)]
    if len(profiles) > 1 and order.project == order.to_project and len({one.login.url for one in profiles}) == 1:
        raise Usage("source and destination are the same project", advice="Name another one with --dest-project.")
    route = TransferConfig.model_validate({
        "project": order.project, "to_project": order.to_project,
        **({"from_folder": source} if isinstance(source, Path) else {"server": server_name(source)}),
        **({"to_folder": destination} if isinstance(destination, Path) else {"to_server": server_name(destination)}),
        "dicom": order.dicom, "filters": order.filtering, "sync_new_only": order.sync_new_only,
        "max_failures": order.max_failures, "retries": order.retries, "verify": order.verify,
        "retry_delay": duration(order.retry_delay_s), "workers": order.workers, "quiet": duration(order.quiet_s),
        "engine": order.engine, "scheduler": order.scheduler,
    })  # fmt: skip
    servers = {server_name(one): _wider(one.server, order.workers) for one in profiles}
    whole = config.model_copy(update={"servers": {**config.servers, **servers}})
    app = App(whole, stop, logins={server_name(one): one.login for one in profiles})
    ends = ends_of(app, route)
    here, there = ends.source, ends.destination
    name = Transferred(here.name, here.project, there.name, there.project).route
    app.config = whole.model_copy(update={"routes": {**config.routes, name: route}})
    return Transfers(app, name, repair=order.repair, ends=ends)


def _wider(server: ServerConfig, workers: int) -> ServerConfig:
    return server.model_copy(update={"connections": max(server.connections, workers + 2)})
