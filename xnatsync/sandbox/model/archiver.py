"""The archive step: from a built session of the prearchive to an experiment of the archive (import.md §2.6)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from xnatsync.sandbox.model import anonymise, builder, merge, naming, petmr, projectscript, scantypes, writing
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import ModelError, create_experiment, create_subject, touch_up
from xnatsync.sandbox.model.events import note
from xnatsync.sandbox.model.hierarchy import experiment_labelled, folder_of, label_in
from xnatsync.sandbox.model.merge import Rules
from xnatsync.sandbox.model.objects import Experiment, Subject
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.site import Site

_DONE = ("Complete", "Failed", "Killed")


@dataclass(slots=True)
class Request:
    """What somebody asked for; `params` are subject, session and XML paths."""

    user: User
    rules: Rules = field(default_factory=Rules)
    params: Mapping[str, str] = field(default_factory=dict)
    quarantine: bool = False


def archive(site: Site, row: Row, request: Request) -> Experiment:
    """Archive a session; raise ModelError with the status XNAT gives inline (through a queue they become 500)."""
    with _claimed(site, row.uri, "Duplicate archive attempt. Prearchive session already archiving."):
        if not row.built:
            raise ModelError(500, "Unable to find the session's XML document.")
        session = built_session(site, row)
        label = final_label(site, row, session, request.params)
        if not naming.valid_label(label):
            raise ModelError(500, "Identifiers cannot use special characters.")
        with _claimed(site, f"{row.project}/{label}", "Duplicate archive attempt.  Destination session in use."):
            session = _anonymised(site, row, session, label, request)
            target = _entered(site, row, session, label, request)
            _leave(site, row)
            return target


def built_session(site: Site, row: Row, *, together: bool = False) -> Experiment:
    """Return the session of a row as it was built, after a restart from the files.

    `together` takes PET with MR, though it is to be separated: the caller does so.
    """
    content = site.prearchive.content(row)
    if not content.objects:
        raise ModelError(500, "Empty sessions cannot be archived.")  # T TestPrearchiveMgmt
    with site.lock:
        if content.session is None:
            builder.arrange(site.store, row.path, content)
            user = site.settings.text("receivedFileUser")
            setting = petmr.PET if row.part == "PET" else petmr.setting(site, row.project)
            content.session = builder.build(content, row.path, row.name, site.stamp(user), petmr=setting)
            if not together:
                petmr.check(setting, content.session)
            content.session.project = row.project
        return content.session


def final_label(site: Site, row: Row, session: Experiment, params: Mapping[str, str]) -> str:
    """Return the label a session gets: what was asked for, else the row's, cleaned (import.md §2.6, step 2; §4.4)."""
    asked = _asked(params, "session", f"{session.xsi_type}/label", "EXPT_LABEL", "label")
    own = row.name or row.folder
    pet_alone = session.xsi_type == "xnat:petSessionData" and petmr.setting(site, row.project) == petmr.PET
    return naming.archive_label(asked or (petmr.pet_label(own) if pet_alone else own))


def find_subject(site: Site, row: Row, session: Experiment, params: Mapping[str, str]) -> tuple[str, Subject | None]:
    """Return the subject's label and, by a match without case in the project, the subject (import.md §2.6, step 4)."""
    asked = _asked(params, "subject", f"{session.xsi_type}/subject_ID", "SUBJECT_ID")
    label = naming.archive_label(asked or row.subject or session.fields.get("dcmPatientName", ""))
    if not label.strip("_"):
        raise ModelError(400, "Unable to identify subject.")
    exact = site.subjects.get(label)
    if exact is not None and label_in(exact, row.project) is not None:
        return label, exact
    matches = (one for one in site.subjects.values() if (label_in(one, row.project) or "").lower() == label.lower())
    return label, next(matches, None)


def _asked(params: Mapping[str, str], *names: str) -> str:
    """Return the first of several parameters that says something; paths of fields in any case (T TestArchive)."""
    paths = {name.lower(): value for name, value in params.items() if "/" in name}
    return next((found for name in names if (found := params.get(name) or paths.get(name.lower(), ""))), "")


_SCAN_PATH = re.compile(
    r"xnat:\w+/scans/scan\[(?P<number>\d{1,5})\](?:\[@xsi:type=(?P<type>[\w:]+)\])?/(?P<field>[A-Za-z]\w*)"
)


