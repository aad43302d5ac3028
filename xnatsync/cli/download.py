"""`session download`, `scan download` and `resource download`: one order, one report."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import (
    BandwidthOption,
    OutputOption,
    ProfileOption,
    ProjectOption,
    QuietOption,
    ScanOption,
    SessionOption,
    SubjectOption,
    WordsOfResource,
    named_resource,
)
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import PlaceTaken, Usage

if TYPE_CHECKING:
    from xnatsync.app.download import Order
    from xnatsync.core.inventory import Owner
    from xnatsync.core.nouns import SessionHeld
    from xnatsync.services.client import XNATClient

    MakeOrder = Callable[[XNATClient, SessionHeld], Order]
    Find = Callable[[XNATClient], tuple[SessionHeld, Owner | None]]

_WORKERS_MAX = 32
_NAME_MAX = 255  # bytes of one name, on every disk that is common
_NAMED = "Name another place with --out or --name."

OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="The session's folder is made in here.")]
NameOption = Annotated[str | None, typer.Option(metavar="NAME", help="Folder name (default: the value of -E).")]
UnzipOption = Annotated[
    bool | None,
    typer.Option(
        "--unzip/--no-unzip", help="Files in folders, which more than one worker makes; else zips.", show_default=False
    ),
]
CleanupOption = Annotated[bool, typer.Option("--cleanup/--no-cleanup", help="With --unzip: keep no zips.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite files that this program did not write.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and write nothing.")]


def session(
    ctx: typer.Context,
    experiment: SessionOption,
    project: ProjectOption = None,
    out: OutOption = Path(),
    name: NameOption = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, max=_WORKERS_MAX, help="Scans at once; more than 1 unpacks.")
    ] = 1,
    include_resources: Annotated[
        bool, typer.Option("--include-resources", help="The session's own resources too.")
    ] = False,
    unzip: UnzipOption = None,
    cleanup: CleanupOption = True,
    force: ForceOption = False,
    dry_run: DryOption = False,
    profile: ProfileOption = None,
    bandwidth: BandwidthOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Download all scans of a session.

    Every file is compared with what the server lists before it gets its name.  A second run fetches what is missing
    or has changed.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("session-download", output, quiet)
    shell.limit(bandwidth)
    folder = _folder(out, name or experiment)

    def order(client: XNATClient, held: SessionHeld) -> Order:
        from xnatsync.app.download import Order
        from xnatsync.core.download_layout import Wish

        return Order(
            Wish(own=include_resources),
            folder,
            unpacked=unzip if unzip is not None else workers > 1,
            keep_zips=not cleanup,
            workers=workers,
            force=force,
            dry_run=dry_run,
        )

    return _download(shell, profile, experiment, project, order)


def scan(
    ctx: typer.Context,
    experiment: SessionOption,
    scans: Annotated[str, typer.Option("--scans", "-s", metavar="1,2|'*'", help="The scans, or '*' for all.")],
    project: ProjectOption = None,
    label: Annotated[
        str | None, typer.Option("--resource", "-r", metavar="LABEL", help="Only resources of this label.")
    ] = None,
    out: OutOption = Path(),
    name: NameOption = None,
    unzip: UnzipOption = None,
    cleanup: CleanupOption = True,
    force: ForceOption = False,
    dry_run: DryOption = False,
    profile: ProfileOption = None,
    bandwidth: BandwidthOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Download some scans of a session."""
    shell = ctx.ensure_object(Shell)
    shell.begin("scan-download", output, quiet)
    shell.limit(bandwidth)
    folder = _folder(out, name or experiment)

    def order(client: XNATClient, held: SessionHeld) -> Order:
        from xnatsync.app.download import Order
        from xnatsync.core.download_layout import Wish

        wish = Wish(_scans(client, held, scans), label=label)
        return Order(wish, folder, unpacked=bool(unzip), keep_zips=not cleanup, force=force, dry_run=dry_run)

    return _download(shell, profile, experiment, project, order)


