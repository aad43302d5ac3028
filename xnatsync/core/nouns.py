"""What a person asks a server for: projects, subjects, sessions and resources, as its listings show them."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.core.errors import Usage


@dataclass(frozen=True, slots=True)
class ProjectHeld:
    """A project that this account can read."""

    id: str
    name: str = ""
    secondary_id: str = ""
    pi: str = ""  # family name of the principal investigator
    description: str = ""


@dataclass(frozen=True, slots=True)
class SubjectHeld:
    """A subject of a project, or one shared into it under the label it has there."""

    id: str  # accession ID
    label: str


@dataclass(frozen=True, slots=True)
class SessionHeld:
    """An imaging session.  `project` and `label` are those under which it was asked for, where it is shared."""

    id: str  # accession ID
    label: str
    project: str
    subject: str = ""  # label; "" when only the accession ID is known
    subject_id: str = ""
    date: str = ""  # YYYY-MM-DD
    modality: str = ""  # MR, PET, CT, ...
    xsi_type: str = ""


@dataclass(frozen=True, slots=True)
class ResourceHeld:
    """A resource of a session or a scan; counts and sizes are None where the server never computed them."""

    label: str
    format: str = ""
    content: str = ""
    files: int | None = None
    size: int | None = None  # bytes
    id: str = ""  # the number of its catalogue
    category: str = ""


def not_empty(name: str | None, what: str = "project") -> str | None:
    """Return a name; Usage for an empty one, which is not none: perhaps a variable of a script was not set."""
    if name is not None and not name.strip():
        raise Usage(
            f"the name that was given for the {what} is empty",
            advice=f"Give the {what}, or leave the option out; perhaps a variable of a script is not set.",
        )
    return name
