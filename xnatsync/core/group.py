"""From a manifest to units: which study becomes which session, and what stands in the way.

One study is one session: the StudyInstanceUID decides, never the folder.  Whatever can be known to be wrong before
a byte is sent is found here: no usable label, two studies that want one label, two objects that claim one UID.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal

from xnatsync.core.errors import DeliveryError, LabelUnusable, ObjectsConflict, SessionCollision
from xnatsync.core.labels import Template, suffixed
from xnatsync.core.manifest import Kind, ManifestFile

Collision = Literal["hold", "suffix"]

# XNAT's own order of precedence for a study of several modalities (import.md §4.2).
LEAD_MODALITIES = ("PT", "MR", "CT", "XA", "US", "RTIMAGE", "CR", "OPT", "OP", "MG", "DX", "NM", "SR", "SM")
ORDER_TAGS = ("StudyDate", "StudyTime")  # in which order studies of one label are numbered


@dataclass(frozen=True, slots=True)
class Rule:
    """Where studies go whose header matches every pattern of `when` (shell patterns, case-sensitive)."""

    when: Mapping[str, str]
    project: str
    subject: Template | None = None
    session: Template | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """How a route finds project, subject and session: the first rule that matches, else the route's own."""

    project: str | None
    subject: Template
    session: Template
    rules: tuple[Rule, ...] = ()

    @property
    def keywords(self) -> frozenset[str]:
        """List the header fields that are needed to decide."""
        templates = [self.subject, self.session]
        templates += [part for rule in self.rules for part in (rule.subject, rule.session) if part is not None]
        wanted = {keyword for template in templates for keyword in template.keywords}
        return frozenset(wanted | {keyword for rule in self.rules for keyword in rule.when} | set(ORDER_TAGS))


