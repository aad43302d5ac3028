"""`dicom inspect|validate|list-tags`: what files on this disk are, before anybody sends them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", show_default=False, help="A DICOM file, whatever it is called.")
]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", "-t", metavar="KEYWORD", help="Only these: Modality, or 0008,0060. Repeatable."),
]
PrivateOption = Annotated[bool, typer.Option("--private", help="Private elements too.")]
PatientOption = Annotated[
    bool, typer.Option("--show-patient", help="Show what names the patient or a person, which is hidden otherwise.")
]


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="DICOM files on this disk.", rich_markup_mode=None, no_args_is_help=True)
    group.command()(inspect)
    group.command()(validate)
    group.command(name="list-tags")(list_tags)
    program.add_typer(group, name="dicom")


def inspect(
    ctx: typer.Context,
    file: FileArgument,
    tag: TagOption = None,
    private: PrivateOption = False,
    show_patient: PatientOption = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show what an object is: its UIDs, series, syntax, and whether it could be delivered."""
    shell = ctx.ensure_object(Shell)
    shell.begin("dicom-inspect", output, quiet)
    from xnatsync.app.dicom_files import examine, tags_of
    from xnatsync.core.errors import Usage
    from xnatsync.views.dicom_files import inspected_blocks, inspected_fields

    if file.is_dir():
        raise Usage(f"{file} is a folder", advice="Name one file; `dicom validate` reads folders.")
    seen = examine(file)
    wanted = tag or ()
    tags = tags_of(file, private=private, show_patient=show_patient, wanted=wanted) if wanted or private else []
    shell.show(inspected_blocks(seen, tags), inspected_fields(seen, tags))
    return Exit.OK


def validate(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", show_default=False, help="A folder, a file, or a zip or tar archive.")
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", "-r", help="A folder is always read with all below it.")
    ] = True,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Read every file below a path as a drop would, and say what would hold it.  Exit code 3 when something would."""
    shell = ctx.ensure_object(Shell)
    shell.begin("dicom-validate", output, quiet)
    from xnatsync.app.dicom_files import examine
    from xnatsync.core.errors import Usage
    from xnatsync.views.dicom_files import validated_blocks, validated_fields

    if not recursive:
        raise Usage("a folder is read with all below it", advice="Leave --no-recursive out, or name single files.")
    seen = examine(path)
    code = Exit.HELD if seen.holding or not seen.objects else Exit.OK
    shell.show(validated_blocks(seen), validated_fields(seen, code))
    return code


def list_tags(
    ctx: typer.Context,
    file: FileArgument,
    private: PrivateOption = False,
    show_patient: PatientOption = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the elements of a header: number, kind, keyword, value; values that name a person are hidden."""
    shell = ctx.ensure_object(Shell)
    shell.begin("dicom-list-tags", output, quiet, lists=True)
    from xnatsync.app.dicom_files import tags_of
    from xnatsync.views.dicom_files import TAG_COLUMNS, tag_row

    rows = [tag_row(each) for each in tags_of(file, private=private, show_patient=show_patient)]
    shell.show_rows(rows, TAG_COLUMNS, key="tag")
    return Exit.OK
