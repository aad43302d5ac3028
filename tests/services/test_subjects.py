"""Subjects: what each method did is read from the server's state, and each has something that goes wrong."""

from __future__ import annotations

import pytest

from noun_world import PASSWORD, PROJECT, USER, NounWorld
from xnatsync import XNATClient
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.model.creation import create_experiment, create_project, create_subject
from xnatsync.sandbox.model.objects import Subject
from xnatsync.services import errors
from xnatsync.services.subjects import SubjectService

LISTED = f"/data/projects/{PROJECT}/subjects"


@pytest.fixture
def service(client: XNATClient, far: NounWorld) -> SubjectService:
    """A second project is there: OTHER."""
    create_project(far.site, "OTHER", far.owner)
    found = SubjectService(client)
    found.settle_s = found.cache_s = 0.0
    return found


def held(far: NounWorld, label: str) -> Subject:
    return next(subject for subject in far.site.subjects.values() if subject.label == label)


def labels(far: NounWorld, project: str = PROJECT) -> list[str]:
    return sorted(subject.label for subject in far.site.subjects.values() if subject.project == project)


def sessions_of(far: NounWorld, label: str) -> list[str]:
    return sorted(each.label for each in far.site.experiments.values() if each.subject == held(far, label).id)


# --- looking -----------------------------------------------------------------------------------------------------


def test_it_lists_a_project(service: SubjectService, far: NounWorld) -> None:
    """By label, with the number of sessions and the columns that were asked for."""
    held(far, "SUB001").fields["handedness"] = "left"

    found = service.list(PROJECT, columns=["handedness"])

    assert [(subject.label, subject.session_count) for subject in found] == [("SUB001", 2), ("SUB002", 1)]
    assert found[0].handedness == "left"  # type: ignore[attr-defined]
    assert [subject.label for subject in service.list(project=PROJECT, limit=1)] == ["SUB001"]
    assert len(service.list()) == 2
    with pytest.raises(errors.ResourceNotFoundError):
        service.list("NEUROIMAGIN")


def test_it_looks_into_one(service: SubjectService, far: NounWorld) -> None:
    """By label in a project, by accession ID anywhere, under both spellings."""
    held(far, "SUB001").fields |= {"gender": "female", "yob": "1970", "group": "control"}

    found = service.get(project=PROJECT, subject="SUB001")  # type: ignore[call-arg]

    assert (found.gender, found.yob, found.group, found.session_count) == ("female", 1970, "control", 2)
    assert service.get(found.id) == service.get(found.id, PROJECT) == found
    with pytest.raises(errors.ResourceNotFoundError, match="nearest: SUB001"):
        service.get("SUB01", PROJECT)
    with pytest.raises(errors.ResourceNotFoundError, match="hidden"):
        service.get("SUB001")


def test_it_lists_the_sessions_of_one(service: SubjectService) -> None:
    """And none of another."""
    assert [row["label"] for row in service.get_sessions("SUB001", PROJECT)] == ["MR001", "MR002"]
    with pytest.raises(errors.ResourceNotFoundError):
        service.get_sessions("SUB003", PROJECT)


def test_a_cut_listing_is_no_absence(service: SubjectService, far: NounWorld) -> None:
    """Nothing is concluded from it, and nothing created."""
    far.server.faults.add(Fault("GET", LISTED, "body", times=9, body='{"ResultSet":{"Result":['))

    with pytest.raises(errors.XNATError):
        service.create(PROJECT, "NEW")
    assert far.writes() == []


# --- creating ----------------------------------------------------------------------------------------------------


def test_it_creates(service: SubjectService, far: NounWorld) -> None:
    """With everything that was given."""
    made = service.create(PROJECT, "NEW", "control & others", "female", 1971)

    assert (made.label, made.group, made.gender, made.yob) == ("NEW", "control & others", "female", 1971)
    assert held(far, "NEW").fields["group"] == "control & others"
    assert service.create(PROJECT, "NEWER").session_count == 0


