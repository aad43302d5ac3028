"""`session upload-exam`: the objects of a folder as a session, everything else as its resources."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import BandwidthOption, DryRunOption, OutputOption, ProfileOption, ProjectOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.cli.upload import DirectOption, LabelOption, SubjectOption, WorkersOption

_WAIT_S = 14400.0
RootArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", show_default=False, help="The folder of the examination.")
]
MiscOption = Annotated[str, typer.Option(metavar="LABEL", help="The resource for the files at the top of the folder.")]
SkipOption = Annotated[bool, typer.Option("--skip-resources", help="Send the DICOM objects alone.")]
AttachOption = Annotated[bool, typer.Option("--attach-only", help="Store everything else alone, in the session.")]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait", "--wait-timeout", min=0.0, metavar="SECONDS",
        help="How long to wait until the session is archived.",
    ),
]  # fmt: skip
IntervalOption = Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How long between two looks for it.")]
ForOption = Annotated[
    bool, typer.Option("--wait-for-archive/--no-wait-for-archive", help="Wait for it, or not at all.")
]


def exam(
    ctx: typer.Context,
    folder: RootArgument,
    subject: SubjectOption,
    experiment: LabelOption,
    project: ProjectOption = None,
    workers: WorkersOption = 4,
    misc_label: MiscOption = "MISC",
    skip_resources: SkipOption = False,
    attach_only: AttachOption = False,
    direct_archive: DirectOption = True,
    wait: WaitOption = _WAIT_S,
    wait_interval: IntervalOption = 5.0,
    wait_for_archive: ForOption = True,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    bandwidth: BandwidthOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Send the DICOM objects of a folder to one session, and store everything else as its resources.

    A folder in it becomes the resource of its name.  The same command again sends what is missing.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("session-upload-exam", output, quiet)
    shell.limit(bandwidth)
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.profile import choose
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.services.client import XNATClient
    from xnatsync.services.exam_uploads import ExamOrder, upload_exam
    from xnatsync.views.exam import exam_blocks, exam_fields

    chosen, stop = choose(shell.config_file, profile), threading.Event()
    order = ExamOrder(
        root=folder, project=chosen.project_or_default(project), subject=subject, session=experiment,
        place="archive" if direct_archive else "prearchive", workers=workers, misc_label=misc_label,
        skip_resources=skip_resources, attach_only=attach_only, wait_s=wait if wait_for_archive else 0.0,
        wait_interval_s=wait_interval,
    )  # fmt: skip
    client = XNATClient.of(chosen, workers=workers)
    with client, stop_on_signals(stop) as received, watched(shell) as (progress, log):
        report = upload_exam(client, order, progress=progress, stop=stop, dry_run=dry_run, on_bug=log.bug)
    code = by_signal(received, report.exit_code)
    shell.show(exam_blocks(report), exam_fields(report, code))
    return code
