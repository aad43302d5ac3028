"""Sessions: what each method did is read from the server's state, and each has something that goes wrong."""

from __future__ import annotations

from datetime import date

import pytest

from noun_world import PASSWORD, PROJECT, USER, NounWorld
from xnatsync import XNATClient
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.model.creation import create_project, create_subject
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.services import errors
from xnatsync.services.sessions import SessionService, type_of

ODD = 'it\'s <fine> & "good"'


@pytest.fixture
def service(client: XNATClient, far: NounWorld) -> SessionService:
    """A second project is there: OTHER."""
    create_project(far.site, "OTHER", far.owner)
    found = SessionService(client)
    found.settle_s = found.cache_s = 0.0
    return found


def held(far: NounWorld, label: str) -> Experiment:
    return next(each for each in far.site.experiments.values() if each.label == label)


def labels(far: NounWorld) -> list[str]:
    return sorted(each.label for each in far.site.experiments.values())


# --- looking -----------------------------------------------------------------------------------------------------


def test_it_lists(service: SessionService, far: NounWorld) -> None:
    """A project, a subject, a modality; with the columns that were asked for, and no more than asked for."""
    held(far, "MR001").fields |= {"note": "fine", "operator": "JD"}

    found = service.list(project=PROJECT, columns=["operator"])

    assert [(each.label, each.subject, each.modality) for each in found] == [
        ("MR001", "SUB001", "MR"), ("MR002", "SUB001", "MR"), ("PET001", "SUB002", "PT"),
    ]  # fmt: skip
    assert (found[0].note, found[0].session_date, found[0].operator) == ("fine", date(2026, 3, 2), "JD")  # type: ignore[attr-defined]
    assert [each.label for each in service.list(PROJECT, modality="PET")] == ["PET001"]
    assert [each.label for each in service.list(PROJECT, subject="SUB001", limit=1)] == ["MR001"]
    assert len(service.list()) == 3
    with pytest.raises(errors.InvalidInputError, match="no column colour"):
        service.list(PROJECT, columns=["colour"])
    with pytest.raises(errors.ResourceNotFoundError, match="nearest"):
        service.list("NEUROIMAGIN")


def test_it_looks_into_one(service: SessionService, far: NounWorld) -> None:
    """By label in a project, by accession ID anywhere, under both spellings."""
    found = service.get(session_id="MR001", project=PROJECT)

    assert (found.label, found.subject, found.scan_count) == ("MR001", "SUB001", 2)
    assert (found.session_date, found.scanner, found.xsi_type) == (date(2026, 3, 2), None, "xnat:mrSessionData")
    assert service.get(session=found.id).subject == "SUB001"  # type: ignore[call-arg]
    for name, project in (("MR01", PROJECT), ("MR001", None), ("MR001", "OTHER"), ("XNAT_E99999", None)):
        with pytest.raises(errors.ResourceNotFoundError):
            service.get(name, project)


def test_it_lists_what_is_in_one(service: SessionService, far: NounWorld) -> None:
    """Its scans, and its own resources only; never those of the parent for one that is not there (§3.8)."""
    assert [row["ID"] for row in service.get_scans("MR001", PROJECT)] == ["1", "2"]
    assert [row["label"] for row in service.get_resources("MR001", PROJECT)] == ["NIFTI", "QC"]
    far.ask("PUT", f"/data/projects/{PROJECT}/resources/OURS/files/a.txt?inbody=true", b"a")
    for ask in (service.get_scans, service.get_resources):
        with pytest.raises(errors.ResourceNotFoundError):
            ask("MR003", PROJECT)
    far.server.faults.add(Fault("GET", "/resources", "body", times=9, body=""))
    with pytest.raises(errors.XNATError):
        service.get_resources("MR001", PROJECT)


# --- creating ----------------------------------------------------------------------------------------------------


def test_it_creates(service: SessionService, far: NounWorld) -> None:
    """Of the type that the modality says, with everything that was given."""
    made = service.create(PROJECT, "SUB002", "CT1", date="2026-04-01", time="13:05:00", visit_id="V1", modality="CT")

    found = held(far, "CT1")
    assert (found.xsi_type, found.fields["date"], found.fields["visit_id"]) == (
        "xnat:ctSessionData", "2026-04-01", "V1",
    )  # fmt: skip
    assert (made.subject, made.visit_id, made.id) == ("SUB002", "V1", found.id)
    assert type_of("PET") == type_of("pt") == "xnat:petSessionData"