@pytest.mark.parametrize("label", ["", "A B", "A/B", "Ä", "A%20B", "..", "A" * 256])
def test_no_label_is_kept_as_another(service: SubjectService, far: NounWorld, label: str) -> None:
    """XNAT stores what an address encodes as it is encoded."""
    with pytest.raises(errors.InvalidInputError):
        service.create(PROJECT, label)
    assert far.writes() == []


def test_what_is_there_is_not_changed_by_creating_it(service: SubjectService, far: NounWorld) -> None:
    """Nor under another case, which an import would not tell apart."""
    for taken in ("SUB001", "sub001"):
        with pytest.raises(errors.AlreadyThere):
            service.create(PROJECT, taken, gender="male")
    for wrong in ({"gender": "x"}, {"yob": 70}):
        with pytest.raises(errors.InvalidInputError):
            service.create(PROJECT, "NEW", **wrong)  # type: ignore[arg-type]
    with pytest.raises(errors.ResourceNotFoundError, match="nearest"):
        service.create("NEUROIMAGINGS", "NEW")

    assert far.writes() == []
    far.says_yes("PUT", LISTED)
    with pytest.raises(errors.EffectMissing):
        service.create(PROJECT, "NEW")


# --- deleting ----------------------------------------------------------------------------------------------------


def test_it_deletes_one_that_is_empty(service: SubjectService, far: NounWorld) -> None:
    """And nothing else."""
    create_subject(far.site, PROJECT, "EMPTY", far.owner)

    assert service.delete(project=PROJECT, subject="EMPTY") is True  # type: ignore[call-arg]
    assert labels(far) == ["SUB001", "SUB002"]


def test_experiments_are_not_deleted_along(service: SubjectService, far: NounWorld) -> None:
    """Sessions or not, here or in another project; the refusal is a RuntimeError too."""
    subject = create_subject(far.site, PROJECT, "CAREFUL", far.owner)
    create_experiment(far.site, "OTHER", subject, "E1", "xnat:subjectVariablesData", far.owner)

    for label in ("SUB001", "CAREFUL"):
        with pytest.raises(RuntimeError) as caught:
            service.delete(label, PROJECT)
        assert isinstance(caught.value, errors.NotEmpty)
    assert far.writes() == []


def test_force_deletes_everything_together(service: SubjectService, far: NounWorld) -> None:
    """And only that of this subject."""
    assert service.delete("SUB001", PROJECT, remove_files=True, force=True) is True

    assert labels(far) == ["SUB002"]
    assert [each.label for each in far.site.experiments.values()] == ["PET001"]


def test_a_subject_that_is_only_shown_is_not_deleted(service: SubjectService, far: NounWorld) -> None:
    """From the project that it is shared into."""
    create_subject(far.site, PROJECT, "EMPTY", far.owner)
    service.share("EMPTY", "OTHER", project=PROJECT)

    with pytest.raises(errors.InvalidInputError, match="only shows it"):
        service.delete("EMPTY", "OTHER")
    assert "EMPTY" in labels(far)


def test_a_delete_that_was_ignored_is_no_success(service: SubjectService, far: NounWorld) -> None:
    """The server says yes and keeps it."""
    create_subject(far.site, PROJECT, "EMPTY", far.owner)
    far.says_yes("DELETE", "/data/subjects/")

    with pytest.raises(errors.EffectMissing):
        service.delete("EMPTY", PROJECT)


# --- renaming ----------------------------------------------------------------------------------------------------


def test_it_renames_one(service: SubjectService, far: NounWorld) -> None:
    """Its sessions stay its own; a second time nothing is sent."""
    found = service.rename(project=PROJECT, subject="SUB001", new_label="P1")  # type: ignore[call-arg]

    assert found.label == "P1"
    assert labels(far) == ["P1", "SUB002"]
    assert sessions_of(far, "P1") == ["MR001", "MR002"]
    assert service.rename("P1", "P1", PROJECT).id == found.id
    assert len(far.writes()) == 1


