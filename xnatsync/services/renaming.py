"""Other labels for subjects: one, a whole mapping, a pattern; and two subjects that become one.

A PUT to a label that is mistyped creates a subject, so each is found first and addressed by its accession ID.  XNAT has
no request that merges two subjects (hierarchy.md §20.3): the experiments move one by one, each is seen under the other
subject, and the first one is deleted only when nothing at all is left of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xnatsync.core.errors import AlreadyThere, EffectMissing, RequestRefused, Usage, XnatsyncError
from xnatsync.core.pasting import command_line
from xnatsync.services import fields, finding
from xnatsync.services.finding import SubjectFound
from xnatsync.services.models import Fields
from xnatsync.xnat import asked, edits

if TYPE_CHECKING:
    from xnatsync.services.base import BaseService

Summary = dict[str, Any]
_PLACE: Final = re.compile(r"\{([0-9]+)\}")
_LOOKED_AT: Final = ("group", "gender", "yob", "dob", "age")  # what a merge must not lose


@dataclass(frozen=True, slots=True)
class Renaming:
    """The subjects of one project."""

    service: BaseService
    project: str

    # --- one -----------------------------------------------------------------------------------------------------

    def rename(self, found: SubjectFound, label: str) -> SubjectFound:
        """Give one subject another label; nothing is sent when it has it."""
        if found.label == label:
            return found
        taken = [each for subject_id, each in self._labels().items() if subject_id != found.id]
        try:
            finding.new_label(label, taken, "subject")
        except AlreadyThere as error:
            line = command_line("subject", "rename", found.label, label, "-P", self.project)
            raise AlreadyThere(str(error), advice=f"`{line} --merge` makes one subject of both.") from None
        call = edits.subject(self.project, found.id, (("label", label),))
        with self.service.written_down(
            "subject.renamed", f"rename subject {found.id} of project {self.project}", project=self.project
        ):
            self.service.do(call, seen=lambda: self._labels().get(found.id) == label)
        return SubjectFound(found.id, label, found.project, found.held_by)

    # --- many ----------------------------------------------------------------------------------------------------

    def batch(self, mapping: Mapping[str, str], *, dry_run: bool, merge: bool) -> Summary:
        """Rename by a mapping: in an order in which labels are free, one failure costs no other."""
        return self._many(mapping, dry_run=dry_run, merge=merge)

    def pattern(self, match_pattern: str, to_template: str, *, dry_run: bool, merge: bool) -> Summary:
        """Rename the subjects whose whole label matches."""
        try:
            pattern = re.compile(match_pattern)
        except re.error as error:
            raise Usage(f"the pattern is no regular expression: {error}") from None
        numbers = [int(number) for number in _PLACE.findall(to_template)]
        if max(numbers, default=0) > pattern.groups or _PLACE.sub("", to_template).strip("{}") != _PLACE.sub(
            "", to_template
        ):
            raise Usage(
                f"the template {to_template!r} names what the pattern does not find",
                advice=f"Write {{1}} to {{{pattern.groups}}} for its groups; {{0}} is the whole label.",
            )
        mapping = {}
        for label in sorted(self._labels().values()):
            if found := pattern.fullmatch(label):
                groups = (found[0], *(group or "" for group in found.groups()))
                mapping[label] = _PLACE.sub(lambda place, groups=groups: groups[int(place[1])], to_template)  # type: ignore[misc]
        summary = self._many(mapping, dry_run=dry_run, merge=merge)
        return Fields({"renamed": summary["renamed"], "merged": summary["merged"], **summary})

    def _many(self, mapping: Mapping[str, str], *, dry_run: bool, merge: bool) -> Summary:
        summary = Fields(dry_run=dry_run, renamed=[], merged=[], skipped=[], errors=[])
        known = self._known()
        waiting = dict(mapping)
        while (
            waiting
        ):  # whoever keeps a label that another one is to have goes first; a circle goes as it is, and fails
            ready = {
                old: new for old, new in waiting.items() if new not in waiting or waiting[new] == new or new == old
            }
            for old, new in (ready or waiting.copy()).items():
                del waiting[old]
                self._one_of_many(summary, known, old, new, dry_run=dry_run, merge=merge)
        return summary

    def _one_of_many(
        self, summary: Summary, known: dict[str, SubjectFound], old: str, new: str, *, dry_run: bool, merge: bool
    ) -> None:
        row = {"from": old, "to": new}
        try:
            found = known[old] if old in known else finding.subject(self.service.client, old, self.project)
            if old == new:
                summary["skipped"].append(row | {"reason": "it has this label"})
            elif new in known and not merge:
                summary["skipped"].append(row | {"reason": f"subject {known[new].id} has this label"})
            elif new in known:
                done = self._merged(found, known[new], dry_run=dry_run)
                summary["merged"].append(row | {"experiments": done["experiments"], "kept": done["kept"]})
                if done["source_deleted"]:
                    known.pop(old, None)
            else:
                finding.new_label(new, (label for label in known if label != old), "subject")
                known[new] = found if dry_run else self.rename(found, new)
                known.pop(old, None)
                summary["renamed"].append(row | {"id": found.id})
        except XnatsyncError as error:
            summary["errors"].append(row | {"error": str(error), "code": error.code})

    # --- two become one ------------------------------------------------------------------------------------------

    def merge(self, source_label: str, target_label: str, *, dry_run: bool) -> Summary:
        """Move every experiment of one subject to another, and delete the first when nothing is left of it."""
        client = self.service.client
        source = finding.subject(client, source_label, self.project)
        target = finding.subject(client, target_label, self.project)
        return self._merged(source, target, dry_run=dry_run)

    def _merged(self, source: SubjectFound, target: SubjectFound, *, dry_run: bool) -> Summary:
        client = self.service.client
        if source.id == target.id:
            raise Usage(f"{source.label} and {target.label} are the same subject")
        for found in (source, target):
            if found.is_shared:
                raise RequestRefused(f"subject {found.id} belongs to project {found.held_by}: merge it there")
        held = asked.experiments_of(client.low, source.id)
        if foreign := [row["ID"] for row in held if row.get("project") != self.project]:
            raise RequestRefused(
                f"subject {source.id} has experiments in other projects, which a merge would not reach: "
                + ", ".join(foreign[:10])
            )
        ids = sorted(row["ID"] for row in held)
        kept = self._kept(source, target)
        summary = Fields(experiments_moved=0, source_deleted=False, experiments=ids, kept=kept, dry_run=dry_run)
        if dry_run:
            return Fields(summary | {"source_deleted": not kept, "experiments_moved": len(ids)})
        deed = f"merge subject {source.id} of project {self.project} into subject {target.id}"
        data = {"project": self.project, "source": source.id, "target": target.id, "experiments": ids}
        with self.service.written_down("subject.merged", deed, **data) as told:
            for experiment in ids:
                self._move(experiment, target.id)
                summary["experiments_moved"] += 1
                told["moved"] = summary["experiments_moved"]
            summary["kept"] = told["kept"] = self._kept(source, target)
            if not summary["kept"]:
                self._delete(source)
                summary["source_deleted"] = told["source_deleted"] = True
        return summary

    def _move(self, experiment: str, target: str) -> None:
        """Move one experiment, by its ID and without a type: one that is gone meanwhile is not created (§20.2)."""
        low = self.service.client.low
        shows = edits.held(edits.SESSION, experiment)
        self.service.do(
            edits.session(self.project, target, experiment),
            seen=lambda: asked.item(low, shows).text("subject_ID") == target,
        )

    def _delete(self, source: SubjectFound) -> None:
        """Delete what is empty; somebody may have put something there meanwhile, which is looked for last of all."""
        low = self.service.client.low
        if asked.experiments_of(low, source.id):
            raise EffectMissing(f"subject {source.id} was given experiments meanwhile, and is kept")
        self.service.do(
            edits.gone(edits.SUBJECT, source.id, remove_files=False),
            seen=lambda: not asked.is_there(low, edits.held(edits.SUBJECT, source.id)),
        )

    def _kept(self, source: SubjectFound, target: SubjectFound) -> str:
        """Say what of a subject, beside its experiments, would be lost with it; "" when nothing is."""
        return ", ".join(self._losses(source, target))

    def _losses(self, source: SubjectFound, target: SubjectFound) -> Iterator[str]:
        low = self.service.client.low
        ours = asked.item(low, edits.held(edits.SUBJECT, source.id))
        theirs = asked.item(low, edits.held(edits.SUBJECT, target.id))
        if ours.children.get("resources/resource"):
            yield "it has files of its own"
        places = {place.project for place in asked.places(low, edits.SUBJECT, source.id)} - {self.project}
        if elsewhere := places - {place.project for place in asked.places(low, edits.SUBJECT, target.id)}:
            yield f"it is shared into project {', '.join(sorted(elsewhere))}"
        known = fields.variables_of(theirs)
        if lost := [name for name, text in fields.variables_of(ours).items() if known.get(name) != text]:
            yield f"it has custom variables that differ: {', '.join(sorted(lost))}"
        rows = {row["ID"]: row for row in asked.subjects(low, self.project, ("ID", "label", *_LOOKED_AT))}
        mine, other = rows.get(source.id, {}), rows.get(target.id, {})
        if lost := [name for name in _LOOKED_AT if mine.get(name) and mine.get(name) != other.get(name)]:
            yield f"it has values that differ: {', '.join(lost)}"

    def _known(self) -> dict[str, SubjectFound]:
        """Return the subjects of the project by their labels."""
        rows = asked.subjects(self.service.client.low, self.project, ("ID", "label", "project"))
        found = (
            SubjectFound(row["ID"], row["label"], self.project, row.get("project") or self.project) for row in rows
        )
        return {each.label: each for each in found}

    def _labels(self) -> dict[str, str]:
        """Return the labels of the project's subjects by accession ID."""
        rows = asked.subjects(self.service.client.low, self.project, ("ID", "label"))
        return {row["ID"]: row["label"] for row in rows}
