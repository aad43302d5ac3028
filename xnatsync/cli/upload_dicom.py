"""`session upload-dicom`: DICOM files to a receiver by C-STORE."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import OutputOption, ProfileOption, ProjectOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Usage

if TYPE_CHECKING:
    from xnatsync.app.dicom_store import StoreOrder, StoreReport

CALLING = "XNATSYNC"
_MINUTE = 60.0

HostOption = Annotated[str | None, typer.Option(metavar="NAME", envvar="XNAT_DICOM_HOST", help="The receiver's host.")]
CalledOption = Annotated[
    str | None, typer.Option(metavar="TITLE", envvar="XNAT_DICOM_CALLED_AET", help="The receiver's AE title.")
]
PortOption = Annotated[int, typer.Option(min=1, max=65535, envvar="XNAT_DICOM_PORT", help="The receiver's port.")]
CallingOption = Annotated[str, typer.Option(metavar="TITLE", envvar="XNAT_DICOM_CALLING_AET", help="Our AE title.")]
WorkersOption = Annotated[int, typer.Option("--workers", "-w", min=1, max=32, help="Associations at once.")]
TlsOption = Annotated[bool, typer.Option("--tls", envvar="XNAT_DICOM_TLS", help="Encrypt, and verify the receiver.")]
BundleOption = Annotated[
    Path | None, typer.Option(metavar="FILE", envvar="XNAT_DICOM_TLS_CA_BUNDLE", help="The authorities to trust.")
]
CertOption = Annotated[Path | None, typer.Option(metavar="FILE", envvar="XNAT_DICOM_TLS_CERT", help="Our certificate.")]
KeyOption = Annotated[
    Path | None, typer.Option(metavar="FILE", envvar="XNAT_DICOM_TLS_KEY", help="Its key, without a password.")
]
TimeoutOption = Annotated[float, typer.Option(metavar="SECONDS", min=1, help="The longest wait for an answer.")]
AgainOption = Annotated[bool, typer.Option("--again", help="Also what the receiver confirmed before.")]
OddOption = Annotated[bool, typer.Option("--odd", help="Also objects that are not as the standard wants them.")]
WaitOption = Annotated[
    float, typer.Option(metavar="MINUTES", min=0, help="With -p: how long to wait until the server lists them.")
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="C-ECHO and what would be accepted; send nothing.")]


def upload_dicom(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="INPUT", show_default=False, help="A folder, or one file.")],
    host: HostOption = None,
    called_aet: CalledOption = None,
    port: PortOption = 104,
    calling_aet: CallingOption = CALLING,
    workers: WorkersOption = 4,
    tls: TlsOption = False,
    tls_ca_bundle: BundleOption = None,
    tls_cert: CertOption = None,
    tls_key: KeyOption = None,
    timeout: TimeoutOption = 120.0,
    again: AgainOption = False,
    odd: OddOption = False,
    wait: WaitOption = 10.0,
    dry_run: DryOption = False,
    project: ProjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Send DICOM files to a receiver by C-STORE, each in its own transfer syntax.

    Every object ends with an outcome.  The same command sends again only what the receiver did not confirm.  With -p,
    each object is looked for on that server afterwards.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("session-upload-dicom", output, quiet)
    from xnatsync.app.dicom_store import StoreOrder
    from xnatsync.core.ae_title import checked_title
    from xnatsync.dicomnet.peer import Patience, Peer, Tls

    if not tls and (tls_ca_bundle or tls_cert or tls_key):
        raise Usage("certificates were given without --tls", advice="Add --tls, or leave them out.")
    peer = Peer(
        _given(host, "--host", "XNAT_DICOM_HOST"),
        port,
        checked_title(_given(called_aet, "--called-aet", "XNAT_DICOM_CALLED_AET"), "--called-aet"),
        checked_title(calling_aet, "--calling-aet"),
        Tls(tls_ca_bundle, tls_cert, tls_key) if tls else None,
    )
    order = StoreOrder(
        source, peer, workers=workers, again=again, odd=odd, dry_run=dry_run,
        patience=Patience(answer_s=timeout), project=project, wait_s=wait * _MINUTE,
    )  # fmt: skip
    return _send(shell, order, profile)


def _given(value: str | None, option: str, variable: str) -> str:
    if value and value.strip():
        return value.strip()
    raise Usage(f"the receiver's {option} is missing", advice=f"Give {option}, or set {variable}.")


def _send(shell: Shell, order: StoreOrder, profile: str | None) -> int:
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.dicom_store import ledger_path, store
    from xnatsync.app.profile import choose, connected
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.gauging import gauging
    from xnatsync.services.dicom_store import NoDicomFiles
    from xnatsync.views.dicom_store import store_blocks, store_fields
    from xnatsync.views.errors import error_blocks

    stop = threading.Event()
    with stop_on_signals(stop) as received, ExitStack() as open_:
        ledger, server = ledger_path(shell.config_file), None
        if profile is not None:
            chosen = choose(shell.config_file, profile)
            ledger = chosen.config.ledger.path
            server = open_.enter_context(connected(chosen, stop))
            server.whoami()  # a wrong password is known before anything is sent
        gauge = open_.enter_context(gauging(shell.screen))
        report: StoreReport = store(order, ledger, server=server, gauge=gauge, stop=stop)
    if not report.objects and not report.doubtful and not received:
        raise NoDicomFiles(f"there is no DICOM object in {order.source}")
    code = by_signal(received, report.exit_code)
    if report.ended is not None:
        shell.screen.complain(error_blocks(report.ended))
    shell.show(store_blocks(report), store_fields(report, code))
    return code
