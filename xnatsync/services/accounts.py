"""Accounts of a site: who there is, in which groups, with which roles (docs/xnat/import.md §6.5).

Nobody is invited by a slip: XNAT sends an e-mail to whoever is added to a project under an unknown name, so a user is
looked up first.  One group of a project takes the place of another: what was lost by that is in the result.
"""

from __future__ import annotations

import builtins
import re
import uuid
from collections.abc import Iterable
from typing import Final

from xnatsync.core.errors import NotThere, OutcomeUnknown, Usage, XnatsyncError
from xnatsync.core.nouns import not_empty
from xnatsync.core.pasting import command_line
from xnatsync.services.base import BaseService
from xnatsync.services.client import WORK_S
from xnatsync.services.models import Fields
from xnatsync.xnat import administration, listing
from xnatsync.xnat.administration import User

USUAL: Final = ("owner", "member", "collaborator")
ALL_DATA: Final = frozenset({"ALL_DATA_ADMIN", "ALL_DATA_ACCESS"})
_GROUP: Final = re.compile(r"(.+)_(?:owner|member|collaborator)")


class AccountService(BaseService):
    """Lists accounts, and changes their groups, their roles, and whether they may log in."""

    def list_users(self, project: str | None = None) -> builtins.list[Fields]:
        """List the accounts of the site, or those of a project with their `group` there.

        `enabled` and `verified` are None where this account is not shown them.
        """
        low = self.client.low
        not_empty(project)
        found = administration.members(low, project) if project is not None else administration.users(low)
        return [_fields(one) for one in sorted(found, key=lambda one: one.username)]

    def get_user(self, username: str) -> Fields:
        """Return one account with `groups` and `roles`; ResourceNotFoundError when there is none."""
        found = _fields(self._user(username))
        return Fields(found, groups=self.groups(username), roles=self.list_roles(username))

    def groups(self, username: str) -> builtins.list[str]:
        """List the groups of an account."""
        return [*administration.groups(self.client.low, self._user(username).username)]

    def list_roles(self, username: str) -> builtins.list[str]:
        """List the roles of an account."""
        return [*administration.roles(self.client.low, self._user(username).username)]

    def add_user_to_groups(
        self,
        username: str,
        groups: builtins.list[str],
        projects: builtins.list[str] | None = None,
        role: str = "member",
    ) -> Fields:
        """Put an account into groups, and see that it is in them.

        With projects, a plain name (`member`, or what a group of one's own is called) is that group of each project;
        without groups it is `role`.  The result has `added`, `already`, `replaced` (groups that it lost by it),
        `failed` and `errors`.
        """
        wanted = self.planned(groups, projects, role)
        self._user(username)
        self._known_projects(wanted)
        before = set(administration.groups(self.client.low, username))
        report = Fields(added=[], already=[], replaced=[], failed=[], errors=[])
        for group in wanted:
            if group in before:
                report["already"].append(group)
                continue
            self._regroup(username, group, report, join=True)
        after = set(administration.groups(self.client.low, username))
        report["replaced"] = sorted(before - after)
        return report

    def remove_user_from_groups(
        self, username: str, groups: builtins.list[str], projects: builtins.list[str] | None = None
    ) -> Fields:
        """Take an account out of groups, and see that it is out: `removed`, `absent`, `failed`, `errors`."""
        wanted = self.planned(groups, projects, None)
        self._user(username)
        before = set(administration.groups(self.client.low, username))
        report = Fields(removed=[], absent=[], failed=[], errors=[])
        for group in wanted:
            if group not in before:
                report["absent"].append(group)
                continue
            self._regroup(username, group, report, join=False)
        return report

    def leavable(
        self, username: str, groups: builtins.list[str], projects: builtins.list[str] | None = None
    ) -> builtins.list[str]:
        """Return the groups that an account would be taken out of: with projects alone, those that it has there."""
        if groups:
            return self.planned(groups, projects, None)
        known = self._known_projects([f"{project}_member" for project in projects or ()])
        held = self.groups(username)
        found = [group for group in held if group.rpartition("_")[0] in known]
        if not found:
            raise Usage(f"user {username} is in no group of {', '.join(known) or 'a project, and none was named'}")
        return found

    def planned(self, groups: Iterable[str], projects: Iterable[str] | None, role: str | None) -> builtins.list[str]:
        """Return the IDs of the groups that are meant; Usage where none is."""
        if role is not None and role not in USUAL:
            raise Usage(f"{role} is no role in a project", advice=f"Give one of {', '.join(USUAL)}.")
        given, of = [*groups], [*(projects or ())]
        found = []
        for group in given or ([role] if role and of else []):
            whole = not of or group in ALL_DATA or _GROUP.fullmatch(group)
            if whole and group in USUAL:
                raise Usage(f"{group} of which project?", advice=f"Give --projects P, or the group's ID: P_{group}.")
            found += [group] if whole else [f"{project}_{group}" for project in of]
        if not found:
            raise Usage("no group was named", advice="Give groups such as P_member, or projects.")
        return [*dict.fromkeys(found)]

    def set_enabled(self, username: str, enabled: bool) -> Fields:
        """Let an account log in, or no longer, and see that it is so; one's own is never disabled."""
        found = self._user(username)
        if not enabled and found.username == self.client.username:
            raise Usage("that is the account that asks: it would lock itself out")
        word = "enable" if enabled else "disable"
        with self._written_down(f"user.{word}d", f"{word} user {found.username}"):
            administration.enable(self.client.low, found.username, on=enabled, request_id=_id(), timeout_s=WORK_S)
            after = self._user(username)
            if after.enabled is not enabled:
                raise OutcomeUnknown(f"user {found.username} was to be {word}d, and is not")
        return _fields(after)

    def grant_role(self, username: str, role: str) -> builtins.list[str]:
        """Give an account a role, and return those that it then has."""
        return self._role(username, role, given=True)

    def revoke_role(self, username: str, role: str) -> builtins.list[str]:
        """Take a role from an account, never `Administrator` from oneself; return those that it then has."""
        if role == "Administrator" and username == self.client.username:
            raise Usage("that is the account that asks: it would take its own rights")
        return self._role(username, role, given=False)

    def _role(self, username: str, role: str, *, given: bool) -> builtins.list[str]:
        name = self._user(username).username
        code, deed = ("role.granted", "grant") if given else ("role.revoked", "revoke")
        with self._written_down(code, f"{deed} role {role}: user {name}"):
            administration.give_role(self.client.low, name, role, given=given, request_id=_id(), timeout_s=WORK_S)
            after = [*administration.roles(self.client.low, name)]
            if (role in after) is not given:
                raise OutcomeUnknown(f"user {name} {'lacks' if given else 'still has'} the role {role}")
        return after

    def _regroup(self, username: str, group: str, report: Fields, *, join: bool) -> None:
        code, word = ("group.joined", "added") if join else ("group.left", "removed")
        try:
            with self._written_down(code, f"{'add to' if join else 'remove from'} group {group}: user {username}"):
                administration.regroup(self.client.low, username, group, join=join, request_id=_id(), timeout_s=WORK_S)
                if (group in administration.groups(self.client.low, username)) is not join:
                    raise OutcomeUnknown(f"user {username} is {'not' if join else 'still'} in group {group}")
        except XnatsyncError as error:
            report["failed"].append(group)
            report["errors"].append(f"{group}: {error}")
        else:
            report[word].append(group)

    def _user(self, username: str) -> User:
        try:
            return administration.user(self.client.low, username)
        except NotThere as error:
            raise NotThere(
                f"there is no user {username}",
                http=error.http,
                advice=f"`{command_line('admin', 'user', 'list')}` lists them.",
            ) from error

    def _known_projects(self, groups: Iterable[str]) -> builtins.list[str]:
        """Return the projects of groups; NotThere when one is none."""
        known = [*dict.fromkeys(found[1] for group in groups if (found := _GROUP.fullmatch(group)))]
        for project in known:
            if listing.project(self.client.low, project) is None:
                raise NotThere(f"there is no project {project}, or this account may not see it")
        return known


def _fields(one: User) -> Fields:
    return Fields(
        username=one.username,
        id=one.id,
        first_name=one.first_name,
        last_name=one.last_name,
        email=one.email,
        enabled=one.enabled,
        verified=one.verified,
        group=one.group,
    )


def _id() -> str:
    return str(uuid.uuid4())
