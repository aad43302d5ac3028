"""Projects: list, look into, create, delete, who may see them, and who is in them."""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass
from typing import Any, Final

from xnatsync.core.errors import AccessDenied, AlreadyThere, Declined, EffectMissing, NotThere, RequestRefused, Usage
from xnatsync.core.labels import MAX_LABEL
from xnatsync.core.pasting import command_line
from xnatsync.core.wording import counted
from xnatsync.services import finding
from xnatsync.services.base import BaseService, limited, one_at_a_time
from xnatsync.services.models import Fields, Member, Project
from xnatsync.services.spelling import also
from xnatsync.xnat import asked, edits, values, wire

__all__ = ["ProjectService"]

ACCESS: Final = ("private", "protected", "public")
ROLES: Final = ("owner", "member", "collaborator")
_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_MEMBER: Final = ("ID", "label", "project", "insert_date", "insert_user")
_SESSION: Final = (
    "ID",
    "label",
    "project",
    "subject_label",
    "subject_ID",
    "date",
    "xsiType",
    "modality",
    "insert_date",
)


@dataclass(frozen=True, slots=True)
class Holding:
    """What goes with a project when it is deleted; `shown` is shared into it, and stays where it belongs."""

    id: str
    name: str
    subjects: int
    experiments: int  # imaging sessions and whatever else belongs to its subjects
    shown: int

    @property
    def words(self) -> str:
        """Say it: `2 subjects and 3 experiments`."""
        return f"{counted(self.subjects, 'subject')} and {counted(self.experiments, 'experiment')}"


