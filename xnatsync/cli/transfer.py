"""`project transfer` and its companions: from the project of one server to that of another."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import DryRunOption, OutputOption, ProfileOption, ProjectOption, QuietOption, YesOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit

if TYPE_CHECKING:
    from xnatsync.app.profile import Profile
    from xnatsync.app.transfer import TransferOrder, Transfers
    from xnatsync.config.transfers import TransferFile

_WORKERS_MAX = 32


class Dicom(StrEnum):
    """How DICOM travels."""

    COPY = "copy"
    IMPORT = "import"


DestProjectOption = Annotated[str | None, typer.Option("--dest-project", metavar="ID", help="The project it goes to.")]
DestProfileOption = Annotated[
    str | None, typer.Option("--dest-profile", metavar="NAME", help="The server it goes to, of the configuration.")
]
DestUrlOption = Annotated[
    str | None, typer.Option("--dest-url", metavar="URL", help="Its address, in place of --dest-profile.")
]
DestUserOption = Annotated[str | None, typer.Option("--dest-user", metavar="NAME", help="The account there.")]
DestPassOption = Annotated[
    str | None,
    typer.Option("--dest-pass", metavar="WORD", help="Visible to others: --dest-pass-stdin is better."),
]
DestPassStdinOption = Annotated[
    bool, typer.Option("--dest-pass-stdin", help="Read the password there from the first line of stdin.")
]
FileOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="What is taken, and how: a file of transfer-init.")
]


def register(group: typer.Typer) -> None:
    """Add the commands of this module to `project`."""
    group.command(name="transfer")(transfer)
    group.command(name="transfer-check")(check)
    group.command(name="transfer-status")(status)
    group.command(name="transfer-history")(history)
    group.command(name="transfer-init")(init)


def transfer(
    ctx: typer.Context,
    project: ProjectOption = None,
    dest_project: DestProjectOption = None,
    dest_profile: DestProfileOption = None,
    dest_url: DestUrlOption = None,
    dest_user: DestUserOption = None,
    dest_pass: DestPassOption = None,
    dest_pass_stdin: DestPassStdinOption = False,
    file: FileOption = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", min=1, max=_WORKERS_MAX, help="Requests at once; else 4.", show_default=False),
    ] = None,
    dicom: Annotated[
        Dicom | None,
        typer.Option(help="Copy DICOM, or import it: scripts of the destination run.", show_default=False),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Send again what was deleted at the destination.")] = False,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Do what a plan says: `--dry-run -o json` writes it.")
    ] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Copy a project to another server, with everything that belongs to it, and sign for it.

    The source is only read, and nothing is overwritten at the destination.  The same command again finds what is new.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-plan" if dry_run else "project-transfer", output, quiet)
    from xnatsync.app.transfer_plan import read_plan
    from xnatsync.cli.passwords import given

    words = _Words(shell, profile, project, dest_project, dest_profile, dest_url, file)
    account = given(shell, dest_user, dest_pass, from_stdin=dest_pass_stdin, option="--dest-pass")
    planned = read_plan(plan) if plan is not None else None
    if planned is not None:
        words.take(planned.document)
    order = words.order(workers=workers, dicom=dicom.value if dicom else None, repair=repair)
    transfers = words.between(order, account)
    if dry_run:
        return _plan(shell, transfers)
    _sure(shell, transfers, yes=yes)
    return _transfer(shell, transfers, planned)


def check(
    ctx: typer.Context,
    project: ProjectOption = None,
    dest_project: DestProjectOption = None,
    dest_profile: DestProfileOption = None,
    dest_url: DestUrlOption = None,
    dest_user: DestUserOption = None,
    dest_pass: DestPassOption = None,
    dest_pass_stdin: DestPassStdinOption = False,
    file: FileOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Ask both servers whether a transfer would go through. Changes nothing."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-check", output, quiet)
    from xnatsync.cli.passwords import given
    from xnatsync.views.doctor import doctor_blocks, doctor_fields

    words = _Words(shell, profile, project, dest_project, dest_profile, dest_url, file)
    account = given(shell, dest_user, dest_pass, from_stdin=dest_pass_stdin, option="--dest-pass")
    checks = words.between(words.order(), account).check()
    shell.show(doctor_blocks(checks), doctor_fields(checks))
    return checks.exit_code


def status(
    ctx: typer.Context, project: ProjectOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Show how the last transfer of a project ended."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-status", output, quiet)
    from xnatsync.app.transfer_runs import last_run
    from xnatsync.views.transfer import status_blocks, status_fields

    config = shell.known()
    found = last_run(config, _project(shell, project))
    shell.show(status_blocks(found), status_fields(found))
    return Exit.OK


def history(
    ctx: typer.Context, project: ProjectOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """List all transfers of a project, the newest first."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-history", output, quiet, lists=True)
    from xnatsync.app.transfer_runs import runs_of
    from xnatsync.views.transfer import run_row

    rows = [run_row(run) for run in runs_of(shell.known(), _project(shell, project))]
    headings = {
        "id": "id", "status": "status", "started_at": "started", "ended_at": "ended", "subjects_synced": "subjects",
        "experiments_synced": "experiments", "dest_server": "to server", "dest_project": "to project",
    }  # fmt: skip
    shell.show_rows(rows, headings)
    return Exit.OK


