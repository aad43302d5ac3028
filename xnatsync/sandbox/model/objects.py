"""The things an XNAT keeps: projects, subjects, experiments, scans, resources, files.  Facts only, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class FileEntry:
    """One file in the catalogue of a resource; `path` is relative to the resource's folder, as it is stored."""

    path: str
    size: int
    digest: str = ""  # MD5, lower-case hex; "" = never computed
    format: str = ""
    content: str = ""
    tags: str = ""
    description: str = ""
    uid: str = ""  # SOP Instance UID, only for entries that were built from DICOM (cat:dcmEntry)
    instance_number: str = ""
    created_by: str = ""
    created_time: str = ""
    modified_by: str = ""
    modified_time: str = ""


@dataclass(slots=True)
class Resource:
    """A resource (catalogue) of a project, subject, experiment, assessor or scan."""

    id: int  # xnat_abstractresource_id
    label: str
    folder: str  # where its files lie, relative to the store's root, POSIX
    format: str = ""
    content: str = ""
    tags: str = ""
    description: str = ""
    dicom: bool = False  # the catalogue is a cat:DCMCatalog
    uid: str = ""  # Series Instance UID of such a catalogue
    dimensions: tuple[int, int, int] | None = None
    file_count: int | None = None  # what the database says; None = never counted
    file_size: int | None = None
    entries: dict[str, FileEntry] = field(default_factory=dict)
    version: int = 0  # grows with each write of the catalogue: the race of hierarchy.md §6.1


@dataclass(slots=True)
class Part:
    """A member of a collection that is only kept: a study protocol, a step of provenance, what a rater says."""

    xsi_type: str
    values: dict[str, str] = field(default_factory=dict)  # by path
    parts: dict[str, list[Part]] = field(default_factory=dict)  # members of its own, by path


@dataclass(slots=True)
class Investigator:
    """A person responsible for projects; fields without a value are absent."""

    id: int
    fields: dict[str, str] = field(default_factory=dict)
    inserted_by: str = ""


@dataclass(slots=True)
class Stamps:
    """Who and when.  Texts are server-local without zone, as XNAT shows them (hierarchy.md §3.9)."""

    insert_date: str
    insert_user: str
    last_modified: str = ""  # the row's own stamp: "" until the row itself changes
    bubbled: str = ""  # what {concrete type}/meta/last_modified shows


@dataclass(slots=True)
class Event:
    """One thing that was done to an experiment."""

    id: int  # that of the workflow
    action: str
    date: int  # milliseconds
    user: str
    type: str = ""
    reason: str = ""
    status: str = "Complete"


@dataclass(slots=True)
class Scan:
    """One scan of an image session; `fields` are XNAT's own names (type, quality, note, UID, ...)."""

    key: int  # xnat_imagescandata_id
    id: str
    xsi_type: str
    stamps: Stamps
    fields: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)  # by label
    shares: list[str] = field(default_factory=list)
    custom: dict[str, object] = field(default_factory=dict)  # JSONB custom fields
    parts: dict[str, list[Part]] = field(default_factory=dict)  # parameters/addParam


@dataclass(slots=True)
class Experiment:
    """A subject assessor: an imaging session, another experiment, or (inside `assessors`) an image assessor."""

    id: str  # accession ID, XNAT_E00001
    project: str
    subject: str  # accession ID of the subject
    label: str
    xsi_type: str
    stamps: Stamps
    folder: str = ""  # arc folder relative to the store's root, e.g. archive/P1/arc001/LABEL
    fields: dict[str, str] = field(
        default_factory=dict
    )  # date, time, UID, scanner, modality, note, ...; XNAT's own names
    variables: dict[str, str] = field(default_factory=dict)  # fields/field custom variables
    scans: dict[str, Scan] = field(default_factory=dict)  # by scan id
    resources: dict[str, Resource] = field(default_factory=dict)
    assessors: dict[str, Experiment] = field(default_factory=dict)  # by accession ID
    shares: dict[str, str] = field(default_factory=dict)  # project -> label there
    reconstructions: dict[str, Scan] = field(default_factory=dict)  # by their ID; they have what a scan has
    status: str = "active"  # or quarantine
    events: list[Event] = field(default_factory=list)
    custom: dict[str, object] = field(default_factory=dict)
    parts: dict[str, list[Part]] = field(default_factory=dict)


@dataclass(slots=True)
class Subject:
    """A subject; found by label inside a project (case-insensitively at archive), by accession ID anywhere."""

    id: str  # XNAT_S00001
    project: str
    label: str
    stamps: Stamps
    fields: dict[str, str] = field(default_factory=dict)  # gender, yob, group, ...
    variables: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    shares: dict[str, str] = field(default_factory=dict)
    custom: dict[str, object] = field(default_factory=dict)
    parts: dict[str, list[Part]] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """A group of a project with rights of its own, by type of data; the three usual ones have none here."""

    id: str
    name: str  # as people read it
    key: int
    rights: dict[str, list[str]] = field(default_factory=dict)  # xsi type in lower case -> read, edit, create, delete


@dataclass(slots=True)
class Project:
    """A project with its settings and members."""

    id: str
    stamps: Stamps
    secondary_id: str = ""
    name: str = ""
    fields: dict[str, str] = field(default_factory=dict)  # description, keywords, pi_firstname, pi_lastname, ...
    variables: dict[str, str] = field(default_factory=dict)  # fields/field
    aliases: dict[str, str] = field(default_factory=dict)  # alias -> its source, mostly ""
    accessibility: str = "private"  # protected | public
    members: dict[str, str] = field(default_factory=dict)  # user -> owner | member | collaborator | id of a group
    groups: dict[str, Group] = field(default_factory=dict)  # by id
    prearchive_code: int = 4  # 0 manual, 4 auto-archive, 5 auto-archive and overwrite
    quarantine_code: int = 0
    anonymise: bool = False  # the project's own anonymisation script is enabled
    pi: int = 0  # the principal investigator's row; 0 = none
    investigators: list[int] = field(default_factory=list)  # rows of the others, in the order of `parts`
    resources: dict[str, Resource] = field(default_factory=dict)
    custom: dict[str, object] = field(default_factory=dict)
    parts: dict[str, list[Part]] = field(default_factory=dict)