class ProjectService(BaseService):
    """The projects of a server."""

    def list(self, accessible: bool = True, limit: int | None = None) -> list[Project]:
        """List the projects that this account can read, by ID; with `accessible=False` an administrator gets all."""
        rows = asked.projects(self.client.low, everything=not accessible)
        found = [
            Project(
                id=row["ID"],
                name=row["name"],
                secondary_id=row.get("secondary_ID", ""),
                pi=row.get("pi_lastname", ""),
                description=row.get("description", ""),
            )
            for row in rows
        ]
        return limited(sorted(found, key=lambda project: project.id), limit)

    @also(project="project_id")
    def get(self, project_id: str) -> Project:
        """Look into a project, with how much is in it; ResourceNotFoundError with the nearest when it is not there."""
        held = finding.project(self.client, project_id)
        item = asked.item(self.client.low, wire.project(held.id))
        people = item.children.get("PI", [])
        person = (
            " ".join(str(people[0].get(name) or "") for name in ("firstname", "lastname")).strip() if people else ""
        )
        return Project(
            id=held.id,
            name=held.name,
            secondary_id=held.secondary_id,
            pi=person or held.pi,
            description=held.description,
            keywords=item.text("keywords") or None,
            accessibility=self.accessibility(held.id),
            subject_count=len(asked.subjects(self.client.low, held.id, ("ID", "label"))),
            session_count=len(asked.sessions(self.client.low, held.id, ("ID", "label"))),
        )

    @also(project="project_id")
    @one_at_a_time
    def create(
        self,
        project_id: str,
        name: str | None = None,
        description: str | None = None,
        keywords: str | None = None,
        pi_firstname: str | None = None,
        pi_lastname: str | None = None,
        accessibility: str = "private",
    ) -> Project:
        """Create a project; AlreadyThere when the ID is taken, in whatever case.

        It is private until everything else of it is there; a failure to open it afterwards says so.
        """
        self.check_new(project_id, accessibility)
        texts = [values.check_text(text or "") for text in (name, description, keywords, pi_firstname, pi_lastname)]
        body = values.project_document(project_id, texts[0] or project_id, texts[1], texts[2], (texts[3], texts[4]))
        with self.written_down("project.created", f"create project {project_id}", project=project_id):
            seen = lambda: asked.is_there(self.client.low, wire.project(project_id))  # noqa: E731
            self.do(edits.project(project_id), body=body, seen=seen)
        if self.accessibility(project_id) != accessibility:
            self.set_accessibility(project_id, accessibility)
        made = self.get(project_id)
        if made.name != (texts[0] or project_id):
            raise EffectMissing(f"project {project_id} was created, and does not have the name that was given")
        return made

    @also(project="project_id")
    def delete(self, project_id: str, remove_files: bool = False, *, holding: Holding | None = None) -> bool:
        """Delete a project with everything it holds; its ID can never be used again.  True when it is gone.

        With `holding`, what `deletable` found, it is refused (Declined) when the project holds anything else by now.
        """
        held = self.deletable(project_id)
        if holding is not None and held != holding:
            raise Declined(
                f"project {project_id} has changed since it was asked about: it holds {held.words} now",
                advice="Nothing was deleted.  Look again, and say it again.",
            )
        deed = f"delete project {project_id}"
        with self.written_down("project.deleted", deed, project=project_id, files=remove_files) as told:
            told |= {"subjects": held.subjects, "experiments": held.experiments}
            self.do(
                edits.project_gone(project_id, remove_files=remove_files),
                seen=lambda: not asked.is_there(self.client.low, wire.project(project_id)),
            )
        return True

    @also(project="project_id")
    def deletable(self, project_id: str) -> Holding:
        """Count what would be deleted with a project; raise what `delete` would raise before it sends anything."""
        held = finding.project(self.client, project_id)
        if held.id != project_id:
            raise Usage(f"{project_id} is another name of project {held.id}", advice="Delete a project by its ID.")
        subjects = asked.subjects(self.client.low, held.id, ("ID", "label", "project"))
        experiments = asked.experiments_in(self.client.low, held.id)
        return Holding(
            held.id,
            held.name,
            subjects=sum(row.get("project") == held.id for row in subjects),
            experiments=sum(row["project"] == held.id for row in experiments),
            shown=sum(row.get("project") != held.id for row in (*subjects, *experiments)),
        )

    @also(project="project_id")
    def get_subjects(self, project_id: str, limit: int | None = None) -> builtins.list[dict[str, Any]]:
        """List the subjects of a project, with those shared into it, under XNAT's names of the columns."""
        held = finding.project(self.client, project_id)
        rows = asked.subjects(self.client.low, held.id, _MEMBER)
        return limited([Fields(row) for row in sorted(rows, key=lambda row: row["label"])], limit)

    @also(project="project_id")
    def get_sessions(self, project_id: str, limit: int | None = None) -> builtins.list[dict[str, Any]]:
        """List the imaging sessions of a project, with those shared into it, under XNAT's names of the columns."""
        held = finding.project(self.client, project_id)
        rows = asked.sessions(self.client.low, held.id, _SESSION)
        return limited([Fields(row) for row in sorted(rows, key=lambda row: row["label"])], limit)

    @also(project="project_id")
    def accessibility(self, project_id: str) -> str:
        """Return who may see a project: private, protected or public."""
        return asked.accessibility(self.client.low, project_id)

    @also(project="project_id")
    def set_accessibility(self, project_id: str, accessibility: str) -> bool:
        """Make a project private, protected or public. True when the server shows it so; nothing is sent if it did."""
        if accessibility not in ACCESS:
            raise Usage(f"{accessibility!r} is no level of access", advice=f"One of: {', '.join(ACCESS)}.")
        held = finding.project(self.client, project_id)
        before = self.accessibility(held.id)
        if before == accessibility:
            return True
        deed = f"make project {held.id} {accessibility}"
        with self.written_down("project.access", deed, project=held.id, before=before, after=accessibility):
            self.do(
                edits.accessible(held.id, accessibility),
                seen=lambda: self.accessibility(held.id) == accessibility,
            )
        return True

    @also(project="project_id")
    def users(self, project_id: str) -> builtins.list[Member]:
        """List the users of a project with their roles."""
        held = finding.project(self.client, project_id)
        rows = asked.members(self.client.low, held.id)
        found = [
            Member(
                login=row["login"],
                role=_role(held.id, row["GROUP_ID"]) or row.get("displayname", ""),
                group=row["GROUP_ID"],
                firstname=row.get("firstname", ""),
                lastname=row.get("lastname", ""),
                email=row.get("email", ""),
            )
            for row in rows
        ]
        return sorted(found, key=lambda member: (member.login, member.group))

    @also(project="project_id", user="username")
    def grant(self, project_id: str, username: str, role: str = "member") -> bool:
        """Give a user a role in a project.  True when the server shows it.

        ResourceNotFoundError for a user that the server does not list: XNAT would send an invitation by mail.
        """
        if role not in ROLES:
            raise Usage(f"{role!r} is no role", advice=f"One of: {', '.join(ROLES)}.")
        home, _ = self.check_user(project_id, username, role)
        if self._has(home, username, role):
            return True
        deed = f"make user {username} {role} of project {home}"
        with self.written_down("project.granted", deed, project=home, member=username, role=role):
            self.do(edits.membership(home, f"{home}_{role}", username), seen=lambda: self._has(home, username, role))
        return True

    @also(project="project_id", user="username")
    def revoke(self, project_id: str, username: str) -> builtins.list[str]:
        """Take a user out of every group of a project; return the roles that were taken away.

        ResourceNotFoundError when the user is in none.  The last of those who may change the project stays.
        """
        home, _ = self.check_user(project_id, username)
        mine = [member for member in self.users(home) if member.login == username]
        deed = f"take user {username} out of project {home}"
        with self.written_down("project.revoked", deed, project=home, member=username):
            for member in mine:
                call = edits.membership(home, member.group, username, ends=True)
                self.do(call, seen=lambda group=member.group: not self._in(home, username, group))  # type: ignore[misc]
        return [member.role for member in mine]

    @also(project="project_id", user="username")
    def check_user(self, project_id: str, username: str, role: str | None = None) -> tuple[str, str]:
        """Return a project's ID and the roles that a user has there; raise what `grant` or `revoke` would raise."""
        home = finding.project(self.client, project_id).id
        mine = [member.role for member in self.users(home) if member.login == username]
        if role is not None and role not in mine:
            self._refuse_unknown(username)
        if role is None and not mine:
            raise NotThere(
                f"user {username} is in no group of project {home}",
                advice=f"`{command_line('project', 'users', home)}` lists its users.",
            )
        self._refuse_last(home, username, but=role or "")
        return home, ", ".join(mine)

    def _has(self, project_id: str, username: str, role: str) -> bool:
        return self._in(project_id, username, f"{project_id}_{role}")

    def _in(self, project_id: str, username: str, group: str) -> bool:
        rows = asked.members(self.client.low, project_id)
        return any(row["login"] == username and row["GROUP_ID"] == group for row in rows)

    def _refuse_unknown(self, username: str) -> None:
        try:
            known = {row["login"] for row in asked.users(self.client.low)}
        except AccessDenied:
            return  # this account may not list the users: what the server shows afterwards is looked at
        if username not in known:
            near = finding.nearest(username, known)
            others = f"; the nearest: {', '.join(near)}" if near else ""
            raise NotThere(
                f"the server has no user {username}{others}",
                advice="Users are named by their login. No invitation was sent.",
            )

    def _refuse_last(self, project_id: str, username: str, but: str = "") -> None:
        """Refuse to leave a project without anybody who may change it."""
        masters = {member.login for member in self.users(project_id) if member.role == ROLES[0]}
        if masters == {username} and but != ROLES[0]:
            raise RequestRefused(
                f"user {username} is the last one who may change project {project_id}",
                advice=f"First give that role to another user: `{command_line('project', 'users', project_id)}`.",
            )

    @also(project="project_id")
    def check_new(self, project_id: str, accessibility: str = "private") -> None:
        """Raise what `create` would raise before it sends anything."""
        if accessibility not in ACCESS:
            raise Usage(f"{accessibility!r} is no level of access", advice=f"One of: {', '.join(ACCESS)}.")
        if not _ID.fullmatch(project_id):
            raise Usage(f"{project_id!r} is no ID of a project", advice="Use letters, digits, `_` and `-`.")
        if len(project_id) > MAX_LABEL:
            raise Usage(f"an ID of a project has at most {MAX_LABEL} characters, and this one has {len(project_id)}")
        known = {row["ID"] for row in asked.projects(self.client.low, everything=False)}
        taken = next((other for other in known if other.casefold() == project_id.casefold()), None)
        if taken is None and asked.is_there(self.client.low, wire.project(project_id)):
            taken = project_id  # another name of a project, which the listing does not show
        if taken is not None:
            raise AlreadyThere(f"project {taken} is already there")


def _role(project_id: str, group: str) -> str:
    """Return the role that one of the usual groups gives, "" for another group."""
    role = group.removeprefix(f"{project_id}_")
    return role if role in ROLES else ""