def init(
    ctx: typer.Context,
    project: ProjectOption = None,
    dest_project: DestProjectOption = None,
    output_file: Annotated[
        Path | None, typer.Option("--output-file", "-f", metavar="FILE", help="Write it there, not to the screen.")
    ] = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Write a file for `project transfer --config`, with every key and its default."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-init", output, quiet)
    from xnatsync.app.named_files import write_whole
    from xnatsync.config.transfer_yaml import transfer_yaml
    from xnatsync.views.blocks import Line, Tone

    source, destination = _project(shell, project), _named("--dest-project", dest_project)
    text = transfer_yaml(source, destination)
    if output_file is not None:
        write_whole(output_file, text, force=False)
    if shell.is_json or output_file is not None:
        written = str(output_file) if output_file is not None else None
        told = f"{written} is written: the option --config of `project transfer` reads it"
        shell.show([Line(told, Tone.GOOD)], {"path": written, "text": text})
    else:
        shell.screen.document(text.rstrip("\n"))
    return Exit.OK


# --- what the words of a command mean ----------------------------------------------------------------------------


class _Words:
    """The words that name the two projects, and what is taken of the first."""

    def __init__(
        self, shell: Shell, profile: str | None, project: str | None, dest_project: str | None,
        dest_profile: str | None, dest_url: str | None, file: Path | None,
    ) -> None:  # fmt: skip
        from xnatsync.config.transfer_yaml import load_transfer
        from xnatsync.config.transfers import TransferFile
        from xnatsync.core.errors import Usage
        from xnatsync.views.blocks import Line, Tone

        if dest_profile is not None and dest_url is not None:
            raise Usage("--dest-profile and --dest-url exclude each other", advice="Leave one of them out.")
        self.shell, self.profile, self.dest_profile, self.dest_url = shell, profile, dest_profile, dest_url
        self.file: TransferFile = TransferFile()
        if file is not None:
            self.file, warnings = load_transfer(file)
            shell.screen.complain(
                Line(f"warning: {file}:{one.line}: {one.key}: {one.text}", Tone.WARN) for one in warnings
            )
        self.project = _agreed("-P", project, "source_project", self.file.source_project)
        self.dest_project = _agreed("--dest-project", dest_project, "dest_project", self.file.dest_project)
        self.has_file = file is not None

    def take(self, document: dict[str, object]) -> None:
        """Take over what a plan was made with; Usage where the words say something else."""
        from xnatsync.config.transfers import TransferFile
        from xnatsync.core.errors import Usage

        if self.has_file:
            raise Usage("a plan has its settings in it", advice="Leave --config out.")
        plan = TransferFile.model_validate(document["settings"])
        self.file = plan
        self.project = _agreed("-P", self.project, "the plan", plan.source_project)
        self.dest_project = _agreed("--dest-project", self.dest_project, "the plan", plan.dest_project)

    def order(self, *, workers: int | None = None, dicom: str | None = None, repair: bool = False) -> TransferOrder:
        """Return what is ordered."""
        from xnatsync.app.transfer import TransferOrder

        file = self.file
        return TransferOrder(
            project=self.project or _project(self.shell, None, self.profile),
            to_project=_named("--dest-project", self.dest_project),
            filtering=file.filtering, dicom=dicom or file.dicom, sync_new_only=file.sync_new_only,
            max_failures=file.max_failures, retries=file.scan_retry_count, retry_delay_s=file.scan_retry_delay,
            verify=file.verify_after_transfer, workers=workers or file.scan_workers, repair=repair,
        )  # fmt: skip

    def between(self, order: TransferOrder, account: object) -> Transfers:
        """Make the transfer of an order."""
        from xnatsync.app.profile import choose
        from xnatsync.app.transfer import transfers_between

        source = choose(self.shell.config_file, self.profile)
        return transfers_between(source.config, source, self._destination(account), order, threading.Event())

    def _destination(self, account: object) -> Profile:
        from xnatsync.app.accounts import Given
        from xnatsync.app.profile import at_address, choose
        from xnatsync.core.errors import Usage

        assert isinstance(account, Given)
        if self.dest_url is not None:
            return at_address(self.shell.config_file, self.dest_url, account)
        if self.dest_profile is None:
            raise Usage("no destination was named", advice="Give --dest-profile NAME, or --dest-url URL.")
        return choose(self.shell.config_file, self.dest_profile, given=account)