def resource(
    ctx: typer.Context,
    words: WordsOfResource,
    file: Annotated[Path, typer.Option("--file", "-f", "--output-file", metavar="FILE", help="The zip to write.")],
    scan: ScanOption = None,
    project: ProjectOption = None,
    subject: SubjectOption = None,
    force: ForceOption = False,
    dry_run: DryOption = False,
    profile: ProfileOption = None,
    bandwidth: BandwidthOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Download one resource as a zip: of a session, of a scan, of a subject (-P -S) or of a project (-P)."""
    shell = ctx.ensure_object(Shell)
    shell.begin("resource-download", output, quiet)
    shell.limit(bandwidth)
    experiment, label = named_resource(words, project, subject)
    if file.is_dir():
        raise Usage(f"--file {file} is a folder", advice="Name the zip to write, such as ./dicoms.zip.")

    def order(client: XNATClient, held: SessionHeld) -> Order:
        from xnatsync.app.download import Order
        from xnatsync.core.download_layout import Wish

        scans = _scans(client, held, scan) if scan is not None else None
        wish = Wish(scans, only_own=scan is None, label=label)
        return Order(wish, file.parent, single=file, force=force, dry_run=dry_run)

    if experiment is not None:
        return _download(shell, profile, experiment, project, order)
    if scan is not None:
        raise Usage("a scan was named and no session", advice="Name the session that it belongs to.")
    return _download_apart(shell, profile, project, subject, order)


def _folder(out: Path, name: str) -> Path:
    if name in {".", ".."} or "/" in name or "\\" in name:
        raise Usage(f"{name!r} cannot be the name of a folder", advice="Give a plain name with --name.")
    if (size := len(os.fsencode(name))) > _NAME_MAX:
        raise Usage(f"the name of the folder has {size} bytes, and no disk takes more than {_NAME_MAX}", advice=_NAMED)
    for place in (out / name, *(out / name).parents):
        if os.path.lexists(place) and not place.is_dir():
            raise PlaceTaken(f"{place} is there, and is no folder: it was left as it is", advice=_NAMED)
    return out / name


def _scans(client: XNATClient, held: SessionHeld, text: str) -> frozenset[str] | None:
    """Read `1,2,3`; None for `*`, which means all.  NotThere when one of them is not in the session."""
    from xnatsync.services.finding import Accession
    from xnatsync.services.scans import EVERY, ScanService, list_of

    if list_of(text) == [EVERY]:
        return None
    return frozenset(ScanService(client).named(Accession(held.id), text))


def _download(shell: Shell, profile: str | None, experiment: str, project: str | None, make_order: MakeOrder) -> int:
    """Download of a session."""

    def found(client: XNATClient) -> tuple[SessionHeld, None]:
        from xnatsync.services import finding

        return finding.session(client, experiment, project), None

    return _brought(shell, profile, make_order, found)


def _download_apart(
    shell: Shell, profile: str | None, project: str | None, subject: str | None, make_order: MakeOrder
) -> int:
    """Download of a subject or of a project itself."""

    def found(client: XNATClient) -> tuple[SessionHeld, Owner]:
        from xnatsync.core.nouns import SessionHeld
        from xnatsync.services.places import find_place

        owner = find_place(client, project=project, subject=subject).owner
        return SessionHeld(owner.id, owner.subject or owner.id, owner.project), owner

    return _brought(shell, profile, make_order, found)


def _brought(shell: Shell, profile: str | None, make_order: MakeOrder, find: Find) -> int:
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.download import download
    from xnatsync.app.profile import choose, connected
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.gauging import gauging
    from xnatsync.services.client import XNATClient
    from xnatsync.views.download import download_blocks, download_fields
    from xnatsync.views.errors import error_blocks

    stop = threading.Event()
    chosen = choose(shell.config_file, profile)
    with stop_on_signals(stop) as received, connected(chosen, stop, workers=_WORKERS_MAX) as server:
        client = XNATClient.over(server, chosen)
        held, owner = find(client)
        order = make_order(client, held)
        with gauging(shell.screen) as gauge:
            report = download(server, held, order, owner=owner, gauge=gauge, stopping=stop.is_set)
    code = by_signal(received, report.exit_code)
    for error in report.errors:
        shell.screen.complain(error_blocks(error))
    shell.show(download_blocks(report), download_fields(report, code))
    return code
