"""From a manifest to units: which study becomes which session, and what stands in the way.

One study is one session: the StudyInstanceUID decides, never the folder.  Whatever can be known to be wrong before
a byte is sent is found here: no usable label, two studies that want one label, two objects that claim one UID.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from xnatsync.core.beside import is_named_ours
from xnatsync.core.errors import DeliveryError, LabelUnusable, ObjectsConflict, SessionCollision
from xnatsync.core.labels import Template, is_valid_label, suffixed
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.rules import Rule, Ruling, TableState, first_rule, no_rule

Collision = Literal["hold", "suffix"]

# XNAT's own order of precedence for a study of several modalities (import.md §4.2).
LEAD_MODALITIES = ("PT", "MR", "CT", "XA", "US", "RTIMAGE", "CR", "OPT", "OP", "MG", "DX", "NM", "SR", "SM")
ORDER_TAGS = ("StudyDate", "StudyTime")  # in which order studies of one label are numbered


@dataclass(frozen=True, slots=True)
class Assigned:
    """Where a person said that a study belongs: it wins over every rule.  None: as the route's templates make it."""

    project: str
    subject: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the objects: where the item lies, lookup tables, and what people said of studies."""

    folder: str = ""  # what stands before the paths of its files; "" = nothing
    tables: Mapping[str, TableState] = field(default_factory=dict)
    assigned: Mapping[str, Assigned] = field(default_factory=dict)  # by Study Instance UID

    def path(self, file: ManifestFile) -> str:
        """Return where a file lies in the drop folder."""
        return f"{self.folder}/{file.path}" if self.folder not in {"", file.path} else file.path


NOWHERE = Surroundings()


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
        templates = [self.subject, self.session, *(part for rule in self.rules for part in rule.templates)]
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
    ruling: Ruling = field(default_factory=Ruling)

    @property
    def is_ignored(self) -> bool:
        """Return whether a rule leaves it out."""
        return self.error is None and self.ruling.rule is not None and self.ruling.rule.then == "ignore"

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


def studies_of(files: Sequence[ManifestFile], routing: Routing, around: Surroundings = NOWHERE) -> list[Study]:
    """Group the DICOM files of an item by study and labels each, as if it were alone in the item."""
    studies: dict[str, Study] = {}
    for file in files:
        if file.kind is Kind.DICOM and file.identity is not None:
            studies.setdefault(file.identity.study_uid, Study(file.identity.study_uid)).files.append(file)
    ordered = sorted(studies.values(), key=lambda study: study.study_uid)
    for study in ordered:
        try:
            _refuse_conflicting_objects(study)
            _label(study, routing, around)
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


def _label(study: Study, routing: Routing, around: Surroundings) -> None:
    values = _study_values(study.files)
    tags = {keyword: "" for file in study.files for keyword in file.tags}  # there and empty is not missing
    tags |= {keyword: min(found) for keyword, found in values.items()}
    study.order = tuple(tags.get(keyword, "") for keyword in ORDER_TAGS)
    said = around.assigned.get(study.study_uid)
    if said is not None:
        study.ruling = Ruling()
        study.project = said.project
        study.subject = said.subject if said.subject is not None else _filled(routing.subject, values, tags)
        study.session = said.session if said.session is not None else _filled(routing.session, values, tags)
        return
    paths = {around.path(file) for file in study.files}
    study.ruling = ruling = first_rule(routing.rules, values, paths, tags, around.tables)
    if ruling.error is not None:
        raise ruling.error
    if study.is_ignored:
        return
    rule, tags = ruling.rule, {**tags, **ruling.names}
    project = _project(rule.project if rule is not None and rule.project is not None else routing.project, values, tags)
    if project is None:
        raise no_rule(ruling.passed)
    subject = rule.subject if rule is not None and rule.subject is not None else routing.subject
    session = rule.session if rule is not None and rule.session is not None else routing.session
    _refuse_quarrel(subject.keywords | session.keywords, values)
    study.project, study.subject, study.session = project, subject.render(tags), session.render(tags)


def _project(wanted: str | Template | None, values: Mapping[str, set[str]], tags: Mapping[str, str]) -> str | None:
    """Return the project's ID; one that is made from what was found is never changed to make it fit."""
    if not isinstance(wanted, Template):
        return wanted
    _refuse_quarrel(wanted.keywords, values)
    project = wanted.raw(tags)
    if not is_valid_label(project):
        raise LabelUnusable(f"{wanted.text} yields no project ID that XNAT accepts: A-Z a-z 0-9 _ -")
    return project


def _filled(template: Template, values: Mapping[str, set[str]], tags: Mapping[str, str]) -> str:
    _refuse_quarrel(template.keywords, values)
    return template.render(tags)


def _refuse_quarrel(keywords: Collection[str], values: Mapping[str, set[str]]) -> None:
    if quarrel := sorted(key for key in keywords if len(values.get(key, ())) > 1):
        why = "it may be of two patients" if any("Patient" in key for key in quarrel) else "it has no single label"
        raise LabelUnusable(f"the series of this study disagree about {', '.join(quarrel)}: {why}")


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


def settle_collisions(studies: Sequence[Study], collision: Collision) -> None:
    """Two studies of one item that want one label: both are held with both named, or the later ones are numbered.

    A number that would make the label of yet another study is passed over.
    """
    claims: dict[tuple[str, str], list[Study]] = {}
    for study in studies:
        if study.error is None and not study.is_ignored:
            claims.setdefault((study.project, study.session), []).append(study)
    taken = set(claims)
    for (project, session), rivals in sorted(claims.items()):
        if len(rivals) < 2:
            continue
        rivals.sort(key=lambda study: (study.order, study.study_uid))
        if any(_collision_of(study, collision) == "hold" for study in rivals):
            for study in rivals:
                others = " and ".join(rival.where for rival in rivals if rival is not study)
                study.error = SessionCollision(f"{study.where} and {others} want the same session {session}")
            continue
        for study in rivals[1:]:
            study.session = _free(project, session, taken)
            taken.add((project, study.session))


def _collision_of(study: Study, collision: Collision) -> Collision:
    rule = study.ruling.rule
    return collision if rule is None or rule.collision is None else rule.collision


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
        if is_named_ours(file.path):
            continue
        nearest = next((folders[parent] for parent in PurePosixPath(file.path).parents if parent in folders), set())
        if len(nearest) == 1:
            found[file.path] = next(iter(nearest))
    return found
