"""Subjects: list, look into, create, delete, share, and what is known of them; `renaming` gives them other labels."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any, Final

from xnatsync.core.errors import EffectMissing, NotEmpty, Usage
from xnatsync.core.pasting import command_line
from xnatsync.core.wording import counted
from xnatsync.services import fields, finding
from xnatsync.services.base import BaseService, further, limited, one_at_a_time
from xnatsync.services.models import Fields, Subject
from xnatsync.services.renaming import Renaming
from xnatsync.services.sharing import Sharing
from xnatsync.services.spelling import also
from xnatsync.xnat import asked, edits

__all__ = ["SubjectService"]

GENDERS: Final = ("male", "female", "other", "unknown")
_COLUMNS: Final = ("ID", "label", "project", "group", "gender", "yob")
_TYPE: Final = "xnat:subjectData"
_SESSION: Final = ("ID", "label", "project", "subject_label", "subject_ID", "date", "xsiType", "modality")
_YEARS: Final = range(1800, 2200)


class SubjectService(BaseService):
    """The subjects of projects."""

    def list(
        self, project: str | None = None, limit: int | None = None, columns: Sequence[str] | None = None
    ) -> list[Subject]:
        """List the subjects of a project by label, with those shared into it; without one, all that can be read.

        Further columns of XNAT are attributes of the subjects under the names that were asked for.
        """
        home = finding.project(self.client, project).id if project is not None else None
        wanted = [*_COLUMNS, *(column for column in columns or () if column not in _COLUMNS)]
        rows = asked.subjects(self.client.low, home, wanted)
        counts: dict[str, int] = {}
        if home is not None:
            for session in asked.sessions(self.client.low, home, _SESSION):
                counts[session.get("subject_ID", "")] = counts.get(session.get("subject_ID", ""), 0) + 1
        found = [_subject(row, columns or (), counts.get(row["ID"], 0) if home is not None else None) for row in rows]
        return limited(sorted(found, key=lambda subject: (subject.label, subject.id)), limit)

    @also(subject="subject_id")
    def get(self, subject_id: str, project: str | None = None) -> Subject:
        """Look into a subject; ResourceNotFoundError with the nearest labels when it is not there.

        A label means something in a project only: the one that is named, or the client's default.
        """
        return self._shown(finding.subject(self.client, subject_id, project))

    @one_at_a_time
    def create(
        self, project: str, label: str, group: str | None = None, gender: str | None = None, yob: int | None = None
    ) -> Subject:
        """Create a subject; AlreadyThere when the project has one of that label, in whatever case."""
        if gender is not None and gender not in GENDERS:
            raise Usage(f"{gender!r} is no gender that XNAT knows", advice=f"One of: {', '.join(GENDERS)}.")
        if yob is not None and yob not in _YEARS:
            raise Usage("the year of birth is no year")
        home = finding.project(self.client, project)
        self.check_new(home.id, label)
        given = {"group": group, "gender": gender, "yob": str(yob) if yob is not None else None}
        wanted = {name: text for name, text in given.items() if text is not None}
        plain = {name: text for name, text in wanted.items() if name != "group" or fields.is_plain(text)}
        with self.written_down("subject.created", f"create a subject of project {home.id}", project=home.id) as told:
            call = edits.new_subject(home.id, label, tuple(plain.items()))
            self.do(call, seen=lambda: self._labelled(home.id, label) is not None)
            made = finding.subject(self.client, label, home.id)
            told["subject"] = made.id
        if odd := {name: text for name, text in wanted.items() if name not in plain}:
            self._set(made, odd, {})
        shown = self._shown(made)
        if (shown.group or "", shown.gender or "", shown.yob) != (group or "", gender or shown.gender or "", yob):
            raise EffectMissing(f"subject {made.id} was created, and does not show everything that was given")
        return shown

    @also(subject="subject_id")
    def delete(
        self, subject_id: str, project: str | None = None, remove_files: bool = False, force: bool = False
    ) -> bool:
        """Delete a subject.  True when it is gone.

        NotEmpty, which is a RuntimeError, when experiments belong to it, in whichever project: XNAT would delete them
        too.  `force=True` deletes everything together.  Usage where the project only shows a subject of another one.
        """
        found, held = self.deletable(subject_id, project, force=force)
        deed = f"delete subject {found.id} of project {found.held_by}"
        ids = [row["ID"] for row in held]
        with self.written_down("subject.deleted", deed, project=found.held_by, experiments=ids, files=remove_files):
            self.do(
                edits.gone(edits.SUBJECT, found.id, remove_files=remove_files),
                seen=lambda: not asked.is_there(self.client.low, edits.held(edits.SUBJECT, found.id)),
            )
        return True

    def home(self, project: str | None) -> str:
        """Return the ID of the project that is meant, else of the client's default; it is there."""
        return finding.project(self.client, self._project(project)).id

    def check_new(self, project: str, label: str) -> None:
        """Raise what `create` would raise about a label before it sends anything."""
        rows = asked.subjects(self.client.low, project, ("ID", "label"))
        finding.new_label(label, (row["label"] for row in rows), "subject")

    @also(subject="subject_id")
    def deletable(
        self, subject_id: str, project: str | None = None, force: bool = False
    ) -> tuple[finding.SubjectFound, builtins.list[dict[str, Any]]]:
        """Find a subject with all its experiments; raise what `delete` would raise before it sends anything."""
        found = finding.subject(self.client, subject_id, project)
        self._refuse_shared(found)
        held = self.held(finding.Accession(found.id))
        if held and not force:
            raise NotEmpty(
                f"subject {found.id} has {counted(len(held), 'experiment')}, which would be deleted with it: "
                + ", ".join(str(row["ID"]) for row in held[:10]),
            )
        return found, held

    @also(subject="subject_id")
    def places(self, subject_id: str) -> builtins.list[str]:
        """List the projects that a subject is in, by its accession ID."""
        return [place.project for place in asked.places(self.client.low, edits.SUBJECT, subject_id)]

    @also(subject="subject_id")
    def held(self, subject_id: str, project: str | None = None) -> builtins.list[dict[str, Any]]:
        """List every experiment that belongs to a subject, sessions or not, in whichever project it is."""
        found = finding.subject(self.client, subject_id, project)
        rows = asked.experiments_of(self.client.low, found.id)
        return [Fields(row) for row in sorted(rows, key=lambda row: row["ID"])]

    @also(subject="subject_id")
    def rename(self, subject_id: str, new_label: str, project: str | None = None) -> Subject:
        """Give a subject another label; nothing is sent when it has it.  AlreadyThere when another subject has it."""
        found = finding.subject(self.client, subject_id, project)
        return self._shown(self._renaming(found.project).rename(found, new_label))

    def rename_batch(self, project: str, mapping: Mapping[str, str], dry_run: bool = False) -> dict[str, Any]:
        """Rename subjects, old label to new label, each as `rename` does; labels may be handed on (A to B, B to C).

        Return what was `renamed`, `skipped` (they have the label) and `errors`, each with `from`, `to` and a reason.
        """
        return self.rename_mapping(project, mapping, dry_run=dry_run)

    def rename_mapping(
        self, project: str, mapping: Mapping[str, str], dry_run: bool = False, merge: bool = False
    ) -> dict[str, Any]:
        """Rename as `rename_batch`; with `merge` a subject whose new label is taken is merged into the one of it."""
        renaming = self._renaming(finding.project(self.client, project).id)
        return renaming.batch(mapping, dry_run=dry_run, merge=merge)

    def rename_pattern(
        self, project: str, match_pattern: str, to_template: str, dry_run: bool = False, merge: bool = False
    ) -> dict[str, Any]:
        r"""Rename the subjects whose whole label matches: `(\d+)_old`, to `SUB{1}`.

        A label that is taken is skipped, or, with `merge`, the subject is merged into the one that has it.  Return what
        was `renamed`, `merged`, `skipped` and `errors`.
        """
        renaming = self._renaming(finding.project(self.client, project).id)
        return renaming.pattern(match_pattern, to_template, dry_run=dry_run, merge=merge)

    @also(source="source_label", target="target_label")
    def merge_subjects(
        self, project: str, source_label: str, target_label: str, dry_run: bool = False
    ) -> dict[str, Any]:
        """Move every experiment of a subject to another one of the project, then delete the subject if it is empty.

        Return `experiments_moved`, `source_deleted`, `experiments` (their IDs) and `kept`: why the source is there yet.
        """
        renaming = self._renaming(finding.project(self.client, project).id)
        return renaming.merge(source_label, target_label, dry_run=dry_run)

    @also(subject="subject_id")
    def get_sessions(self, subject_id: str, project: str | None = None) -> builtins.list[dict[str, Any]]:
        """List the imaging sessions of a subject in the project in which it was found, under XNAT's column names."""
        found = finding.subject(self.client, subject_id, project)
        rows = asked.sessions(self.client.low, found.project, _SESSION)
        mine = [Fields(row) for row in rows if row.get("subject_ID") == found.id]
        return sorted(mine, key=lambda row: str(row["label"]))

    @also(subject="subject_id")
    def share(self, subject_id: str, target_project: str, label: str | None = None, project: str | None = None) -> bool:
        """Show a subject in a second project, under its own label unless another is given.  True when it is there.

        Nothing is sent when it is there already.  AlreadyThere when another subject has that label there.
        """
        found = finding.subject(self.client, subject_id, project)
        return Sharing(self).subject(found.id, found.held_by, found.label, target_project, label)

    @also(subject="subject_id")
    def unshare(self, subject_id: str, target_project: str, project: str | None = None) -> bool:
        """Take a subject, with its sessions, out of a project that it is shared into.  True when it is not there.

        InvalidInputError at the project that it belongs to: there XNAT would delete it.
        """
        found = finding.subject(self.client, subject_id, project)
        return Sharing(self).end(edits.SUBJECT, found.id, target_project)

    @also(subject="subject_id")
    def check_unshare(self, subject_id: str, target_project: str) -> bool:
        """Return whether a subject is shared into a project; raise what `unshare` would raise."""
        return Sharing(self).is_shown(edits.SUBJECT, subject_id, target_project)

    @also(subject="subject_id")
    def variables(self, subject_id: str, project: str | None = None) -> dict[str, str]:
        """Return the custom variables of a subject."""
        found = finding.subject(self.client, subject_id, project)
        return fields.variables_of(asked.item(self.client.low, edits.held(edits.SUBJECT, found.id)))

    @also(subject="subject_id")
    def set_variables(self, subject_id: str, variables: Mapping[str, str], project: str | None = None) -> bool:
        """Set custom variables of a subject that is there; the others stay.  True when the server shows them."""
        self._set(finding.subject(self.client, subject_id, project), {}, variables)
        return True

    # --- parts ---------------------------------------------------------------------------------------------------

    def _renaming(self, project_id: str) -> Renaming:
        return Renaming(self, project_id)

    def _labelled(self, project_id: str, label: str) -> str | None:
        rows = asked.subjects(self.client.low, project_id, ("ID", "label"))
        return next((row["ID"] for row in rows if row["label"] == label), None)

    def _set(self, found: finding.SubjectFound, wanted: Mapping[str, str], variables: Mapping[str, str]) -> None:
        call = edits.held(edits.SUBJECT, found.id)
        setting = fields.Setting(self, call, edits.subject(found.held_by, found.id), _TYPE)
        deed = f"change subject {found.id} of project {found.held_by}"
        names = [*wanted, *variables]
        with self.written_down("subject.changed", deed, project=found.held_by, fields=names):
            setting.apply(wanted, variables)

    def _shown(self, found: finding.SubjectFound) -> Subject:
        rows = asked.subjects(self.client.low, found.project, _COLUMNS)
        row = next((each for each in rows if each["ID"] == found.id), None)
        if row is None:
            raise EffectMissing(f"subject {found.id} is not listed in project {found.project}")
        sessions = asked.sessions(self.client.low, found.project, ("ID", "label", "subject_ID"))
        return _subject(row, (), sum(each.get("subject_ID") == found.id for each in sessions))

    def _refuse_shared(self, found: finding.SubjectFound) -> None:
        if found.is_shared:
            line = command_line("subject", "unshare", found.id, "--from", found.project)
            raise Usage(
                f"subject {found.id} belongs to project {found.held_by}, and {found.project} only shows it",
                advice=f"`{line}` takes it out of there.",
            )


def _subject(row: Mapping[str, str], columns: Sequence[str], sessions: int | None) -> Subject:
    more = further(row, columns, _COLUMNS)
    year = row.get("yob", "").partition(".")[0]
    return Subject(
        id=row["ID"],
        label=row["label"] or row["ID"],
        project=row.get("project", ""),
        group=row.get("group") or None,
        gender=row.get("gender") or None,
        yob=int(year) if year.isdigit() else None,
        session_count=sessions,
        **more,
    )
