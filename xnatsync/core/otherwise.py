"""Where the headers of a study say something else than a command: it is told, by the name of the field alone (S8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xnatsync.core.given import Given
from xnatsync.core.labels import clean_label
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.wording import counted

_IDENTITY = ("PatientID", "PatientName")  # XNAT would make the subject's label of the name, people do of the ID
_ROUTING = ("PatientComments", "StudyComments", "AdditionalPatientHistory")  # `Project:P Subject:S Session:E`, §4.1
OTHERWISE = frozenset({*_IDENTITY, *_ROUTING})
_ASKED = re.compile(r"(?i)\b(project|subject|session):\s*([\w-]+)")
SEVERAL = "PatientID differs"


@dataclass(frozen=True, slots=True)
class Otherwise:
    """A field that says otherwise, and in how many objects."""

    field: str
    objects: int
    text: str


def otherwise(files: Iterable[ManifestFile], given: Given, project: str) -> Iterator[Otherwise]:
    """Compare the headers of the objects with what the command says; nothing of any header is repeated."""
    objects = [file for file in files if file.kind is Kind.DICOM]
    wrong = sum(_is_another(file, given.subject) for file in objects)
    if wrong:
        text = f"neither PatientID nor PatientName is the subject given, in {counted(wrong, 'object')}"
        yield Otherwise("PatientID", wrong, text)
    patients = {file.tags.get("PatientID", "").strip() for file in objects} - {""}
    if len(patients) > 1:
        text = f"PatientID has {len(patients)} different values: it may be of several patients"
        yield Otherwise(SEVERAL, len(objects), text)
    asked = {"project": project, "subject": given.subject, "session": given.session}
    for field in _ROUTING:
        found: dict[str, int] = {}
        for file in objects:
            for what, value in _ASKED.findall(file.tags.get(field, "")):
                if value.casefold() != asked[what.lower()].casefold():
                    found[what.lower()] = found.get(what.lower(), 0) + 1
        for what, many in sorted(found.items()):
            yield Otherwise(field, many, f"{field} asks for another {what}, in {counted(many, 'object')}")


def _is_another(file: ManifestFile, subject: str) -> bool:
    said = [clean_label(file.tags.get(field, "").strip()).casefold() for field in _IDENTITY]
    return any(said) and subject.casefold() not in said