@contextlib.contextmanager
def _claimed(site: Site, key: str, refusal: str) -> Iterator[None]:
    claims = site.prearchive.archiving
    with site.lock:
        if key in claims:
            raise ModelError(423, refusal)
        claims.add(key)
    try:
        yield
    finally:
        with site.lock:
            claims.discard(key)


def _anonymised(site: Site, row: Row, session: Experiment, label: str, request: Request) -> Experiment:
    """Check everything that can be checked before the project's script changes the files, then let it run."""
    with site.lock:
        subject_label, subject = find_subject(site, row, session, request.params)
        if not site.can(request.user, row.project, "create"):
            raise ModelError(403, "Insufficient create privileges for experiments in this project.")
        existing = experiment_labelled(site, row.project, label)
        if existing is not None:
            _check_open_workflows(site, existing, request.rules)
            merge.check(site, session, existing, subject.id if subject is not None else "", request.rules)
    script = projectscript.script_of(site, row.project)
    if not script or row.prevent_anon:
        return session
    content = site.prearchive.content(row)
    names = anonymise.Names(row.project, subject.label if subject is not None else subject_label, label)
    projectscript.apply(site, row.project, row.path, content, script, names)
    return built_session(site, row)


def _check_open_workflows(site: Site, existing: Experiment, rules: Rules) -> None:
    open_ones = [
        one
        for one in site.record.workflows
        if one.get("id") == existing.id and not one.get("status", "").startswith(_DONE)
    ]
    if open_ones and not rules.override:
        name = open_ones[0].get("pipeline_name", "")
        raise ModelError(
            409, f"Session processing may already be in progress: {name}.  Concurrent modification is discouraged."
        )


def _entered(site: Site, row: Row, session: Experiment, label: str, request: Request) -> Experiment:
    """Enter the session into the archive, new or merged into the one that has its label."""
    user = request.user.login
    with site.lock:
        subject_label, subject = find_subject(site, row, session, request.params)
        if subject is None:
            subject = create_subject(site, row.project, subject_label, request.user)
        existing = experiment_labelled(site, row.project, label)
        target = existing or _new_experiment(site, row, session, subject, label, request.user)
        if existing is not None:
            merge.rename_clashing_scans(session, existing)
        _take_fields(session, target, {**row.extra, **request.params})
        scantypes.apply_history(site, session)
        row.destination = folder_of(target)
        site.prearchive.save(row)
    site.documents.flush()  # so that a crash between the files and the documents can be mended at the next start
    merge.transfer(site, session, target, user)
    with site.lock:
        project = site.projects.get(row.project)
        if request.quarantine or (project is not None and project.quarantine_code == 1):
            target.status = "quarantine"
        if existing is not None:
            site.changed(target)
        note(site, target, "Transferred" if existing is None else "Merged", user, kind="PROCESS")
        site.experiments[target.id] = target
        site.save(target)
        touch_up(site, target)
    return target


def _new_experiment(site: Site, row: Row, session: Experiment, subject: Subject, label: str, user: User) -> Experiment:
    """Make the experiment; nobody sees it before its files are in place."""
    target = create_experiment(site, row.project, subject, label, session.xsi_type, user, folder=row.direct)
    site.experiments.pop(target.id)
    site.forget(target)
    return target


def _take_fields(session: Experiment, target: Experiment, params: Mapping[str, str]) -> None:
    """Fill what the target lacks; values given with the request are part of the new session's XML."""
    scans = [(match, value) for path, value in params.items() if (match := _SCAN_PATH.fullmatch(path))]
    for match, value in scans:
        chosen = [one for one in session.scans.values() if not match["type"] or one.xsi_type == match["type"]]
        if int(match["number"]) < len(chosen):
            chosen[int(match["number"])].fields[match["field"]] = value
    values = writing.from_params(
        [
            (path, value)
            for path, value in params.items()
            if path.startswith("xnat:")
            and not path.lower().endswith(("/label", "/subject_id"))
            and not _SCAN_PATH.fullmatch(path)
        ],
        writing.Values(),
    )
    if values.fields or values.variables:
        writing.apply(values, session)
    target.fields = {**session.fields, **{name: value for name, value in target.fields.items() if value}}
    target.variables = {**session.variables, **target.variables}


def _leave(site: Site, row: Row) -> None:
    """Remove the row and whatever is left of its folder."""
    site.documents.flush()
    path, direct = row.path, row.direct
    site.prearchive.remove(row)
    if not direct:
        site.store.delete(path)
