"""Display fields of searches: what types show beside the fields of the schema, and how it is read (§15.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.joins import Joined
from xnatsync.sandbox.model.objects import Project
from xnatsync.sandbox.model.site import Site


@dataclass(slots=True)
class Scope:
    """Who searches where; what is counted is counted once."""

    site: Site
    user: User
    by_project: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_subject: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Counts the experiments by project and by subject, of each type and of all."""
        for item in self.site.experiments.values():
            for kind in (item.xsi_type, ""):
                self.by_project[item.project, kind] += 1
                self.by_subject[item.subject, kind] += 1


Read = Callable[[Scope, Joined, str], str]


@dataclass(frozen=True, slots=True)
class Display:
    """One display field: the type its column tells, and a short name of the listings or a way to read it."""

    type: str
    source: str | Read
    valued: bool = False  # its id goes with a value: SCAN_COUNT_TYPE=T1
    header: str = ""


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
    return {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}.get(
        project.members.get(scope.user.login, ""), ""
    )


def _projects(_: Scope, row: Joined, _value: str) -> str:
    item = row.experiment or row.subject
    return ", ".join((item.project, *item.shares)) if item is not None else ""


def _identifier(_: Scope, row: Joined, project: str) -> str:
    item = row.experiment or row.subject
    if item is None:
        return ""
    return item.label if item.project == project else item.shares.get(project, "")


def _scans(_: Scope, row: Joined, kind: str) -> str:
    scans = row.experiment.scans.values() if row.experiment is not None else ()
    return str(sum(not kind or scan.fields.get("type", "") == kind for scan in scans) or "")


def _added_ids(_: Scope, row: Joined, _value: str) -> str:
    parts = row.subject.parts.get("addID", ()) if row.subject is not None else ()
    return ", ".join(part.values.get("addID", "") for part in parts)


def _plain(kind: str, *names: str, **sources: str) -> dict[str, Display]:
    return {name: Display(kind, source) for name, source in {**{n: n.lower() for n in names}, **sources}.items()}


_STAMPS = {"INSERT_DATE": Display("date", "insert_date"), "INSERT_USER": Display("string", "insert_user")}
_MR, _PET, _CT, _VARIABLES = (
    f"xnat:{name}Data" for name in ("mrSession", "petSession", "ctSession", "subjectVariables")
)

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
        "USER_ROLE": Display("string", _project(_role)),
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
        **_plain("string", "GENDER", "HANDEDNESS", "RACE", "ETHNICITY", GENDER_TEXT="gender"),
        **_plain("string", HANDEDNESS_TEXT="handedness", GROUP="group", SUB_GROUP="group", INVEST_CSV="pi_lastname"),
        **_plain("integer", "SES", "AGE", DOB="yob", EDUC="education"),
        "PROJECTS": Display("string", _projects),
        "ADD_IDS": Display("string", _added_ids),
        "SUB_PROJECT_IDENTIFIER": Display("string", _identifier, valued=True),
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
        "SUB_PROJECT_IDENTIFIER": Display("string", _identifier, valued=True),
        "SCAN_COUNT": Display("integer", _scans),
        "SCAN_COUNT_TYPE": Display("integer", _scans, valued=True),
    },
}
FIELDS["assessor"] = {name: each for name, each in FIELDS["experiment"].items() if not name.startswith("SCAN_COUNT")}
FIELDS["scan"] = _plain("string", "ID", "TYPE", "QUALITY", "NOTE", "SERIES_DESCRIPTION", ID="ID", UID="UID")
FIELDS["scan"] |= _plain("integer", "FRAMES")