def test_a_slip_creates_no_subject(service: SubjectService, far: NounWorld) -> None:
    """A PUT to it would; a label that is taken is refused before anything is sent."""
    with pytest.raises(errors.ResourceNotFoundError):
        service.rename("SUB01", "P1", PROJECT)
    with pytest.raises(errors.AlreadyThere) as caught:
        service.rename("SUB001", "SUB002", PROJECT)
    with pytest.raises(errors.InvalidInputError):
        service.rename("SUB001", "P 1", PROJECT)

    assert "--merge" in caught.value.remedy
    assert (far.writes(), labels(far)) == ([], ["SUB001", "SUB002"])


def test_a_renaming_that_outlives_its_answer_is_looked_for(service: SubjectService, far: NounWorld) -> None:
    """And never sent twice."""
    far.server.faults.add(Fault("PUT", LISTED, "lost_reply"))

    assert service.rename("SUB001", "P1", PROJECT).label == "P1"

    far.says_yes("PUT", LISTED)
    with pytest.raises(errors.EffectMissing):
        service.rename("P1", "P2", PROJECT)
    assert len(far.writes()) == 2


def test_a_batch_hands_labels_on(service: SubjectService, far: NounWorld) -> None:
    """In an order in which they are free; each failure stands for itself."""
    mapping = {"SUB001": "SUB002", "SUB002": "P2", "GONE": "P3", "sub": "b d"}

    planned = service.rename_batch(PROJECT, mapping, dry_run=True)
    assert far.writes() == []
    done = service.rename_batch(PROJECT, mapping)

    assert {row["to"] for row in done["renamed"]} == {"SUB002", "P2"}
    assert [row["from"] for row in planned["renamed"]] == [row["from"] for row in done["renamed"]]
    assert {row["from"] for row in done["errors"]} == {"GONE", "sub"}
    assert labels(far) == ["P2", "SUB002"]
    assert sessions_of(far, "SUB002") == ["MR001", "MR002"]


def test_a_batch_swaps_nothing_by_accident(service: SubjectService, far: NounWorld) -> None:
    """A circle has no first one; what has its label is skipped."""
    done = service.rename_batch(PROJECT, {"SUB001": "SUB002", "SUB002": "SUB001"})

    assert done["renamed"] == []
    assert len(done["skipped"]) == 2
    assert service.rename_batch(PROJECT, {"SUB001": "SUB001"})["skipped"][0]["reason"] == "it has this label"
    assert labels(far) == ["SUB001", "SUB002"]


def test_a_pattern_renames_whole_labels(service: SubjectService, far: NounWorld) -> None:
    """Never a label of which only the beginning matches."""
    create_subject(far.site, PROJECT, "SUB003_old", far.owner)

    done = service.rename_pattern(PROJECT, r"SUB(\d+)", "P{1}")

    assert labels(far) == ["P001", "P002", "SUB003_old"]
    assert len(done["renamed"]) == 2
    for pattern, template in ((r"SUB(\d+)", "P{2}"), (r"SUB(", "P"), (r"SUB(\d+)", "P{x}")):
        with pytest.raises(errors.InvalidInputError):
            service.rename_pattern(PROJECT, pattern, template)


def test_a_pattern_merges_only_when_asked(service: SubjectService, far: NounWorld) -> None:
    """Two labels that become one."""
    create_subject(far.site, PROJECT, "SUB002_old", far.owner)

    left = service.rename_pattern(PROJECT, r"(SUB\d+)_old", "{1}")
    planned = service.rename_pattern(PROJECT, r".*", "ALL", dry_run=True, merge=True)
    assert far.writes() == []
    done = service.rename_pattern(PROJECT, r"(SUB\d+)_old", "{1}", merge=True)

    assert [row["from"] for row in left["skipped"]] == ["SUB002_old"]
    assert (len(planned["renamed"]), len(planned["merged"]), planned["errors"]) == (1, 2, [])
    assert [row["from"] for row in done["merged"]] == ["SUB002_old"]
    assert labels(far) == ["SUB001", "SUB002"]


