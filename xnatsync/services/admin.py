"""What administrators and owners ask for: catalogues, histories, settings, plug-ins; `accounts` has the users."""

from __future__ import annotations

import builtins
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from xnatsync.core.errors import AccessDenied, NotThere, OutcomeUnknown, ReadFailed, Stopped, Usage, XnatsyncError
from xnatsync.core.nouns import SessionHeld, not_empty
from xnatsync.core.pasting import command_line
from xnatsync.fetch.threads import abreast
from xnatsync.services.accounts import AccountService
from xnatsync.services.base import limited
from xnatsync.services.client import WORK_S
from xnatsync.services.models import Fields
from xnatsync.xnat import administration, containers, projects, sessions, subjects
from xnatsync.xnat.administration import REFRESHES, Happening

__all__ = ["AdminService"]

Told = Callable[[int, int, str], object]
_AT_ONCE_MAX: Final = 8  # as many connections as a client has
_AGO: Final = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class AdminService(AccountService):
    """Refreshes catalogues, reads histories and settings, and lists what a server is made of."""

    def refresh_catalogs(
        self,
        project: str,
        experiments: builtins.list[str] | None = None,
        options: builtins.list[str] | None = None,
        limit: int | None = None,
        parallel: bool = True,
        workers: int = 4,
        progress_callback: Told | None = None,
    ) -> Fields:
        """Refresh the catalogues of all sessions of a project, or of those that are named by ID or label.

        `options` are `append` (take in files that are on the server's disk), `delete` (let go of entries without a
        file), `checksum`, `populateStats`; without any the server does all, checksums if the site has them.  The result
        has `refreshed` and `failed` (accession IDs), `errors`, and `outcomes`: for each session `experiment`, `label`,
        `outcome`, and its files and bytes before and after.  The callback is told (done, all, accession ID), and stops
        the rest by returning False.
        """
        wanted = self._refreshes(options)
        chosen = limited(self._sessions(project, experiments), limit)
        at_once = min(workers, _AT_ONCE_MAX) if parallel else 1
        if at_once < 1:
            raise Usage(f"workers is {workers}", advice="Give a number from 1 on.")
        report = Fields(refreshed=[], failed=[], errors=[], outcomes=[])
        deed = f"refresh the catalogues of {len(chosen)} sessions of project {project}"
        with (
            self._written_down("catalogs.refreshed", deed, project=project, options=wanted) as told,
            closing(abreast(chosen, lambda held: self._refreshed(held, wanted), at_once)) as outcomes,
        ):
            for done, outcome in enumerate(outcomes, 1):
                _note(report, outcome)
                told |= {"refreshed": len(report["refreshed"]), "failed": len(report["failed"])}
                if progress_callback and progress_callback(done, len(chosen), outcome["experiment"]) is False:
                    raise Stopped("the refresh was stopped by its callback; what was begun is done")
        return report

    def audit_log(
        self,
        project: str | None = None,
        username: str | None = None,
        action: str | None = None,
        since: str | None = None,
        limit: int | None = 100,
    ) -> builtins.list[Fields]:
        """List what was done to a project, its subjects and its sessions, or to all that we can read; the newest first.

        XNAT keeps a history for each thing and none of the site, so each is asked.  `action` is a part of the server's
        word, `since` is `7d`, `12h`, `30m`, `2w` or a date.  An entry has `at` (UTC where the server tells a moment),
        `user`, `action`, `type`, `status`, `reason`, `project`, `item` (accession ID) and `event_id`.
        """
        start = _since(since)
        not_empty(project)
        names = [project] if project is not None else [one.id for one in projects.listed(self.client.low)]
        found: dict[tuple[object, ...], Fields] = {}
        for name in names:
            with closing(abreast(self._things(name), self._history, _AT_ONCE_MAX)) as histories:
                for kind, item, events in histories:
                    for event in events:
                        entry = _entry(event, name, item)
                        if _fits(entry, username, action, start):
                            found[kind, item, entry["event_id"], entry["at"]] = entry
        newest = sorted(found.values(), key=lambda entry: (entry["at"], entry["event_id"]), reverse=True)
        return limited(newest, limit)

    audit_logs = audit_log  # as the examples spell it

    def get_server_info(self) -> Fields:
        """Return `version`, `url`, what the server says of its build, `plugins` (ID to version), and `uptime`.

        `plugins` and `uptime` are None where this account is not told.
        """
        found = Fields(administration.build_info(self.client.low), url=self.client.base_url)
        listed = containers.plugins(self.client.low)
        found["plugins"] = None if listed is None else {name: str(one.get("version")) for name, one in listed.items()}
        try:
            found["uptime"] = administration.uptime(self.client.low)
        except (AccessDenied, NotThere):
            found["uptime"] = None
        return found

    def list_plugins(self) -> builtins.list[Fields]:
        """List the plug-ins: `id`, `name`, `version`, `description`."""
        listed = containers.plugins(self.client.low)
        if listed is None:
            raise AccessDenied("the server does not show its plug-ins to this account")
        return [
            Fields(
                id=name,
                name=str(one.get("name") or ""),
                version=str(one.get("version") or ""),
                description=str(one.get("description") or ""),
            )
            for name, one in sorted(listed.items())
        ]

    def get_plugin(self, plugin_id: str) -> Fields:
        """Return everything that the server tells of one plug-in."""
        listed = containers.plugins(self.client.low) or {}
        if plugin_id not in listed:
            raise NotThere(
                f"there is no plug-in {plugin_id}", advice=f"`{command_line('admin', 'plugins')}` lists them."
            )
        return Fields(listed[plugin_id])

    def get_site_config(self, key: str | None = None) -> Fields:
        """Return the settings that this account may read, or one of them; ResourceNotFoundError when there is none."""
        if key is None:
            return Fields(administration.settings(self.client.low))
        return Fields({key: administration.setting(self.client.low, key)})

    def set_site_config(self, key: str, value: Any) -> bool:
        """Set a setting that there is, and see that the server kept it; True then."""
        before = administration.setting(self.client.low, key)
        if type(before) in {bool, int} and type(value) is not type(before):
            kind = "true or false" if isinstance(before, bool) else "a whole number"
            raise Usage(f"{key} is {kind}, and {value!r} is not")
        with self._written_down("site.set", f"set {key} of the site"):
            administration.change_setting(self.client.low, key, value, request_id=str(uuid.uuid4()), timeout_s=WORK_S)
            after = administration.setting(self.client.low, key)
            if after != value:
                raise OutcomeUnknown(f"{key} was to be set, and the server did not keep the value")
        return True

    # --- refreshing --------------------------------------------------------------------------------------------------

    def _refreshes(self, options: builtins.list[str] | None) -> builtins.list[str]:
        given = [part for option in options or () for part in option.split(",") if part]
        if unknown := [option for option in given if option not in REFRESHES]:
            raise Usage(f"{unknown[0]} is no option of a refresh", advice=f"Give of {', '.join(REFRESHES)}.")
        return [*dict.fromkeys(given)]

    def _sessions(self, project: str, wanted: builtins.list[str] | None) -> builtins.list[SessionHeld]:
        """Find the sessions that are meant; one that the project does not have stops everything before it begins."""
        projects.one(self.client.low, project)
        held = sessions.listed(self.client.low, project)
        if wanted is None:
            return [*held]
        found = []
        for name in wanted:
            alike = [one for one in held if one.label == name] or [one for one in held if one.id == name]
            if not alike:
                raise NotThere(
                    f"project {project} has no session {name}",
                    advice=f"`{command_line('session', 'list', '-P', project)}` lists its sessions.",
                )
            found.append(alike[0])
        return [*dict.fromkeys(found)]

    def _refreshed(self, held: SessionHeld, options: builtins.list[str]) -> Fields:
        """Refresh one session, and count its files before and after."""
        outcome = Fields(experiment=held.id, label=held.label, outcome="refreshed", error="")
        try:
            before = administration.counted(self.client.low, held.id)
            administration.refresh(self.client.low, held.id, options, request_id=str(uuid.uuid4()), timeout_s=WORK_S)
            after = administration.counted(self.client.low, held.id)
            if after[0] is None and (not options or "populateStats" in options):
                raise OutcomeUnknown(f"session {held.id} was refreshed, and the server still does not count its files")
        except XnatsyncError as error:
            before = after = (None, None)
            outcome |= {"outcome": "unknown" if isinstance(error, OutcomeUnknown) else "failed", "error": str(error)}
        outcome |= {"files_before": before[0], "files_after": after[0]}
        outcome |= {"bytes_before": before[1], "bytes_after": after[1]}
        return outcome

    # --- histories ---------------------------------------------------------------------------------------------------

    def _things(self, project: str) -> Iterator[tuple[str, str]]:
        """Everything of a project that has a history."""
        yield "xnat:projectData", projects.one(self.client.low, project).id
        for subject in subjects.listed(self.client.low, project):
            yield "xnat:subjectData", subject.id
        for held in sessions.listed(self.client.low, project):
            yield held.xsi_type, held.id

    def _history(self, thing: tuple[str, str]) -> tuple[str, str, tuple[Happening, ...]]:
        kind, key = thing
        try:
            return kind, key, administration.history(self.client.low, kind, key)
        except NotThere:  # deleted, or shared and not ours to read, since it was listed
            return kind, key, ()
        except ReadFailed as error:
            raise ReadFailed(f"the history of {key} could not be read: {error}", http=error.http) from error