def _agreed(option: str, given: str | None, key: str, written: str | None) -> str | None:
    from xnatsync.core.errors import Usage

    if given is not None and written is not None and given != written:
        raise Usage(f"{option} says {given}, and {key} says {written}", advice="Leave one of them out.")
    return given or written


def _named(option: str, value: str | None) -> str:
    from xnatsync.core.errors import Usage

    if not value:
        raise Usage("no destination project was named", advice=f"Give {option} ID.")
    return value


def _project(shell: Shell, project: str | None, profile: str | None = None) -> str:
    if project:
        return project
    from xnatsync.app.profile import choose_server
    from xnatsync.core.errors import Usage

    chosen = choose_server(shell.config_file, profile)
    if found := chosen.server.project or chosen.config.defaults.project:
        return found
    raise Usage("no project was named", advice="Give -P PROJECT.")


# --- doing -------------------------------------------------------------------------------------------------------


def _sure(shell: Shell, transfers: Transfers, *, yes: bool) -> None:
    from xnatsync.cli.asking import sure

    config = transfers.config
    what = f"project {config.project} of {config.server} would be copied to {config.to_project} of {config.to_server}"
    sure(shell, yes=yes, question=f"Copy project {config.project} to {config.to_project} now?", would=what)


def _transfer(shell: Shell, transfers: Transfers, planned: object) -> int:
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.transfer_plan import Planned
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.views.certificate_page import signed
    from xnatsync.views.transfer import transfer_blocks, transfer_fields

    assert planned is None or isinstance(planned, Planned)
    with stop_on_signals(transfers.app.stop) as received, watched(shell) as (progress, log):
        if planned is None:
            report = transfers.run(progress=progress, sign=signed, on_bug=log.bug)
        else:
            report = transfers.run_planned(planned, progress=progress, sign=signed, on_bug=log.bug)
        for error in report.all_errors:
            log.failed(error.code, "run")
    code = by_signal(received, report.exit_code)
    shell.show(transfer_blocks(report), transfer_fields(report, code))
    return code


def _plan(shell: Shell, transfers: Transfers) -> int:
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.trees import exit_code_of
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.views.transfer import plan_blocks, plan_fields

    with stop_on_signals(transfers.app.stop) as received, watched(shell) as (progress, _):
        planned = transfers.plan(progress=progress)
    code = by_signal(received, exit_code_of(planned.errors))
    shell.show(plan_blocks(planned), plan_fields(transfers, planned, code))
    return code
