"""Display fields of searches: what types show beside the fields of the schema, and how it is read (§15.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.joins import Joined
from xnatsync.sandbox.model.objects import Experiment, Project, Scan, Subject
from xnatsync.sandbox.model.site import Site


@dataclass(slots=True)
class Scope:
    """Who searches where; what is counted is counted once."""

    site: Site
    user: User
    by_project: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_subject: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Count the experiments by project and by subject, of each type and of all."""
        for item in self.site.experiments.values():
            for kind in (item.xsi_type, ""):
                self.by_project[item.project, kind] += 1
                self.by_subject[item.subject, kind] += 1


Read = Callable[[Scope, Joined, str], str]


@dataclass(frozen=True, slots=True)
class Display:
    """One display field: the type its column tells; a short name of the listings, a path or a way to read it."""

    type: str
    source: str | Read
    valued: bool = False  # its id goes with a value: SCAN_COUNT_TYPE=T1
    header: str = ""
    path: str = ""  # of the field of the schema that it shows; "" = it has none of its own
    link: tuple[tuple[str, str, str], ...] = ()  # of its cells: property, text, and the fields inserted into it


def _project(read: Callable[[Scope, Project], str]) -> Read:
    return lambda scope, row, _value: read(scope, row.project) if row.project is not None else ""


def _count(kind: str) -> Read:
    return lambda scope, row, _: str(scope.by_project[row.project.id, kind] or "") if row.project is not None else ""


def _subjects(kind: str) -> Read:
    return lambda scope, row, _: str(scope.by_subject[row.subject.id, kind] or "") if row.subject is not None else ""


def _people(role: str) -> Read:
    def read(_: Scope, project: Project) -> str:
        return ", ".join(sorted(login for login, each in project.members.items() if role in {"", each}))

    return _project(read)


def _pi(_: Scope, project: Project) -> str:
    names = (project.fields.get("pi_firstname"), project.fields.get("pi_lastname"))
    return " ".join(filter(None, names))


def _access_image(_: Scope, project: Project) -> str:
    return f"/@WEBAPPimages/{'globe' if project.accessibility == 'public' else 'key'}.gif"


def _role(scope: Scope, project: Project) -> str:
    role = project.members.get(scope.user.login, "")
    if role in project.groups:
        return project.groups[role].name
    return {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}.get(role, "")


def _projects(_: Scope, row: Joined, _value: str) -> str:
    item = row.experiment or row.subject
    return ",".join(f"<{name}>" for name in (item.project, *item.shares)) if item is not None else ""


def identifier(_: Scope, row: Joined, project: str) -> str:
    """Read the label that an experiment has in a project."""
    return _label_in(row.experiment, project)


def _subject_identifier(_: Scope, row: Joined, project: str) -> str:
    return _label_in(row.subject, project)


def _label_in(item: Experiment | Subject | None, project: str) -> str:
    if item is None:
        return ""
    if item.project == project:
        return item.label
    return (item.shares[project] or item.id) if project in item.shares else ""


