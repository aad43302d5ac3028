"""The words that name both ends of a transfer, and what is taken: the same for each command that asks about one."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from xnatsync.cli.options import ProfileOption, ProjectOption
from xnatsync.cli.shell import Shell

if TYPE_CHECKING:
    from xnatsync.app.profile import Profile
    from xnatsync.app.transfer import TransferOrder, Transfers
    from xnatsync.config.transfers import TransferFile

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
ToFolderOption = Annotated[
    Path | None, typer.Option("--to-folder", metavar="DIR", help="Fill a folder on disk, in place of a server.")
]
FromFolderOption = Annotated[
    Path | None, typer.Option("--from-folder", metavar="DIR", help="Take it from a folder that was filled so.")
]
FileOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="What is taken, and how: a file of transfer-init.")
]


@dataclass(frozen=True, slots=True)
class Named:
    """The options of both ends, each as typer reads it."""

    project: ProjectOption = None
    dest_project: DestProjectOption = None
    dest_profile: DestProfileOption = None
    dest_url: DestUrlOption = None
    dest_user: DestUserOption = None
    dest_pass: DestPassOption = None
    dest_pass_stdin: DestPassStdinOption = False
    to_folder: ToFolderOption = None
    from_folder: FromFolderOption = None
    file: FileOption = None
    profile: ProfileOption = None


def naming_ends(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of `Named` in the place of its parameter `ends`."""
    options = [
        inspect.Parameter(field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=field.default, annotation=hint)
        for field, hint in zip(fields(Named), get_type_hints(Named, include_extras=True).values(), strict=True)
    ]
    hints = get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def called(**given: Any) -> int:
        ends = Named(**{option.name: given.pop(option.name) for option in options})
        return command(ends=ends, **given)

    parameters: list[inspect.Parameter] = []
    for one in inspect.signature(command).parameters.values():
        parameters += options if one.name == "ends" else [one.replace(annotation=hints[one.name])]
    del called.__dict__["__wrapped__"]  # its parameters are others
    called.__dict__["__signature__"] = inspect.Signature(parameters)
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