# --- merging -----------------------------------------------------------------------------------------------------


def test_two_become_one(service: SubjectService, far: NounWorld) -> None:
    """Every experiment moves, sessions or not; the plan is what is done."""
    create_experiment(far.site, PROJECT, held(far, "SUB001"), "QC1", "xnat:subjectVariablesData", far.owner)

    planned = service.merge_subjects(PROJECT, "SUB001", "SUB002", dry_run=True)
    assert far.writes() == []
    done = service.merge_subjects(PROJECT, "SUB001", "SUB002")

    assert (done["experiments_moved"], done["source_deleted"], done.kept) == (3, True, "")  # type: ignore[attr-defined]
    assert planned["experiments"] == done["experiments"]
    assert labels(far) == ["SUB002"]
    assert sessions_of(far, "SUB002") == ["MR001", "MR002", "PET001", "QC1"]


@pytest.mark.parametrize("what", ["file", "variable", "gender", "share"])
def test_a_subject_with_something_of_its_own_is_kept(service: SubjectService, far: NounWorld, what: str) -> None:
    """Its experiments move, and what would be lost is named."""
    source = held(far, "SUB001")
    if what == "file":
        assert far.ask("PUT", f"/data/subjects/{source.id}/resources/R/files/a.txt?inbody=true", b"a")[0] == 200
    elif what == "variable":
        source.variables["age_grp"] = "A"
    elif what == "gender":
        source.fields["gender"] = "male"
    else:
        service.share("SUB001", "OTHER", project=PROJECT)

    done = service.merge_subjects(PROJECT, "SUB001", "SUB002")

    assert done["source_deleted"] is False
    assert done["kept"]
    assert (labels(far), sessions_of(far, "SUB001")) == (["SUB001", "SUB002"], [])


def test_a_merge_that_breaks_off_deletes_nothing(service: SubjectService, far: NounWorld) -> None:
    """The server ignores the second move; or one of the two is not there."""
    far.server.faults.add(Fault("PUT", "/experiments/", "call", after=1, before=lambda _: Response()))

    with pytest.raises(errors.EffectMissing):
        service.merge_subjects(PROJECT, "SUB001", "SUB002")
    assert labels(far) == ["SUB001", "SUB002"]
    assert len(far.site.experiments) == 3
    for source, target in (("SUB001", "SUB003"), ("SUB003", "SUB001")):
        with pytest.raises(errors.ResourceNotFoundError):
            service.merge_subjects(PROJECT, source, target)
    with pytest.raises(errors.InvalidInputError):
        service.merge_subjects(PROJECT, "SUB001", "SUB001")


def test_what_comes_meanwhile_keeps_its_subject(service: SubjectService, far: NounWorld) -> None:
    """A session that arrives between the last move and the deletion."""
    source = held(far, "SUB001")

    def arrives(request: Request, response: Response) -> None:
        if sessions_of(far, "SUB001") == []:
            create_experiment(far.site, PROJECT, source, "LATE", "xnat:mrSessionData", far.owner)

    far.server.faults.add(Fault("PUT", "/experiments/", "call", times=9, after_call=arrives))

    with pytest.raises(errors.EffectMissing, match="meanwhile"):
        service.merge_subjects(PROJECT, "SUB001", "SUB002")
    assert sessions_of(far, "SUB001") == ["LATE"]


def test_experiments_of_other_projects_are_not_left_behind(service: SubjectService, far: NounWorld) -> None:
    """A merge would not reach them, and deleting the source would delete them."""
    create_experiment(far.site, "OTHER", held(far, "SUB001"), "E1", "xnat:mrSessionData", far.owner)

    with pytest.raises(errors.RequestRefused, match="other projects"):
        service.merge_subjects(PROJECT, "SUB001", "SUB002")
    assert far.writes() == []


# --- sharing -----------------------------------------------------------------------------------------------------