def _note(report: Fields, outcome: Fields) -> None:
    report["outcomes"].append(outcome)
    report["refreshed" if outcome["outcome"] == "refreshed" else "failed"].append(outcome["experiment"])
    if outcome["error"]:
        report["errors"].append(outcome["error"])


def _entry(event: Happening, project: str, item: str) -> Fields:
    return Fields(
        at=_moment(event.at),
        user=event.user,
        action=event.action,
        type=event.type,
        status=event.status,
        reason=event.reason,
        project=project,
        item=item,
        event_id=event.id,
    )


def _moment(value: object) -> str:
    """Write milliseconds as UTC; a text is the server's own clock, and stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value or "")
    try:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(value)


def _since(text: str | None) -> datetime | None:
    """Read `7d`, `12h`, `30m`, `2w`, a date or a moment; Usage when it is none."""
    if text is None:
        return None
    if (ago := _AGO.fullmatch(text)) is not None:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"{text} is no time", advice="Give 7d, 12h, 30m, 2w, or a date such as 2026-01-31.") from None
    return found.astimezone(UTC)


def _fits(entry: Fields, username: str | None, action: str | None, start: datetime | None) -> bool:
    if username is not None and entry["user"] != username:
        return False
    if action is not None and action.lower() not in entry["action"].lower():
        return False
    if start is None:
        return True
    try:
        return datetime.fromisoformat(entry["at"]).astimezone(UTC) >= start
    except ValueError:  # a time that cannot be read is shown rather than lost
        return True
