"""Routes that keep a tree of files and a project in agreement: `mirror` brings, `push` sends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Self

from pydantic import StrictBool, model_validator

from xnatsync.config.selected import SelectionConfig
from xnatsync.config.values import Cron, Folder, LongSeconds, Name, Part, Removals, Seconds, Size, quarrel
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.layout import DEFAULTS, Layout
from xnatsync.core.misread import Misread
from xnatsync.core.selection import TIERS, Selection, Tier


class LayoutConfig(Part):
    """`layout` of a tree: where files lie in it."""

    scan: str = DEFAULTS["scan"]
    session: str = DEFAULTS["session"]
    subject: str = DEFAULTS["subject"]
    project: str = DEFAULTS["project"]
    windows: StrictBool = False

    def parse(self, project: str) -> Layout:
        """Read the templates; `project` is the only one of the route, or ""."""
        texts: dict[Tier, str] = {tier: getattr(self, tier) for tier in TIERS if getattr(self, tier) != DEFAULTS[tier]}
        return Layout.parse(texts, project=project, windows=self.windows)


class TreeConfig(SelectionConfig, ABC):
    """What the routes that keep a tree have in common: the place, the layout, and all keys of the selection."""

    server: str
    folder: Folder
    layout: LayoutConfig = LayoutConfig()
    types: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    levels: tuple[Tier, ...] = TIERS
    schedule: Cron | None = None

    @property
    @abstractmethod
    def all_projects(self) -> tuple[str, ...]:
        """The projects of the route."""

    @property
    def tree_layout(self) -> Layout:
        """Where files lie."""
        projects = self.all_projects
        return self.layout.parse(projects[0] if len(projects) == 1 else "")

    def _broken(self) -> list[tuple[str, str]]:
        """List keys whose words mean nothing: the key to change, and why."""
        found = self._misread()
        try:
            Selection.parse(levels=self.levels)
        except Misread as error:
            found.append((error.key, error.why))
        try:
            _ = self.tree_layout
        except Misread as error:
            found.append((f"layout.{error.key}", error.why))
        return found


class MirrorConfig(TreeConfig):
    """`[routes.NAME]` with `kind = "mirror"`"""

    kind: Literal["mirror"]
    project: Name | None = None
    projects: tuple[Name, ...] = ()
    policy: Literal["add", "replica"] = "add"
    max_delete: Removals = "10%"
    trash_keep: LongSeconds = 30 * 86400.0
    recheck: LongSeconds = 7 * 86400.0
    metadata: StrictBool = True
    big_file: Size = 64 * 10**6

    @property
    def all_projects(self) -> tuple[str, ...]:
        """The projects of the route, each once."""
        return (self.project,) if self.project is not None else tuple(dict.fromkeys(self.projects))

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        found = self._broken()
        if (self.project is None) == (not self.projects):
            found.append(("project", "say what is mirrored: either `project`, or `projects`"))
        if self.metadata and not found:
            found += [
                (f"layout.{kind.value}", f"leaves no folder of its own for {kind.value}.xml: set metadata = false")
                for kind in OwnerKind
                if kind in self.selection().kinds
                and self.tree_layout.sidecar(_example(kind, self.all_projects[0])) is None
            ]
        if found:
            raise quarrel(found)
        return self


class PushConfig(TreeConfig):
    """`[routes.NAME]` with `kind = "push"`"""

    kind: Literal["push"]
    project: Name
    resources: tuple[str, ...]  # never everything: what was mirrored would be sent back
    create_resources: StrictBool = True
    settle: Seconds = 60.0
    quiet: Seconds = 60.0

    @property
    def all_projects(self) -> tuple[str, ...]:
        """The one project of the route."""
        return (self.project,)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        found = self._broken()
        taken = [text for text in self.resources if not text.startswith("!")]
        if not taken or any(not text.strip("*") for text in taken):
            found.append(
                ("resources", "name what is sent, such as QC: all of them would send back what a mirror fetched")
            )
        if found:
            raise quarrel(found)
        return self


def _example(kind: OwnerKind, project: str) -> Owner:
    """An owner with ordinary names."""
    return Owner(kind, project, "X_E00001", "S1", "X_S00001", "S1_MR")
