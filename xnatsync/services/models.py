"""What services return: frozen models whose fields are those that a script may rely on.

A field is None where the listing that was asked does not tell it; nothing is guessed.  Columns that were asked for with
`columns=` and have no field of their own are in `model_extra`, and are attributes as well.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Fields", "Member", "Project", "Record", "Resource", "ResourceFile", "Scan", "Session", "Subject"]


class Record(BaseModel):
    """One thing that a server holds."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class Fields(dict[str, Any]):
    """A dictionary whose keys are attributes too: the founding document uses both of one result."""

    def __getattr__(self, name: str) -> Any:
        """Return a value by its key."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Project(Record):
    """A project that this account can read."""

    id: str
    name: str = ""
    secondary_id: str = Field(default="", description="The running title, which XNAT also takes for an ID.")
    pi: str = Field(
        default="", description="The family name of the principal investigator; with get(), the whole name."
    )
    description: str = ""
    keywords: str | None = None
    accessibility: str | None = Field(default=None, description="private, protected or public; with get() only.")
    subject_count: int | None = Field(default=None, description="With get() only.")
    session_count: int | None = Field(default=None, description="With get() only.")


class Member(Record):
    """A user of a project."""

    login: str
    role: str = Field(
        default="", description="One of the three usual ones, such as member; else the name of a group of the project."
    )
    group: str = Field(default="", description="The ID of the group, such as NEURO_member.")
    firstname: str = ""
    lastname: str = ""
    email: str = ""


class Subject(Record):
    """A subject of a project, or one shared into it under the label it has there."""

    id: str = Field(description="The accession ID.")
    label: str
    project: str = ""
    group: str | None = None
    gender: str | None = None
    yob: int | None = Field(default=None, description="Year of birth.")
    session_count: int | None = None


class Session(Record):
    """An experiment: an imaging session, with project and label under which it was asked for."""

    id: str = Field(description="The accession ID.")
    label: str
    project: str = ""
    subject: str = Field(default="", description="The subject's label.")
    subject_id: str = Field(default="", description="The subject's accession ID.")
    xsi_type: str = Field(default="", description="Such as xnat:mrSessionData.")
    modality: str = ""
    session_date: date | None = None
    scan_count: int | None = Field(default=None, description="With get() only.")
    scanner: str | None = None
    visit_id: str | None = None
    note: str | None = None
    uid: str | None = Field(default=None, description="The Study Instance UID.")


class Scan(Record):
    """A scan of a session."""

    scan_id: str
    type: str = ""
    series_description: str = ""
    quality: str = ""
    note: str = ""
    frames: int | None = None
    xsi_type: str = ""
    uid: str | None = Field(default=None, description="The Series Instance UID.")
    file_count: int | None = None
    file_size: int | None = Field(default=None, description="Bytes.")

    @property
    def id(self) -> str:
        """The scan's ID, as other models call theirs."""
        return self.scan_id


class Resource(Record):
    """A resource: a named folder of files."""

    label: str
    id: str | None = Field(default=None, description="The number of its catalogue.")
    format: str = ""
    content: str = ""
    category: str = ""
    scan: str | None = Field(default=None, description="The scan that it belongs to; None: the session's own.")
    file_count: int | None = Field(default=None, description="None where the server never counted.")
    file_size: int | None = Field(default=None, description="Bytes; None where the server never counted.")


class ResourceFile(Record):
    """A file of a resource."""

    name: str = Field(description="The path in the resource.")
    size: int | None = Field(default=None, description="Bytes.")
    digest: str | None = Field(default=None, description="MD5, where the server has one.")
    format: str = ""
    content: str = ""
    tags: str = ""
    uri: str = ""