@dataclass(slots=True)
class Study:
    """One study of an item: which files, where to, and why not, if not."""

    study_uid: str
    project: str = ""
    subject: str = ""
    session: str = ""
    files: list[ManifestFile] = field(default_factory=list)
    error: DeliveryError | None = None
    order: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Name the study for people, by the folder of its first file, whatever order they were read in."""
        first = min(file.path for file in self.files)
        parent = PurePosixPath(first).parent
        return f"study {self.study_uid} (in {parent if str(parent) != '.' else first})"


def group(files: Sequence[ManifestFile], routing: Routing, collision: Collision) -> tuple[Study, ...]:
    """Group the DICOM files of an item by study and labels each; a study that cannot go carries its error."""
    studies = studies_of(files, routing)
    settle_collisions(studies, collision)
    return tuple(studies)


def studies_of(files: Sequence[ManifestFile], routing: Routing) -> list[Study]:
    """Group the DICOM files of an item by study and labels each, as if it were alone in the item."""
    studies: dict[str, Study] = {}
    for file in files:
        if file.kind is Kind.DICOM and file.identity is not None:
            studies.setdefault(file.identity.study_uid, Study(file.identity.study_uid)).files.append(file)
    ordered = sorted(studies.values(), key=lambda study: study.study_uid)
    for study in ordered:
        try:
            _refuse_conflicting_objects(study)
            _label(study, routing)
        except DeliveryError as error:
            study.error = error
    return ordered


def lead_modality(files: Sequence[ManifestFile]) -> str:
    """Return the modality that a session of these objects has; "" when none of them tells."""
    found = {file.identity.modality for file in files if file.identity is not None and file.identity.modality}
    return min(found, key=_lead, default="")


def dates_of(files: Sequence[ManifestFile]) -> list[str]:
    """Return the dates of a study as its objects write them: one, unless they disagree or do not tell."""
    return sorted(_study_values(files).get("StudyDate", ()))


def _refuse_conflicting_objects(study: Study) -> None:
    seen: dict[str, ManifestFile] = {}
    for file in sorted(study.files, key=lambda file: file.path):
        first = seen.setdefault(file.key, file)
        if first is not file:
            raise ObjectsConflict(
                f"two different objects claim the SOP Instance UID {file.key}: {first.path} and {file.path}"
            )


def _label(study: Study, routing: Routing) -> None:
    values = _study_values(study.files)
    tags = {keyword: "" for file in study.files for keyword in file.tags}  # there and empty is not missing
    tags |= {keyword: min(found) for keyword, found in values.items()}
    study.order = tuple(tags.get(keyword, "") for keyword in ORDER_TAGS)
    rule = next((rule for rule in routing.rules if _matches(rule, values)), None)
    project = rule.project if rule is not None else routing.project
    if project is None:
        raise LabelUnusable(
            "no rule of the route matches this study", advice="Add a rule for it, or a `project` for all the rest."
        )
    subject = rule.subject if rule is not None and rule.subject is not None else routing.subject
    session = rule.session if rule is not None and rule.session is not None else routing.session
    if quarrel := sorted(key for key in subject.keywords | session.keywords if len(values.get(key, ())) > 1):
        why = "it may be of two patients" if any("Patient" in key for key in quarrel) else "it has no single label"
        raise LabelUnusable(f"the series of this study disagree about {', '.join(quarrel)}: {why}")
    study.project, study.subject, study.session = project, subject.render(tags), session.render(tags)


def _study_values(files: Sequence[ManifestFile]) -> dict[str, set[str]]:
    """Collect what the objects of a study say in each field; of several modalities the leading one counts."""
    values: dict[str, set[str]] = {}
    for file in files:
        for keyword, value in file.tags.items():
            if value.strip():
                values.setdefault(keyword, set()).add(value.strip())
    if "Modality" in values:
        values["Modality"] = {min(values["Modality"], key=_lead)}
    return values


def _lead(modality: str) -> tuple[int, str]:
    known = LEAD_MODALITIES.index(modality) if modality in LEAD_MODALITIES else len(LEAD_MODALITIES)
    return known, modality


def _matches(rule: Rule, values: Mapping[str, set[str]]) -> bool:
    """Return whether a rule is for this study; LabelUnusable when it would be for a part of it only."""
    split: list[str] = []
    for keyword, pattern in rule.when.items():
        verdicts = {fnmatchcase(value, pattern) for value in values.get(keyword) or {""}}
        if verdicts == {False}:
            return False
        split += [keyword] if False in verdicts else []
    if split:
        raise LabelUnusable(
            f"the series of this study disagree about {', '.join(sorted(split))}, and the rules would send them to "
            "different places"
        )
    return True


def settle_collisions(studies: Sequence[Study], collision: Collision) -> None:
    """Two studies of one item that want one label: both are held with both named, or the later ones are numbered.

    A number that would make the label of yet another study is passed over.
    """
    claims: dict[tuple[str, str], list[Study]] = {}
    for study in studies:
        if study.error is None:
            claims.setdefault((study.project, study.session), []).append(study)
    taken = set(claims)
    for (project, session), rivals in sorted(claims.items()):
        if len(rivals) < 2:
            continue
        rivals.sort(key=lambda study: (study.order, study.study_uid))
        if collision == "hold":
            for study in rivals:
                others = " and ".join(rival.where for rival in rivals if rival is not study)
                study.error = SessionCollision(f"{study.where} and {others} want the same session {session}")
            continue
        for study in rivals[1:]:
            study.session = _free(project, session, taken)
            taken.add((project, study.session))


def _free(project: str, session: str, taken: set[tuple[str, str]]) -> str:
    number = 2
    while (project, suffixed(session, number)) in taken:
        number += 1
    return suffixed(session, number)


def attach(others: Sequence[ManifestFile], objects: Sequence[ManifestFile]) -> dict[str, str]:
    """Find the one study that each other file belongs to: path → Study Instance UID.

    A file belongs to a study when the nearest folder above it that holds any DICOM holds only that study's.  Files for
    which there is no such folder are absent from the answer.
    """
    folders: dict[PurePosixPath, set[str]] = {}
    for file in objects:
        if file.kind is Kind.DICOM and file.identity is not None:
            for parent in PurePosixPath(file.path).parents:
                folders.setdefault(parent, set()).add(file.identity.study_uid)
    found: dict[str, str] = {}
    for file in others:
        nearest = next((folders[parent] for parent in PurePosixPath(file.path).parents if parent in folders), set())
        if len(nearest) == 1:
            found[file.path] = next(iter(nearest))
    return found