class Words:
    """The words that name the two projects, and what is taken of the first."""

    def __init__(self, shell: Shell, ends: Named) -> None:
        from xnatsync.cli.passwords import given
        from xnatsync.config.transfer_yaml import load_transfer
        from xnatsync.config.transfers import TransferFile
        from xnatsync.views.blocks import Line, Tone

        _refuse_both(ends)
        self.shell, self.ends = shell, ends
        self.account = given(
            shell, ends.dest_user, ends.dest_pass, from_stdin=ends.dest_pass_stdin, option="--dest-pass"
        )
        self.file: TransferFile = TransferFile()
        if ends.file is not None:
            self.file, warnings = load_transfer(ends.file)
            shell.screen.complain(
                Line(f"warning: {ends.file}:{one.line}: {one.key}: {one.text}", Tone.WARN) for one in warnings
            )
        self.project = _agreed("-P", ends.project, "source_project", self.file.source_project)
        self.dest_project = _agreed("--dest-project", ends.dest_project, "dest_project", self.file.dest_project)

    def take(self, document: dict[str, object]) -> None:
        """Take over what a plan was made with; Usage where the words say something else."""
        from xnatsync.config.transfers import TransferFile
        from xnatsync.core.errors import Usage

        if self.ends.file is not None:
            raise Usage("a plan has its settings in it", advice="Leave --config out.")
        plan = TransferFile.model_validate(document["settings"])
        self.file = plan
        self.project = _agreed("-P", self.project, "the plan", plan.source_project)
        self.dest_project = _agreed("--dest-project", self.dest_project, "the plan", plan.dest_project)

    def order(self, *, workers: int | None = None, dicom: str | None = None, repair: bool = False) -> TransferOrder:
        """Return what is ordered."""
        from xnatsync.app.transfer import TransferOrder

        file, project = self.file, self._project()
        to_project = project if self.ends.to_folder is not None else named("--dest-project", self.dest_project)
        return TransferOrder(
            project=project, to_project=to_project,
            filtering=file.filtering, dicom=dicom or file.dicom, sync_new_only=file.sync_new_only,
            max_failures=file.max_failures, retries=file.scan_retry_count, retry_delay_s=file.scan_retry_delay,
            verify=file.verify_after_transfer, workers=workers or file.scan_workers, repair=repair,
        )  # fmt: skip

    def by_engine(self, order: TransferOrder, engine: str, scheduler: str | None) -> TransferOrder:
        """Say where the work of an order is done; Usage for what no cluster does."""
        from dataclasses import replace

        from xnatsync.config.transfers import scheduler_address
        from xnatsync.core.errors import Usage

        if engine != "dask" or scheduler is None:
            raise Usage(
                "--engine dask and --scheduler ADDRESS go together",
                advice="Give both: `--engine dask --scheduler tls://host:8786`.",
            )
        if order.dicom == "import" or self.ends.from_folder is not None or self.ends.to_folder is not None:
            raise Usage(
                "workers of a cluster carry DICOM as it is between servers: they import none, and reach no folder",
                advice="Leave out --engine and --scheduler.",
            )
        try:
            address = scheduler_address(scheduler)
        except ValueError as error:
            raise Usage(f"--scheduler: {error}", advice="`dask scheduler` prints its address when it starts.") from None
        return replace(order, engine=engine, scheduler=address)

    def _project(self) -> str:
        if self.ends.from_folder is None or self.project:
            return self.project or the_project(self.shell, None, self.ends.profile)
        from xnatsync.app.transfer_ends import project_in

        return project_in(self.ends.from_folder)

    def between(self, order: TransferOrder) -> Transfers:
        """Make the transfer of an order."""
        from xnatsync.app.profile import choose
        from xnatsync.app.transfer_order import transfers_between

        here, there = self.ends.from_folder, self.ends.to_folder
        source = here.absolute() if here is not None else choose(self.shell.config_file, self.ends.profile)
        destination = there.absolute() if there is not None else self._destination()
        config = (destination if isinstance(source, Path) else source).config  # type: ignore[union-attr]
        return transfers_between(config, source, destination, order, threading.Event())

    def _destination(self) -> Profile:
        from xnatsync.app.profile import at_address, choose
        from xnatsync.core.errors import Usage

        if self.ends.dest_url is not None:
            return at_address(self.shell.config_file, self.ends.dest_url, self.account)
        if self.ends.dest_profile is None:
            raise Usage(
                "no destination was named", advice="Give --dest-profile NAME, --dest-url URL or --to-folder DIR."
            )
        return choose(self.shell.config_file, self.ends.dest_profile, given=self.account)


def _refuse_both(ends: Named) -> None:
    """Raise Usage for words that name one end twice."""
    from xnatsync.core.errors import Usage

    there = {"--dest-profile": ends.dest_profile, "--dest-url": ends.dest_url, "--to-folder": ends.to_folder}
    here = {"--profile": ends.profile, "--from-folder": ends.from_folder, "--to-folder": None}
    for words in (there, here, {"--from-folder": ends.from_folder, "--to-folder": ends.to_folder}):
        given = [option for option, value in words.items() if value is not None]
        if len(given) > 1:
            raise Usage(f"{given[0]} and {given[1]} exclude each other", advice="Leave one of them out.")
    if ends.to_folder is not None and ends.dest_project not in {None, ends.project}:
        raise Usage("a folder keeps the ID of the project", advice="Leave --dest-project out: it is for the way on.")


def _agreed(option: str, given: str | None, key: str, written: str | None) -> str | None:
    from xnatsync.core.errors import Usage

    if given is not None and written is not None and given != written:
        raise Usage(f"{option} says {given}, and {key} says {written}", advice="Leave one of them out.")
    return given or written


def named(option: str, value: str | None) -> str:
    """Return what was named; Usage for nothing."""
    from xnatsync.core.errors import Usage

    if not value:
        raise Usage("no destination project was named", advice=f"Give {option} ID.")
    return value


def the_project(shell: Shell, project: str | None, profile: str | None = None) -> str:
    """Return the project that was named, else the configured one; Usage where there is neither."""
    if project:
        return project
    from xnatsync.app.profile import choose_server
    from xnatsync.core.errors import Usage

    chosen = choose_server(shell.config_file, profile)
    if found := chosen.server.project or chosen.config.defaults.project:
        return found
    raise Usage("no project was named", advice="Give -P PROJECT.")