def test_a_share_has_its_label(service: SubjectService, far: NounWorld) -> None:
    """And a second one is no error (cases.md, 3)."""
    assert service.share("SUB001", "OTHER", project=PROJECT) is True
    assert service.share("SUB001", "OTHER", project=PROJECT) is True
    assert service.share("SUB001", PROJECT, project=PROJECT) is True
    assert service.share("SUB002", "OTHER", label="S2", project=PROJECT) is True

    assert (held(far, "SUB001").shares, held(far, "SUB002").shares) == ({"OTHER": "SUB001"}, {"OTHER": "S2"})
    assert [subject.label for subject in service.list("OTHER")] == ["S2", "SUB001"]
    assert len(far.writes()) == 2


def test_a_share_takes_nobodys_label(service: SubjectService, far: NounWorld) -> None:
    """Nor goes into a project that is not there."""
    create_subject(far.site, "OTHER", "SUB001", far.owner)

    with pytest.raises(errors.AlreadyThere):
        service.share("SUB001", "OTHER", project=PROJECT)
    with pytest.raises(errors.ResourceNotFoundError, match="nearest: OTHER"):
        service.share("SUB001", "OTHERS", project=PROJECT)
    assert far.writes() == []


def test_taking_it_out_at_its_own_project_is_refused(service: SubjectService, far: NounWorld) -> None:
    """It would be deleted there; elsewhere it is taken out, and out is out."""
    service.share("SUB001", "OTHER", project=PROJECT)

    with pytest.raises(errors.InvalidInputError, match="would delete it"):
        service.unshare("SUB001", PROJECT, project=PROJECT)
    assert service.unshare("SUB001", "OTHER", project=PROJECT) is True
    assert service.unshare("SUB001", "OTHER", project=PROJECT) is True

    assert held(far, "SUB001").shares == {}
    assert labels(far) == ["SUB001", "SUB002"]
    assert len(far.writes()) == 2


# --- variables ---------------------------------------------------------------------------------------------------


def test_variables_are_set_and_seen(service: SubjectService, far: NounWorld) -> None:
    """Whatever signs their values have; those that were there stay."""
    held(far, "SUB001").variables["kept"] = "yes"

    assert service.set_variables("SUB001", {"age_grp": "A", "said": 'it\'s <fine> & "good"'}, PROJECT) is True
    assert service.set_variables("SUB001", {"age_grp": "A"}, PROJECT) is True

    assert held(far, "SUB001").variables == {"kept": "yes", "age_grp": "A", "said": 'it\'s <fine> & "good"'}
    assert service.variables("SUB001", PROJECT) == held(far, "SUB001").variables
    assert len(far.writes()) == 1


def test_no_subject_is_made_by_setting_one(service: SubjectService, far: NounWorld) -> None:
    """A slip in the label; a name that is none; a server that ignores it."""
    with pytest.raises(errors.ResourceNotFoundError):
        service.set_variables("SUB01", {"a": "b"}, PROJECT)
    for wrong in ({}, {"a=b": "c"}, {"a": "\x00"}):
        with pytest.raises(errors.InvalidInputError):
            service.set_variables("SUB001", wrong, PROJECT)
    assert far.writes() == []
    far.says_yes("PUT", LISTED)
    with pytest.raises(errors.EffectMissing):
        service.set_variables("SUB001", {"a": "b"}, PROJECT)


def test_xnatpy_sees_what_was_written_and_the_reverse(service: SubjectService, far: NounWorld) -> None:
    """Another client of the same server."""
    import xnat

    service.create(PROJECT, "OURS", gender="female")
    service.set_variables("OURS", {"age_grp": "A"}, PROJECT)
    with xnat.connect(far.server.url, user=USER, password=PASSWORD, verify=False, loglevel="ERROR") as theirs:
        project = theirs.projects[PROJECT]
        assert project.subjects["OURS"].demographics.gender == "female"
        assert project.subjects["OURS"].fields["age_grp"] == "A"
        theirs.classes.SubjectData(parent=project, label="THEIRS")

    assert service.get("THEIRS", PROJECT).session_count == 0
