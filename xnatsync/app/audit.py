"""`audit`: a project against what somebody expects of it.  Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from xnatsync.config.model import Config
from xnatsync.core.audit import Audit, Expected, Finding, Mirrored, Scheduled, Verdict
from xnatsync.core.errors import Exit, FolderMissing, RouteUnknown, Usage
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.layout import Layout
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.selection import Selection
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.tree import TreeDisk
from xnatsync.xnat import sessions
from xnatsync.xnat.server import XnatServer


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found."""

    project: str
    today: date
    findings: tuple[Finding, ...]
    differences: int
    sessions: int  # on the server
    scans: int

    @property
    def exit_code(self) -> int:
        """4 when something differs."""
        return Exit.DIFFERENT if self.differences else Exit.OK

    def count(self, verdict: Verdict) -> int:
        """Count the findings of a kind."""
        return sum(finding.verdict is verdict for finding in self.findings)


def held(server: XnatServer, project: str) -> dict[SessionHeld, int]:
    """Count the scans of each session of a project in one request; NotThere when the project is hidden."""
    return sessions.scan_counts(server.client, project)


def refuse_nothing(manifest: object, schedule: object, mirror: object) -> None:
    """Usage when nothing was named to compare with."""
    if manifest is None and schedule is None and mirror is None:
        raise Usage("there is nothing to compare with", advice="Name a manifest, --schedule FILE, or --mirror FOLDER.")


def nothing_compared(counts: dict[SessionHeld, int], project: str, today: date) -> AuditReport:
    """Say how much is there, and nothing else."""
    return AuditReport(project, today, (), 0, len(counts), sum(counts.values()))


def audit(
    counts: dict[SessionHeld, int],
    project: str,
    today: date,
    *,
    manifest: list[Expected] | None = None,
    schedule: list[Scheduled] | None = None,
    mirror: MirrorPlace | None = None,
    allow_extra: bool = False,
) -> AuditReport:
    """Compare; what is None is not asked for."""
    question = Audit(
        counts,
        today,
        manifest,
        schedule,
        mirror.look(project, counts) if mirror is not None else None,
        allow_extra,
    )
    findings = tuple(question.findings())
    return AuditReport(
        project,
        today,
        findings,
        sum(question.differs(finding) for finding in findings),
        len(counts),
        sum(counts.values()),
    )


@dataclass(frozen=True, slots=True)
class MirrorPlace:
    """A mirror's tree: a folder with the usual layout, or that of a route with its own and its selection."""

    folder: Path
    layout: Layout
    selection: Selection | None = None
    is_route: bool = False
    disk: TreeDisk | None = None

    def takes(self, session: SessionHeld) -> bool:
        """Return whether the route wants a session at all."""
        return self.selection is None or self.selection.wants_owner(
            Owner(
                OwnerKind.SESSION,
                session.project,
                session.id,
                subject=session.subject,
                subject_id=session.subject_id,
                session=session.label,
                xsi_type=session.xsi_type,
                date=session.date,
                modality=session.modality,
            )
        )

    def look(self, project: str, counts: dict[SessionHeld, int]) -> Mirrored:
        """Look which sessions of a project have files there; those that the route leaves out are told apart.

        FolderMissing when the folder is not there, or is not the tree that the route keeps.
        """
        disk = self.disk or LocalTree()
        if self.is_route and not disk.sentinel(self.folder):
            raise FolderMissing(
                f"{self.folder} is not the tree of that route (its mark .xnatsync/sentinel is missing)",
                advice="Mount the disk, or run `xnatsync sync` once; nothing is concluded about what is missing.",
            )
        labels, ids = set(), set()
        for path in disk.look_tree(self.folder).files:
            found = self.layout.locate(path)
            if found is not None and found.project == project and (found.session or found.session_id):
                if found.session:
                    labels.add(found.session)
                else:
                    ids.add(found.session_id)
        unwanted = frozenset(session.id for session in counts if not self.takes(session))
        return Mirrored(frozenset(labels), frozenset(ids), unwanted)


def mirror_place(config: Config, name: str, today: date) -> MirrorPlace:
    """Find a mirror by the name of its route, else by its folder."""
    if (mirror := config.mirror_routes.get(name)) is not None:
        return MirrorPlace(mirror.folder, mirror.tree_layout, mirror.selection(today), is_route=True)
    if name in config.routes:
        raise RouteUnknown(f"route {name} is no mirror")
    folder = Path(name)
    if not folder.is_dir():
        raise FolderMissing(
            f"{name} is neither a route of the configuration nor a folder",
            advice="Name a route of kind mirror, or the folder of its tree; if it is on another disk, mount that.",
        )
    return MirrorPlace(folder, Layout.parse())