def test_nothing_is_created_by_a_slip(service: SessionService, far: NounWorld) -> None:
    """No empty subject is left behind, and nothing that is there is changed (cases.md, 2)."""
    for project, subject in (("NEUROIMAGIN", "SUB001"), (PROJECT, "SUB01")):
        with pytest.raises(errors.ResourceNotFoundError, match="nearest"):
            service.create(project, subject, "NEW")
    for label in ("MR001", "mr001"):
        with pytest.raises(errors.AlreadyThere):
            service.create(PROJECT, "SUB001", label)
    for wrong in ({"date": "01/04/2026"}, {"time": "25:00:00"}, {"xsi_type": "mr"}, {"visit_id": "a&b"}):
        with pytest.raises(errors.InvalidInputError):
            service.create(PROJECT, "SUB001", "NEW", **wrong)
    with pytest.raises(errors.InvalidInputError):
        service.create(PROJECT, "SUB001", "A B")

    assert far.writes() == []
    assert len(far.site.subjects) == 2
    far.says_yes("PUT", "/experiments/NEW")
    with pytest.raises(errors.EffectMissing):
        service.create(PROJECT, "SUB001", "NEW")


# --- deleting ----------------------------------------------------------------------------------------------------


def test_it_deletes(service: SessionService, far: NounWorld) -> None:
    """And nothing else; with its files, if asked to."""
    folder = held(far, "MR001").folder

    assert service.delete("MR001", PROJECT, remove_files=True) is True

    assert labels(far) == ["MR002", "PET001"]
    assert not far.site.store.exists(folder)
    with pytest.raises(errors.ResourceNotFoundError):
        service.delete("MR001", PROJECT)


def test_a_session_that_is_only_shown_is_not_deleted(service: SessionService, far: NounWorld) -> None:
    """From the project that it is shared into; and a yes without an effect is no success."""
    service.share("MR001", "OTHER", project=PROJECT)

    with pytest.raises(errors.InvalidInputError, match="only shows it"):
        service.delete("MR001", "OTHER")
    far.says_yes("DELETE", "/data/experiments/")
    with pytest.raises(errors.EffectMissing):
        service.delete("MR001", PROJECT)
    assert "MR001" in labels(far)


# --- fields ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["fine", ODD, "ünïcode", " with blanks "])
def test_a_field_is_set_as_it_was_given(service: SessionService, far: NounWorld, value: str) -> None:
    """XNAT would store a parameter's signs escaped, and would ignore a request without a type."""
    assert service.set_field("MR001", "note", value, PROJECT) is True
    assert service.set_field("MR001", "note", value, PROJECT) is True

    assert held(far, "MR001").fields["note"].strip() == value.strip()
    assert service.get("MR001", PROJECT).note == held(far, "MR001").fields["note"]
    assert len(far.writes()) == 1


def test_fields_of_a_shared_session_are_set_at_its_own_project(service: SessionService, far: NounWorld) -> None:
    """Wherever it was found."""
    service.share("MR001", "OTHER", label="THERE", project=PROJECT)

    assert service.set_field("THERE", "acquisition_site", "here", "OTHER") is True
    assert held(far, "MR001").fields["acquisition_site"] == "here"


@pytest.mark.parametrize("field", ["label", "ID", "project", "subject_ID", "sharing/share", "a b", "", "x]"])
def test_what_a_session_is_is_no_field(service: SessionService, far: NounWorld, field: str) -> None:
    """`label=` renames and drops everything else; `subject_ID=` moves, and creates."""
    with pytest.raises(errors.InvalidInputError):
        service.set_field("MR001", field, "NEW", PROJECT)
    assert far.writes() == []


def test_a_field_that_was_ignored_is_no_success(service: SessionService, far: NounWorld) -> None:
    """The server says yes, or the session is not there: a PUT would create it."""
    far.says_yes("PUT", "/experiments/")
    with pytest.raises(errors.EffectMissing):
        service.set_field("MR001", "note", "fine", PROJECT)
    with pytest.raises(errors.ResourceNotFoundError):
        service.set_field("MR01", "note", "fine", PROJECT)
    assert labels(far) == ["MR001", "MR002", "PET001"]


