"""Transfers by the name of their route: those of the configuration, and those that a command ordered before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.app.status import reading
from xnatsync.config.model import TransferConfig
from xnatsync.core.errors import Bug, RouteUnknown, SourceGone, XnatsyncError
from xnatsync.core.given import transferred
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.routes.transfer.settings import FOLDER

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.app.transfer import TransferReport, Transfers
    from xnatsync.routes.transfer.run import TransferPlan


def run_transfers(
    app: App,
    ledger: Ledger,
    run_id: int,
    names: Sequence[str],
    *,
    progress: Progress,
    on_bug: Callable[[str], None],
) -> tuple[list[TransferReport], list[XnatsyncError]]:
    """Run the transfers among the named routes, one after the other, on a ledger open for this run.

    The errors are those of transfers that could not begin: the others are run all the same.
    """
    reports: list[TransferReport] = []
    errors: list[XnatsyncError] = []
    for transfers in _chosen(app, names):
        if app.stop.is_set():
            break
        if app.sign is None:
            raise Bug("a transfer is run without anything to write its certificate")
        try:
            reports.append(transfers.run_within(ledger, run_id, progress=progress, sign=app.sign, on_bug=on_bug))
        except XnatsyncError as error:
            errors.append(error)
    return reports, errors


def plan_transfers(
    app: App, ledger: Ledger, run_id: int, names: Sequence[str], progress: Progress
) -> tuple[list[tuple[Transfers, TransferPlan]], list[XnatsyncError]]:
    """Plan the transfers among the named routes; `ledger` is a copy that is forgotten."""
    plans: list[tuple[Transfers, TransferPlan]] = []
    errors: list[XnatsyncError] = []
    for transfers in _chosen(app, names):
        try:
            plans.append((transfers, transfers.plan_within(ledger, run_id, progress=progress)))
        except XnatsyncError as error:
            errors.append(error)
    return plans, errors


def _chosen(app: App, names: Sequence[str]) -> list[Transfers]:
    chosen = [name for name in dict.fromkeys(names or app.config.routes) if name in app.config.transfer_routes]
    if not chosen:
        return []
    from xnatsync.app.transfer import Transfers

    return [Transfers(app, name) for name in chosen]


def transfer_of(app: App, name: str) -> Transfers:
    """Return a transfer of the configuration, or one that a command ordered before, with what its certificate says."""
    route = app.config.transfer_routes.get(name) or _ordered_before(app, name)
    app.config = app.config.model_copy(update={"routes": {**app.config.routes, name: route}})
    from xnatsync.app.transfer import Transfers

    return Transfers(app, name)


def _ordered_before(app: App, name: str) -> TransferConfig:
    with reading(app.config) as ledger:
        rows = ledger.certificates(name) if ledger is not None else []
    found = transferred(name)
    ends = {found.server, found.to_server} if found is not None else set[str]()
    named = {end for end in ends if not end.startswith(FOLDER)}
    if not rows or found is None or named - app.config.servers.keys():
        raise RouteUnknown(
            f"no transfer is called {name}, or its servers are not configured",
            advice="`xnatsync certificate list` shows the transfers that were signed for.",
        )
    try:
        said = json.loads(Path(rows[0].path).read_bytes())
        order = {**asdict(found), "dicom": said["dicom"], "filters": said["filtering"], "verify": True}
        for key, folder in (("server", "from_folder"), ("to_server", "to_folder")):
            if order[key] not in named:
                order |= {key: None, folder: said["manifest"]["place"]}
        return TransferConfig.model_validate({name: value for name, value in order.items() if value is not None})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise SourceGone(
            f"{rows[0].path} cannot be read, which says what of the project was to be carried",
            advice="Order the same transfer again: it signs for what is there.",
        ) from None
