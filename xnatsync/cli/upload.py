"""`session upload`: one source to one session that is named."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import (
    BandwidthOption,
    DryRunOption,
    OutputOption,
    PasswordOption,
    PasswordStdinOption,
    ProfileOption,
    ProjectOption,
    QuietOption,
    UsernameOption,
)
from xnatsync.cli.shell import Shell

if TYPE_CHECKING:
    from xnatsync.app.profile import Profile
    from xnatsync.app.upload import UploadOrder
    from xnatsync.core.given import Transport

_WORKERS, _WORKERS_MAX = 4, 32


class Overwrite(StrEnum):
    """What is done where the session is there already."""

    NONE = "none"
    APPEND = "append"
    DELETE = "delete"


class Proof(StrEnum):
    """How deep the proof goes."""

    NAMES = "names"
    PIXELS = "pixels"
    BYTES = "bytes"


class Form(StrEnum):
    """In what objects travel."""

    TAR = "tar"
    ZIP = "zip"


SourceArgument = Annotated[
    Path, typer.Argument(metavar="SOURCE", show_default=False, help="A folder, a file, or a zip or tar archive.")
]
SubjectOption = Annotated[
    str, typer.Option("--subject", "-S", metavar="LABEL", help="The subject it is of; made, if it is not there.")
]
LabelOption = Annotated[
    str, typer.Option("--experiment", "--session", "-E", metavar="LABEL", help="The session that it becomes.")
]
WorkersOption = Annotated[
    int, typer.Option("--workers", "-w", min=1, max=_WORKERS_MAX, help="How many requests are sent at once.")
]
DirectOption = Annotated[
    bool, typer.Option("--direct-archive/--prearchive", help="Into the archive, or leave it in the prearchive.")
]
UnparsableOption = Annotated[
    bool | None,
    typer.Option(
        "--ignore-unparsable/--no-ignore-unparsable",
        help="Leave damaged files out, and name them; or send nothing where a file is no DICOM object. Else what is "
        "damaged holds the upload, and what is no DICOM is left out.",
        show_default=False,
    ),
]

OverwriteOption = Annotated[
    Overwrite,
    typer.Option(
        help="To a session that is there: none, send nothing; append, send what it lacks; delete, the same: "
        "nothing there is deleted."
    ),
]
ProofOption = Annotated[
    Proof | None,
    typer.Option(help="How deep the proof goes: names, fetched pixels, or every byte; else names.", show_default=False),
]


def session(
    ctx: typer.Context,
    source: SourceArgument,
    subject: SubjectOption,
    experiment: LabelOption,
    project: ProjectOption = None,
    workers: WorkersOption = _WORKERS,
    archive_format: Annotated[Form, typer.Option(help="Objects travel in streams of this form.")] = Form.ZIP,
    zip_to_tar: Annotated[
        bool, typer.Option("--zip-to-tar/--no-zip-to-tar", help="Same as --archive-format tar.")
    ] = False,
    direct_archive: DirectOption = True,
    gradual: Annotated[
        bool, typer.Option("--gradual", help="One request for each object instead of archives.")
    ] = False,
    ignore_unparsable: UnparsableOption = None,
    overwrite: OverwriteOption = Overwrite.APPEND,
    verify: ProofOption = None,
    dry_run: DryRunOption = False,
    username: UsernameOption = None,
    password: PasswordOption = None,
    password_stdin: PasswordStdinOption = False,
    profile: ProfileOption = None,
    bandwidth: BandwidthOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Send DICOM objects to one session, and prove that they arrived.

    What is there already is not sent again, and nothing that is there is overwritten or deleted.  The source stays as
    it is.  The same command again goes on where it was.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("session-upload", output, quiet)
    shell.limit(bandwidth)
    from xnatsync.app.profile import choose
    from xnatsync.app.upload import UploadOrder
    from xnatsync.cli.passwords import given

    account = given(shell, username, password, from_stdin=password_stdin)
    chosen = choose(shell.config_file, profile, given=account)
    transport: Transport = "gradual" if gradual else "tar" if zip_to_tar or archive_format is Form.TAR else "zip"
    order = UploadOrder(
        sources=(source,),
        project=chosen.project_or_default(project),
        subject=subject,
        session=experiment,
        place="archive" if direct_archive else "prearchive",
        transport=transport,
        overwrite=overwrite.value,
        unparsable="hold" if ignore_unparsable is None else "leave" if ignore_unparsable else "refuse",
        workers=workers,
        verify=verify.value if verify is not None else None,
    )
    return _plan(shell, chosen, order) if dry_run else _upload(shell, chosen, order)


def _upload(shell: Shell, chosen: Profile, order: UploadOrder) -> int:
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.upload import upload_to
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.views.upload import upload_blocks, upload_fields

    stop = threading.Event()
    with stop_on_signals(stop) as received, watched(shell) as (progress, log):
        report = upload_to(chosen, order, stop).run(progress=progress, on_bug=log.bug)
        for error in report.run.all_errors:
            log.failed(error.code, "run")
    code = by_signal(received, report.exit_code)
    shell.show(upload_blocks(report), {**upload_fields(report), "exit_code": code})
    return code


def _plan(shell: Shell, chosen: Profile, order: UploadOrder) -> int:
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.upload import upload_to
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.views.upload import plan_blocks, plan_fields

    stop = threading.Event()
    with stop_on_signals(stop) as received, watched(shell) as (progress, _):
        planned = upload_to(chosen, order, stop).plan(progress=progress)
    code = by_signal(received, planned.exit_code)
    shell.show(plan_blocks(planned), plan_fields(planned, code))
    return code