def test_variables_are_set_and_seen(service: SessionService, far: NounWorld) -> None:
    """Whatever signs their values have; those that were there stay."""
    held(far, "MR001").variables["kept"] = "yes"

    assert service.set_variables("MR001", {"rater": "A"}, PROJECT) is True
    assert service.set_variables("MR001", {"said": ODD}, PROJECT) is True

    assert service.variables("MR001", PROJECT) == {"kept": "yes", "rater": "A", "said": ODD}
    assert held(far, "MR001").variables == {"kept": "yes", "rater": "A", "said": ODD}
    with pytest.raises(errors.InvalidInputError):
        service.set_variables("MR001", {"a/b": "c"}, PROJECT)


# --- sharing -----------------------------------------------------------------------------------------------------


def test_a_share_lies_under_its_subject(service: SessionService, far: NounWorld) -> None:
    """With both labels, and a second one is no error (cases.md, 3)."""
    assert service.share("MR001", "OTHER", project=PROJECT) is True
    assert service.share("MR001", "OTHER", project=PROJECT) is True

    assert held(far, "MR001").shares == {"OTHER": "MR001"}
    (there,) = service.list("OTHER")
    assert (there.label, there.subject, there.project) == ("MR001", "SUB001", "OTHER")
    assert len(far.writes()) == 2


def test_a_share_takes_nobodys_label(service: SessionService, far: NounWorld) -> None:
    """Neither that of a session nor that of a subject; nothing of it is begun."""
    subject = create_subject(far.site, "OTHER", "SUB001", far.owner)

    with pytest.raises(errors.AlreadyThere):
        service.share("MR001", "OTHER", project=PROJECT)
    with pytest.raises(errors.ResourceNotFoundError, match="nearest: OTHER"):
        service.share("MR001", "OTHERS", project=PROJECT)
    assert far.writes() == []
    subject.label = "ELSE"
    service.share("MR001", "OTHER", project=PROJECT)
    with pytest.raises(errors.AlreadyThere):
        service.share("MR002", "OTHER", label="MR001", project=PROJECT)


def test_a_primary_share_moves(service: SessionService, far: NounWorld) -> None:
    """The session belongs to the other project then, with its files, and is seen there."""
    assert service.share("MR001", "OTHER", primary=True, project=PROJECT) is True

    assert held(far, "MR001").project == "OTHER"
    assert service.get("MR001", "OTHER").subject == "SUB001"
    far.says_yes("PUT", "/projects/OTHER")
    far.says_yes("PUT", "/projects/OTHER")
    with pytest.raises(errors.EffectMissing):
        service.share("PET001", "OTHER", primary=True, project=PROJECT)


def test_taking_it_out_at_its_own_project_is_refused(service: SessionService, far: NounWorld) -> None:
    """It would be deleted there; elsewhere it is taken out, and out is out."""
    service.share("MR001", "OTHER", project=PROJECT)

    with pytest.raises(errors.InvalidInputError, match="would delete it"):
        service.unshare("MR001", PROJECT, project=PROJECT)
    assert service.unshare("MR001", "OTHER", project=PROJECT) is True
    assert service.unshare("MR001", "OTHER", project=PROJECT) is True

    assert held(far, "MR001").shares == {}
    far.site.experiments[held(far, "MR002").id].shares["OTHER"] = "MR002"
    far.says_yes("DELETE", "/projects/OTHER")
    with pytest.raises(errors.EffectMissing):
        service.unshare("MR002", "OTHER", project=PROJECT)


def test_xnatpy_sees_what_was_written_and_the_reverse(service: SessionService, far: NounWorld) -> None:
    """Another client of the same server."""
    import xnat

    service.create(PROJECT, "SUB001", "OURS", date="2026-04-01")
    service.set_field("OURS", "note", ODD, PROJECT)
    with xnat.connect(far.server.url, user=USER, password=PASSWORD, verify=False, loglevel="ERROR") as theirs:
        found = theirs.projects[PROJECT].experiments["OURS"]
        assert (found.note, str(found.date)) == (ODD, "2026-04-01")
        found.note = "changed there"

    assert service.get("OURS", PROJECT).note == "changed there"
