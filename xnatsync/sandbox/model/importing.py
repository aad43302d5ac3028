"""An import from end to end: the handlers DICOM-zip and gradual-DICOM (import.md §1, §9)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from xnatsync.sandbox.model import operations, separation, unpack
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.archiver import Request
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.importer import Importer
from xnatsync.sandbox.model.merge import Rules
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.prearchive import UNASSIGNED, Row
from xnatsync.sandbox.model.rebuilder import overwrites
from xnatsync.sandbox.model.site import Site

_ID = r"([^/]+)"
_PREARCHIVE = re.compile(rf"/prearchive(?:/projects/{_ID}(?:/{_ID}/{_ID})?)?/?")
_ARCHIVE = re.compile(rf"/archive(?:/projects/{_ID}(?:/subjects/{_ID}(?:/experiments/{_ID})?)?)?/?")
_ALIASES = {"project": "PROJECT_ID", "subject": "SUBJECT_ID", "session": "EXPT_LABEL"}


@dataclass(slots=True)
class Order:
    """What an import request asks for, after its parameters have been read."""

    user: User
    params: dict[str, str] = field(default_factory=dict)
    rules: Rules = field(default_factory=lambda: Rules(merge=False))
    to_archive: bool | None = None  # what `dest` says; None = no dest

    def flag(self, name: str) -> bool:
        """Return whether a parameter is there and not `false` or `0`."""
        return self.params.get(name, "false").lower() not in {"false", "0"}


def read_dest(dest: str, params: dict[str, str]) -> bool:
    """Take project, subject, session or timestamp and folder from `dest`; say whether it is in the archive."""
    path = re.sub(r"^/(data|REST)(?=/)", "", dest if dest.startswith("/") else f"/{dest}")
    if match := _PREARCHIVE.fullmatch(path):
        names, archive = ("PROJECT_ID", "PREARC_TIMESTAMP", "PREARC_SESSION_FOLDER"), False
    elif match := _ARCHIVE.fullmatch(path):
        names, archive = ("PROJECT_ID", "SUBJECT_ID", "EXPT_LABEL"), True
    else:
        raise ModelError(400, "Parameter dest format error")
    found = zip(names, match.groups(), strict=True)
    params.update({name: value for name, value in found if value and value != UNASSIGNED})
    return archive


def with_aliases(params: Mapping[str, str]) -> dict[str, str]:
    """Copy `project`, `subject` and `session` over their upper-case forms: they win (import.md §1.2)."""
    return {**params, **{long: params[short] for short, long in _ALIASES.items() if params.get(short)}}


def read_overwrite(value: str | None, overwrite_files: bool) -> Rules:
    """Turn `overwrite` into the two flags it stands for (import.md §1.3): `none` sent explicitly asks for a merge."""
    if value is None:
        return Rules(merge=False, overwrite_files=overwrite_files)
    return Rules(override=value in {"delete", "override"}, merge=True, overwrite_files=overwrite_files)


def import_archive(site: Site, order: Order, name: str, chunks: Iterable[bytes]) -> list[str]:
    """DICOM-zip: receives the members one by one; what came before a bad one stays.  Gives URIs without /data."""
    params = with_aliases(order.params)
    if (action := params.get("action") or "commit") != "commit":
        raise ModelError(400, f"Unknown action {action}")
    importer = Importer(site, order.user, params)
    failure: ModelError | None = None
    try:
        for member in unpack.members(name, chunks):
            failure = _receive(importer, member, lenient=order.flag("Ignore-Unparsable")) or failure
    except (unpack.FormatError, unpack.BrokenArchiveError) as error:
        raise ModelError(400, str(error)) from error
    if failure is not None and not importer.rows:
        raise failure
    rows = list(importer.rows.values())
    if params.get("action") != "commit" and order.to_archive is None:
        return [row.uri for row in rows]
    return list(_commit_all(site, order, rows))


def _receive(importer: Importer, member: unpack.Member, *, lenient: bool) -> ModelError | None:
    try:
        importer.receive(member.name, member.content)
    except ModelError as error:
        if not lenient:
            raise
        return error
    return None


def import_object(site: Site, order: Order, name: str, chunks: Iterable[bytes]) -> list[str]:
    """gradual-DICOM: receives one object."""
    row = Importer(site, order.user, order.params).receive(name, chunks)
    return [row.uri] if row is not None else []


def _commit_all(site: Site, order: Order, rows: list[Row]) -> Iterator[str]:
    """The commit inside DICOM-zip with its traps (import.md §1.6): a refused build gives no URI and no error."""
    wants_archive = order.to_archive if order.to_archive is not None else order.flag("AA") or order.flag("auto-archive")
    for row in rows:
        if row.direct:
            yield row.uri
            continue
        try:
            parts = separation.build_parts(site, row)
            if not parts:
                continue
            if not wants_archive or not row.project:
                yield row.uri  # of parts, too, though it is gone: XNAT answers what it was given
                continue
            for part in parts:
                if part is row or operations.auto_archives(site, part, asked=False):
                    yield archived_uri(site, operations.archive(site, part, _request(site, order, part)))
        except ModelError as error:
            raise ModelError(400, f"unable to archive for the Prearchive session {row.uri}") from error


def _request(site: Site, order: Order, row: Row) -> Request:
    rules = Rules(order.rules.override, order.rules.merge, order.rules.overwrite_files or overwrites(site, row))
    return Request(order.user, rules, overrides(order.params), order.flag("quarantine"))


def overrides(params: Mapping[str, str]) -> dict[str, str]:
    """Return the XML paths among the parameters."""
    return {name: value for name, value in params.items() if name.startswith("xnat:")}


def archived_uri(site: Site, session: Experiment) -> str:
    """Return the URI of an archived session, without /data."""
    subject = site.subjects[session.subject]
    return f"/archive/projects/{session.project}/subjects/{subject.label}/experiments/{session.label}"