def age(_: Scope, row: Joined, _value: str) -> str:
    """Read the age at an experiment: full years by the date of birth, else by the year (src JavaFileGenerator)."""
    done = row.experiment.fields.get("date", "") if row.experiment is not None else ""
    person = row.subject.fields if row.subject is not None else {}
    born, year = person.get("dob", ""), person.get("yob", "")
    try:
        if done and born:
            return str((date.fromisoformat(done) - date.fromisoformat(born)).days // 365)
        return str(int(done[:4]) - int(year)) if done and year else ""
    except ValueError:
        return ""


def _scans(_: Scope, row: Joined, kind: str) -> str:
    scans = row.experiment.scans.values() if row.experiment is not None else ()
    return str(sum(not kind or scan.fields.get("type", "") == kind for scan in scans) or "")


def _scan_kinds(_: Scope, row: Joined, _value: str) -> str:
    counted = Counter(scan.fields.get("type", "") for scan in row.experiment.scans.values()) if row.experiment else {}
    return ", ".join(f"{kind}({counted[kind]})" for kind in sorted(counted))


def _of_session(read: Callable[[Experiment, Scan], str]) -> Read:
    return lambda _scope, row, _value: read(row.experiment, row.scan) if row.experiment and row.scan else ""


def in_project(kind: str) -> Read:
    """Count the experiments of a type that a subject has in a project, shared ones too."""

    def read(scope: Scope, row: Joined, project: str) -> str:
        homes = (
            (item.project, *item.shares)
            for item in scope.site.experiments.values()
            if row.subject is not None and item.subject == row.subject.id and item.xsi_type == kind
        )
        return str(sum(project in each for each in homes) or "")

    return read


def _icon(_scope: Scope, _row: Joined, _value: str) -> str:
    return "/@WEBAPP/images/r.gif"


def _letter(key: str, letters: Mapping[str, str], other: str = "") -> Read:
    def read(_: Scope, row: Joined, _value: str) -> str:
        text = row.subject.fields.get(key, "").lower() if row.subject is not None else ""
        return letters.get(text, other) if row.subject is not None else ""

    return read


def _year_of_birth(_: Scope, row: Joined, _value: str) -> str:
    known = row.subject.fields if row.subject is not None else {}
    return known.get("yob", "") or known.get("dob", "")[:4]


def _added_ids(_: Scope, row: Joined, _value: str) -> str:
    parts = row.subject.parts.get("addID", ()) if row.subject is not None else ()
    return ", ".join(part.values.get("addID", "") for part in parts)


def variable(_: Scope, row: Joined, name: str) -> str:
    """Return a custom variable of the row's own item: what `{TYPE}_FIELD_MAP=name` shows."""
    item = row.assessor or row.experiment or row.subject
    return item.variables.get(name, "") if item is not None else ""


def _plain(kind: str, *names: str, **sources: str) -> dict[str, Display]:
    return {name: Display(kind, source) for name, source in {**{n: n.lower() for n in names}, **sources}.items()}


_STAMPS = {
    "INSERT_DATE": Display("date", "insert_date", header="Inserted"),
    "INSERT_USER": Display("string", "insert_user", header="Creator"),
}
_HANDS = {"left": "L", "l": "L", "right": "R", "r": "R", "ambidextrous": "A", "a": "A"}
_MR, _PET, _CT, _VARIABLES = (
    f"xnat:{name}Data" for name in ("mrSession", "petSession", "ctSession", "subjectVariables")
)

_PROJECT_HEADERS = {
    "ID": "ID",
    "NAME": "Title",
    "DESCRIPTION": "Description",
    "SECONDARY_ID": "Running Title",
    "KEYWORDS": "Keywords",
    "PROJ_MR_COUNT": "MR Count",
    "PROJ_PET_COUNT": "PET Count",
    "PROJ_CT_COUNT": "CT Count",
    "USER_ROLE": "Role",
    "PROJECT_ACCESS": "Accessibility",
}
_SUBJECT_HEADERS = {
    "SUBJECT_LABEL": "Subject",
    "GENDER": "Gender",
    "GENDER_TEXT": "M/F",
    "HANDEDNESS": "Hand",
    "HANDEDNESS_TEXT": "Hand",
    "DOB": "YOB",
    "EDUC": "Education",
    "SES": "Ses",
    "MR_COUNT": "MR Count",
    "SUB_GROUP": "Group",
    "SUB_PROJECT_IDENTIFIER": "Subject",
    "COHORT": "COHORT",
}
_EXPERIMENT_HEADERS = {
    "LABEL": "Label",
    "PROJECT": "Project",
    "DATE": "Date",
    "SUBJECT_LABEL": "Subject",
    "TYPE": "Type",
    "MR_SCAN_COUNT_AGG": "Scans",
    "MR_NOTES": "Notes",
    "EXPT_ID": "ID",
    "RPT": "ID",
}
_SCAN_HEADERS = {"SESSION_LABEL": "Session Label", "SUBJECT_ID": "Subject", "MR_DATE": "MR Date", "PROJECT": "project"}


def _headed(fields: dict[str, Display], headers: dict[str, str]) -> dict[str, Display]:
    return {name: replace(each, header=headers.get(name, each.header)) for name, each in fields.items()}


FIELDS: dict[str, dict[str, Display]] = {
    "project": {
        **_STAMPS,
        **_plain("string", "NAME", "DESCRIPTION", "KEYWORDS", ID="ID", SECONDARY_ID="secondary_ID"),
        **_plain("string", NAME_CSV="name", DESCRIPTION_CSV="description"),
        "URI": Display("string", _project(lambda _, project: f"/archive/projects/{project.id}")),
        "PI": Display("string", _project(_pi)),
        "PROJECT_INVS": Display("string", _project(_pi)),
        "PROJECT_ACCESS": Display("string", _project(lambda _, project: project.accessibility)),
        "PROJECT_ACCESS_IMG": Display("string", _project(_access_image)),
        "PROJECT_USERS": Display("string", _people("")),
        "PROJECT_OWNERS": Display("string", _people("owner")),
        "PROJECT_MEMBERS": Display("string", _people("member")),
        "PROJECT_COLLABS": Display("string", _people("collaborator")),
        "PROJECT_LAST_WORKFLOW": Display("string", _project(lambda _scope, _project: "")),
        "PROJECT_LAST_ACCESS": Display("string", _project(lambda _scope, _project: "")),
        "PROJECT_FAV": Display("string", _project(lambda _scope, _project: "")),
        "LAST_ACCESSED": Display("string", _project(lambda _scope, _project: "")),
        "USER_ROLE": Display("string", _project(_role), valued=True),
        "PROJ_EXPT_COUNT": Display("integer", _count("")),
        "PROJ_MR_COUNT": Display("integer", _count(_MR)),
        "PROJ_CT_COUNT": Display("integer", _count(_CT)),
        "PROJ_PET_COUNT": Display("integer", _count(_PET)),
        "PROJ_UT_COUNT": Display("integer", _count(_VARIABLES)),
        "PROJ_QUARANTINE": Display("integer", _project(lambda _, project: str(project.quarantine_code))),
        "PROJ_PREARCHIVE_CODE": Display("integer", _project(lambda _, project: str(project.prearchive_code))),
    },
    "subject": {
        **_STAMPS,
        **_plain("string", SUBJECTID="ID", SUBJECT_ID="ID", SUBJECT_LABEL="label", PROJECT="project", XNAT_ID="ID"),
        **_plain("string", "GENDER", "HANDEDNESS", "RACE", "ETHNICITY"),
        "GENDER_TEXT": Display("string", _letter("gender", {"male": "M", "female": "F"}, "U")),
        "HANDEDNESS_TEXT": Display("string", _letter("handedness", _HANDS)),
        "DOB": Display("integer", _year_of_birth),
        **_plain("string", GROUP="group", SUB_GROUP="group", INVEST_CSV="pi_lastname"),
        **_plain("integer", "SES", "AGE", EDUC="education"),
        "PROJECTS": Display("string", _projects),
        "ADD_IDS": Display("string", _added_ids),
        "SUB_PROJECT_IDENTIFIER": Display("string", _subject_identifier, valued=True),
        "COHORT": Display("string", "", path="metadata/cohort"),
        "MR_COUNT": Display("integer", _subjects(_MR)),
        "PET_COUNT": Display("integer", _subjects(_PET)),
        "CT_COUNT": Display("integer", _subjects(_CT)),
        "UT_COUNT": Display("integer", _subjects(_VARIABLES)),
    },
    "experiment": {
        **_STAMPS,
        **_plain("string", "LABEL", "PROJECT", "SUBJECT_LABEL", "MODALITY", "SCANNER", "NOTE", SESSION_ID="ID"),
        **_plain("string", EXPT_ID="ID", SUBJECT_ID="subject_ID", SESSION_UID="UID", UID="UID"),
        **_plain("date", "DATE"),
        "PROJECTS": Display("string", _projects),
        "TYPE": Display("string", "session_type"),
        "MR_NOTES": Display("string", "note"),
        "RPT": Display("UNKNOWN", _icon),
        "MR_SCAN_COUNT_AGG": Display("string", _scan_kinds),
        "SCAN_COUNT": Display("integer", _scans),
        "SCAN_COUNT_TYPE": Display("integer", _scans, valued=True),
    },
}
_ONLY_SESSIONS = {"SCAN_COUNT", "SCAN_COUNT_TYPE", "MR_SCAN_COUNT_AGG", "TYPE", "MR_NOTES", "SESSION_ID", "SESSION_UID"}
FIELDS["assessor"] = {name: each for name, each in FIELDS["experiment"].items() if name not in _ONLY_SESSIONS}
FIELDS["scan"] = {
    **_STAMPS,
    "PROJECT": Display("string", _of_session(lambda session, _: session.project)),
    "SESSION_LABEL": Display("string", _of_session(lambda session, _: session.label)),
    "SESSION_ID": Display("string", _of_session(lambda session, _: session.id)),
    "SUBJECT_ID": Display("string", _of_session(lambda session, _: session.subject)),
    "MR_DATE": Display("date", _of_session(lambda session, _: session.fields.get("date", ""))),
    "URI": Display("string", _of_session(lambda session, scan: f"/data/experiments/{session.id}/scans/{scan.id}")),
}
for _kind, _named in {
    "project": _PROJECT_HEADERS,
    "subject": _SUBJECT_HEADERS,
    "experiment": _EXPERIMENT_HEADERS,
    "assessor": _EXPERIMENT_HEADERS,
    "scan": _SCAN_HEADERS,
}.items():
    FIELDS[_kind] = _headed(FIELDS[_kind], _named)
