"""From the configuration of a route to the settings that its kind works with."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from xnatsync.config.model import DropConfig, MirrorConfig, PushConfig, TransferConfig
from xnatsync.config.rules import MatchConfig, RuleConfig, TableConfig
from xnatsync.config.uploads import UploadConfig
from xnatsync.core.drop_selection import Wanted
from xnatsync.core.given import Given
from xnatsync.core.group import Routing
from xnatsync.core.labels import Template
from xnatsync.core.manifest import Level
from xnatsync.core.rules import Lookup, Matcher, Rule
from xnatsync.routes.drop.settings import Also, DropRoute
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.push_settings import PushRoute


def drop_route(name: str, config: DropConfig, settle_s: float | None = None) -> DropRoute:
    """Turn the configuration of a route into the engine's settings."""
    return DropRoute(
        name=name,
        folder=Path(config.folder),
        done=Path(config.done_folder),
        server=config.server,
        routing=Routing(
            project=config.project,
            subject=Template.parse(config.subject),
            session=Template.parse(config.session),
            rules=tuple(map(rule_of, config.rules)),
        ),
        settle_s=config.settle if settle_s is None else settle_s,
        settle_min_s=config.settle_min,
        missing_s=config.wait_for_missing,
        max_wait_s=config.max_wait,
        wait_for=config.wait_for,
        wait_while=config.wait_while,
        also=tuple(Also(also.server, also.project) for also in config.also),
        destination=config.destination,
        after=config.after,
        level=Level(config.level),
        collision=config.collision,
        same_patient=config.same_patient,
        other=config.other,
        odd=config.odd,
        dicomdir=config.dicomdir,
        attach_to=config.attach_to,
        member_names=config.member_names,
        streams=config.streams,
        quiet_s=config.quiet,
        ignore=tuple(config.ignore),
        wanted=Wanted(config.selection(), frozenset(config.projects)),
        given=_given(config),
        marker=config.marker,
        receipt_page=config.receipt_page,
    )


def rule_of(config: RuleConfig) -> Rule:
    """Turn the configuration of a rule into what the core asks."""
    project = config.project
    return Rule(
        when={keyword: _matcher(match) for keyword, match in config.when.items()},
        project=Template.parse(project, given=True) if project is not None and "{" in project else project,
        subject=_template(config.subject),
        session=_template(config.session),
        name=config.name,
        path=_matcher(config.path) if config.path is not None else None,
        table=_lookup(config.table) if config.table is not None else None,
        then=config.then,
        why=config.hold or "",
        destination=config.destination,
        collision=config.collision,
    )


def _template(text: str | None) -> Template | None:
    return Template.parse(text, given=True) if text is not None else None


def _matcher(config: MatchConfig) -> Matcher:
    if config.regex is not None:
        return Matcher(config.regex, "regex")
    return Matcher(config.like or "") if config.exact is None else Matcher(config.exact, "is")


def _lookup(config: TableConfig) -> Lookup:
    match = {column: Template.parse(text, given=True) for column, text in config.match.items()}
    return Lookup(str(config.file), match, config.missing)


def _given(config: DropConfig) -> Given | None:
    if not isinstance(config, UploadConfig) or not config.source:
        return None
    return Given(
        config.subject,
        config.session,
        config.source,
        files=config.files,
        transport=config.transport,
        adds=config.adds,
        unparsable=config.unparsable,
    )


def mirror_route(name: str, config: MirrorConfig, today: date) -> MirrorRoute:
    """Turn the configuration of a mirror into the engine's settings."""
    return MirrorRoute(
        name=name,
        server=config.server,
        projects=config.all_projects,
        folder=Path(config.folder),
        layout=config.tree_layout,
        selection=config.selection(today),
        policy=config.policy,
        max_delete=config.max_delete,
        recheck_s=config.recheck,
        trash_keep_s=config.trash_keep,
        metadata=config.metadata,
        big_file=config.big_file,
    )


def push_route(name: str, config: PushConfig, today: date) -> PushRoute:
    """Turn the configuration of a push into the engine's settings."""
    return PushRoute(
        name=name,
        server=config.server,
        project=config.project,
        folder=Path(config.folder),
        layout=config.tree_layout,
        selection=config.selection(today),
        create_resources=config.create_resources,
        settle_s=config.settle,
        quiet_s=config.quiet,
    )


def pushed_tree(name: str, config: PushConfig, today: date) -> MirrorRoute:
    """A push keeps the same owners, versions and trees, the other way round."""
    return MirrorRoute(
        name, config.server, config.all_projects, Path(config.folder), config.tree_layout, config.selection(),
        metadata=False,
    )  # fmt: skip


def transfer_route(name: str, config: TransferConfig) -> TransferRoute:
    """Turn the configuration of a transfer into the engine's settings."""
    return TransferRoute(
        name=name,
        server=config.server,
        project=config.project,
        to_server=config.to_server,
        to_project=config.to_project,
        filters=config.filters.filter,
        dicom=config.dicom,
        sync_new_only=config.sync_new_only,
        max_failures=config.max_failures,
        retries=config.retries,
        delay_s=config.retry_delay,
        workers=config.workers,
        verify=config.verify,
        quiet_s=0.0 if config.to_folder is not None else config.quiet,  # a disk answers, or it is asked by nobody
        to_folder=config.to_folder is not None,
    )
